"""Packs of trials against one trial at a time, measured in one run on one device.

    python -m benchmarks.packing [--sizes 1 8 64] [--architecture locatello] [--precision bf16] [--steps 30]
        [--rounds 4] [--device cuda]

Packs of each size and a trial alone take turns, in one process with one thread; the best round counts. Images per
second are those of all models of a pack together; the share is that of a matrix product of that precision in the same
process; the hours are those of the preset paper, 300 models × 300,000 steps of 64 images, at this rate and with nothing
else to do.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace

import torch

from benchmarks.training import DTYPES, flops_per_image
from bvae.config import ARCHITECTURES, PRECISIONS, TrialConfig
from bvae.data import load
from bvae.memory import keep_freed_memory
from bvae.packing import train_packed
from bvae.training import train

PAPER_IMAGES = 300 * 300_000 * 64
BETAS = (1.0, 2.0, 4.0, 6.0, 8.0, 16.0)
ROUNDS_OF_PRODUCTS = 10


def timed(steps: Iterator[object], count: int, device: str) -> float:
    """Seconds of so many steps, by the clock."""
    started = time.perf_counter()
    for _ in range(count):
        next(steps)
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def product_seconds(device: str, precision: str) -> float:
    """Seconds of a product of two 1024 × 1024 matrices."""
    matrix = torch.rand(1024, 1024, device=device, dtype=DTYPES[precision])
    products = (matrix @ matrix for _ in range(ROUNDS_OF_PRODUCTS + 1))
    next(products)
    return timed(products, ROUNDS_OF_PRODUCTS, device) / ROUNDS_OF_PRODUCTS


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--sizes", nargs="+", type=int, default=[1, 8, 64], help="models of a pack")
    parser.add_argument("--architecture", choices=ARCHITECTURES, default="locatello")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--steps", type=int, default=30, help="between two looks at the clock")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    store, every = load(), options.steps
    most = (options.rounds + 1) * every
    config = TrialConfig(architecture=options.architecture, steps=most, precision=options.precision)
    stops = range(every, most + 1, every)
    runs: dict[str, Iterator[object]] = {"alone": iter(train(config, store, stops, device=options.device))}
    models = {"alone": 1}
    for size in options.sizes:
        configs = [replace(config, seed=k, beta=BETAS[k % len(BETAS)]) for k in range(size)]
        runs[f"pack of {size}"] = train_packed(configs, store, stops, device=options.device)
        models[f"pack of {size}"] = size
    for run in runs.values():
        timed(run, 1, options.device)  # Warm up.
    best = dict.fromkeys(runs, float("inf"))
    peak = float("inf")
    for _ in range(options.rounds):
        for name, run in runs.items():
            best[name] = min(best[name], timed(run, 1, options.device))
        peak = min(peak, product_seconds(options.device, options.precision))
    flops = flops_per_image(config)
    how = f"{options.precision} on {options.device}, torch {torch.__version__}, batches of {config.batch_size}"
    print(f"{options.architecture}, {how}")
    print(f"{'':12}{'steps/s':>9}{'images/s':>11}{'to alone':>10}{'of peak':>9}{'hours':>9}")
    alone = every * config.batch_size / best["alone"]
    for name, seconds in best.items():
        rate = models[name] * every * config.batch_size / seconds
        share = rate * flops * peak / (2 * 1024**3)
        hours = PAPER_IMAGES / rate / 3600
        print(f"{name:12}{every / seconds:9.1f}{rate:11,.0f}{rate / alone:10.2f}{share:9.1%}{hours:9.1f}")


if __name__ == "__main__":
    main()
