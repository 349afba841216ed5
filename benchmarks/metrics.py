"""Seconds of every metric against a plain implementation, measured in one run on one core.

    python -m benchmarks.metrics [--samples 15000] [--latents 10] [--plain-dci]
    python -m benchmarks.metrics --end-to-end [CHECKPOINT] [--samples 15000]
    python -m benchmarks.metrics --enough CHECKPOINT [--samples 15000]

Plain means what one writes with scikit-learn and NumPy, as the field's reference does: a Python loop over votes, one
mutual_info_score for each pair, GradientBoostingClassifier for DCI. Two of them would take minutes, so they are run
in part and extrapolated, and marked with ~: DCI on the smallest factor (trees scale with factor values; --plain-dci
runs all of them) and the Monte Carlo entropies of Chen's MIG on a fiftieth of the authors' draws.

The second form times one model from images to scores, part by part: it encodes dSprites images with the model of a
checkpoint, by default an untrained one of the default architecture. The third asks whether so many images are enough:
scores of four disjoint sets of them beside the scores of eight times as many.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from analysis.metrics import METRICS, score
from benchmarks.plain_metrics import PLAIN, TEST, TRAIN, Data
from bvae.checkpoint import load_model
from bvae.config import TrialConfig
from bvae.data import load_dsprites
from bvae.model import VAE
from bvae.training import encode

SIZES = {"shape": 3, "scale": 6, "orientation": 40, "pos_x": 32, "pos_y": 32}


def a_model(samples: int, latents: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes, log-variances, factors as of a β-VAE: clean positions, orientation on a circle, latents 6 and up dead."""
    rng = np.random.default_rng(0)
    factors = np.column_stack([rng.integers(size, size=samples) for size in SIZES.values()])
    shape, scale, _, x, y = ((factors - factors.mean(0)) / factors.std(0)).T
    turn = 2 * np.pi * factors[:, 2] / 39
    live = [x + 0.1 * y, y - 0.1 * x, scale + 0.3 * shape, np.cos(turn) + 0.3 * shape, np.sin(turn), 0.8 * shape]
    codes = np.zeros((samples, latents))
    codes[:, : len(live)] = np.column_stack(live)[:, :latents]
    width = np.resize([0.05, 0.05, 0.3, 0.1, 0.1, 0.5], latents)
    width[len(live) :] = 1.0
    codes += width * np.where(width < 1, 1.0, 0.02) * rng.normal(size=codes.shape)
    logvar = 2 * np.log(width) + 0.1 * rng.normal(size=codes.shape)
    return codes.astype(np.float32), logvar.astype(np.float32), factors


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """The result and the processor seconds that it took."""
    start = time.process_time()
    return function(), time.process_time() - start


def resident(field: str) -> float:
    """Resident memory of this process in MiB, now (VmRSS) or at its peak (VmHWM); Linux only."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 2**10


def whole_budgets(codes: np.ndarray, logvar: np.ndarray, factors: np.ndarray) -> None:
    """Print the time of both budgets and the memory that the full one needs above what is held before it."""
    small = slice(0, 200)
    _, compiling = timed(lambda: score(codes[small], factors[small], logvar=logvar[small]))
    _, cheap = timed(lambda: score(codes, factors, budget="cheap", logvar=logvar, factor_names=list(SIZES)))
    measurable = Path("/proc/self/clear_refs").exists()
    if measurable:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew from here
        before = resident("VmRSS")
    _, full = timed(lambda: score(codes, factors, budget="full", logvar=logvar, factor_names=list(SIZES)))
    print(f"cheap budget {cheap:.2f} s, full budget {full:.1f} s, imports and compiling {compiling:.1f} s beforehand")
    if measurable:
        print(
            f"memory of the full budget: at most {resident('VmHWM') - before:.0f} MiB above what was held before it\n"
        )


def encoded(vae: VAE, images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean codes (n, D), their log-variances (n, D) and factors (n, K) of images given by their indices in dSprites."""
    store = load_dsprites()
    posterior = encode(vae, store, np.sort(images))
    return posterior.mean.numpy(), posterior.logvar.numpy(), store.factors(np.sort(images))


def end_to_end(vae: VAE, samples: int) -> None:
    """Print what one model costs from images to the full budget of scores, and to the cheap one; one thread."""
    images = np.random.default_rng(0).permutation(len(load_dsprites()))
    codes, logvar, factors = encoded(vae, images[:512])
    rest: dict[str, Any] = {"logvar": logvar, "factor_names": list(SIZES)}
    score(codes, factors, **rest)  # compiles
    (codes, logvar, factors), encoding = timed(lambda: encoded(vae, images[:samples]))
    rest["logvar"] = logvar
    print(f"{samples:,} images, {vae.config.latent_dim} latents, processor seconds, one thread")
    print(f"{'encoding ' + vae.config.architecture:28}{encoding:10.2f}")
    totals = {}
    for budget in ("full", "cheap"):
        names = {m.function: name for name, m in reversed(METRICS.items()) if budget == "full" or m.budget == "cheap"}
        scores, totals[budget] = timed(lambda budget=budget: score(codes, factors, budget=budget, **rest))
        print(f"{f'{budget} budget, {len(scores)} values':28}{totals[budget]:10.2f}")
        for name in reversed(names.values()):
            _, seconds = timed(lambda name=name: score(codes, factors, [name], **rest))
            print(f"  {name:26}{seconds:10.2f}", flush=True)
    print(
        f"images to full scores {encoding + totals['full']:.1f} s, to cheap scores {encoding + totals['cheap']:.1f} s"
    )


def enough(vae: VAE, samples: int) -> None:
    """Print each metric's score of four disjoint sets of images, and of eight times as many images."""
    images = np.random.default_rng(0).permutation(len(load_dsprites()))
    sets = [*np.split(images[: 4 * samples], 4), images[4 * samples : 12 * samples]]
    scores = []
    for chosen in sets:
        codes, logvar, factors = encoded(vae, chosen)
        scores.append(score(codes, factors, budget="full", logvar=logvar, factor_names=list(SIZES)))
    print(f"{'metric':28}{f'4 × {samples:,}: lowest':>20}{'mean':>9}{'highest':>9}{f'{len(sets[-1]):,}':>10}")
    for name in METRICS:
        *few, many = (values[name] for values in scores)
        print(f"{name:28}{min(few):20.4f}{np.mean(few):9.4f}{max(few):9.4f}{many:10.4f}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--samples", type=int, default=TRAIN + TEST)
    parser.add_argument("--latents", type=int, default=10)
    parser.add_argument(
        "--plain-dci", action="store_true", help="run the plain DCI on all factors: 3 to 6 minutes more"
    )
    parser.add_argument(
        "--end-to-end", nargs="?", const="", metavar="CHECKPOINT", help="time one model from images to scores instead"
    )
    parser.add_argument("--enough", metavar="CHECKPOINT", help="compare the scores of few images and of many instead")
    arguments = parser.parse_args()
    if arguments.samples < TRAIN + TEST or arguments.latents < 2:
        parser.error(f"needs at least {TRAIN + TEST} samples and 2 latents")
    if arguments.end_to_end is not None or arguments.enough:
        checkpoint = arguments.end_to_end or arguments.enough
        torch.set_num_threads(1)
        vae = load_model(checkpoint) if checkpoint else VAE(TrialConfig(latent_dim=arguments.latents))
        with threadpool_limits(limits=1):
            (enough if arguments.enough else end_to_end)(vae, arguments.samples)
        return
    codes, logvar, factors = a_model(arguments.samples, arguments.latents)
    print(
        f"{arguments.samples} samples, {arguments.latents} latents, {len(SIZES)} factors, processor seconds, one thread"
    )
    with threadpool_limits(limits=1):
        whole_budgets(codes, logvar, factors)
        data = Data(codes, logvar, factors, arguments.plain_dci)
        print(f"{'metric':28}{'score':>9}{'seconds':>10}{'plain':>10}{'seconds':>10}{'ratio':>9}")
        for name, plain in PLAIN.items():
            ours, seconds = timed(lambda name=name: score(codes, factors, [name], logvar=logvar)[name])
            (value, times), measured = timed(lambda plain=plain: plain(data))
            mark, shown = ("~", "") if times > 1 else ("", f"{value:.3f}")
            costs = f"{mark + format(measured * times, '.2f'):>10}{mark + format(measured * times / seconds, '.1f'):>9}"
            print(f"{name:28}{ours:9.3f}{seconds:10.2f}{shown:>10}{costs}", flush=True)
    print(
        "\nDCI's three scores come from one fit, as do InfoMEC's; shown is the one named. ~ extrapolated from a part."
    )


if __name__ == "__main__":
    main()
