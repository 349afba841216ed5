"""Training of this project against a plain loop (benchmarks/plain_training.py), measured in one run.

    python -m benchmarks.training [--architectures burgess conv256] [--precision bf16] [--rounds 6] [--steps 4]
        [--device cuda]

Each loop runs in processes of its own, which take turns: this project alone, the plain loop alone, then two processes
of each side by side, and again. Both have the same network, batch size, images and number of threads. The best round
counts, because what else runs on the machine can only slow a round down; images per second are given by the clock
(wall) and by processor time (cpu), which a loaded machine disturbs less.

FLOP/s count what the layers need when they are computed plainly, and are compared with a product of two 1024 × 1024
matrices of the same precision in the same processes. The plain loop's precision is always float32.

Memory is that of a trial's process: PSS shares the image cache among those that map it, USS is the process' own, what
each further trial takes.

On a GPU the plain loop's processor time says nothing; look at the clock there.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.plain_training import plain_steps
from bvae.config import ARCHITECTURES, PRECISIONS, TrialConfig
from bvae.data import ImageStore, load
from bvae.memory import keep_freed_memory
from bvae.model import VAE
from bvae.training import train

PLAIN_IMAGES = 65_536  # unpacked by the plain loop: with all of them it would hold 3 GB for the same speed
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}
FIRST_STEP = """
import study.trainable, torch
from bvae import data, training
from bvae.config import TrialConfig
torch.set_num_threads({threads})
config = TrialConfig(architecture={architecture!r})
next(training.train(config, data.load(), [1], device={device!r}))
"""


class Turn(NamedTuple):
    """What a process says of its turn: seconds by the clock and of processor time."""

    wall: float
    cpu: float


def own_steps(config: TrialConfig, store: ImageStore, device: str) -> Iterator[object]:
    """One gradient step of this project after the other."""
    return iter(train(config, store, range(1, config.steps + 1), device=device))


def work(connection: Connection, side: str, config: TrialConfig, threads: int, device: str) -> None:
    """A process: does as many steps as it is told, and says how long they took; "memory" and "matmul" likewise."""
    torch.set_num_threads(threads)
    store = load()
    if side == "plain":
        steps: Iterator[object] = plain_steps(config, store.images(np.arange(0, len(store), 11)[:PLAIN_IMAGES]), device)
    else:
        keep_freed_memory()
        steps = own_steps(config, store, device)
    matrix = torch.rand(1024, 1024, device=device, dtype=DTYPES[config.precision])
    actions: dict[str, Callable[[], object]] = {"step": lambda: next(steps), "matmul": lambda: matrix @ matrix}
    while (order := connection.recv()) is not None:
        action, times = order
        if action == "memory":
            connection.send(memory())
            continue
        started = time.perf_counter(), time.process_time()
        for _ in range(times):
            actions[action]()
        if device != "cpu":
            torch.cuda.synchronize()
        connection.send(Turn(time.perf_counter() - started[0], time.process_time() - started[1]))


def memory() -> tuple[float, float]:
    """PSS and USS of this process in MB; NaN where the system does not tell."""
    rollup = Path("/proc/self/smaps_rollup")
    if not rollup.exists():
        return float("nan"), float("nan")
    fields = {line.split()[0]: int(line.split()[1]) for line in rollup.read_text().splitlines()[1:]}
    return fields["Pss:"] * 1.024e-3, (fields["Private_Clean:"] + fields["Private_Dirty:"]) * 1.024e-3


class Pair:
    """Two processes of one side, with what their turns took."""

    def __init__(self, side: str, config: TrialConfig, threads: int, device: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.batch = config.batch_size
        self.connections: list[Connection] = []
        self.processes = []
        for seed in (0, 1):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=work, args=(theirs, side, replace(config, seed=seed), threads, device), daemon=True
            )
            process.start()
            self.connections.append(ours)
            self.processes.append(process)

    def turn(self, action: str, times: int, processes: int) -> list[Turn]:
        """Let the first one or both work at the same time."""
        for connection in self.connections[:processes]:
            connection.send((action, times))
        return [connection.recv() for connection in self.connections[:processes]]

    def memory(self) -> list[tuple[float, float]]:
        """PSS and USS of each."""
        return self.turn("memory", 0, 2)  # type: ignore[return-value]

    def close(self) -> None:
        """End both."""
        for connection, process in zip(self.connections, self.processes, strict=True):
            connection.send(None)
            process.join()


def images_per_second(turns: list[list[Turn]], images: int) -> tuple[float, float]:
    """Of the best round, by the clock and by processor time: all processes together."""
    by_clock = max(sum(images / turn.wall for turn in round_) for round_ in turns)
    by_processor = sum(images / min(round_[k].cpu for round_ in turns) for k in range(len(turns[0])))
    return by_clock, by_processor


def flops_per_image(config: TrialConfig) -> float:
    """Floating point operations of a forward and a backward pass, each layer computed plainly."""
    vae = VAE(config)
    with FlopCounterMode(display=False) as counter:
        posterior, logits = vae(torch.zeros(8, config.channels, 64, 64), torch.zeros(8, config.latent_dim))
        (logits.sum() + posterior.mean.sum() + posterior.logvar.sum()).backward()
    return counter.get_total_flops() / 8


def seconds_to_first_step(architecture: str, threads: int, device: str, times: int) -> Turn:
    """Of a fresh process that imports what a trial of a study imports, the shortest of several."""
    code = FIRST_STEP.format(threads=threads, architecture=architecture, device=device)
    turns = []
    for _ in range(times + 1):  # The first one may have to build the image cache and to compile.
        wall, cpu = time.perf_counter(), sum(os.times()[2:4])
        subprocess.run([sys.executable, "-c", code], check=True)
        turns.append(Turn(time.perf_counter() - wall, sum(os.times()[2:4]) - cpu))
    return Turn(min(t.wall for t in turns), min(t.cpu for t in turns))


def measure(config: TrialConfig, rounds: int, steps: int, threads: int, device: str) -> None:
    """Print an architecture's part of the table, in one precision."""
    pairs = {side: Pair(side, config, threads, device) for side in ("ours", "plain")}
    turns: dict[tuple[str, int], list[list[Turn]]] = {(side, n): [] for n in (1, 2) for side in pairs}
    products: list[list[Turn]] = []
    for pair in pairs.values():
        pair.turn("step", 3, 2)  # Warm up.
        pair.turn("matmul", 2, 2)
    for _ in range(rounds):
        for (side, processes), seen in turns.items():
            seen.append(pairs[side].turn("step", steps, processes))
        products.append(pairs["ours"].turn("matmul", 4, 1))
    images = steps * config.batch_size
    peak = images_per_second(products, 4)[device == "cpu"] * 2 * 1024**3
    for processes in (1, 2):
        rates = {side: images_per_second(turns[side, processes], images) for side in pairs}
        for k, clock in enumerate(("wall", "cpu")):
            ours, plain = rates["ours"][k], rates["plain"][k]
            share = ours * flops_per_image(config) / processes / peak
            name = f"{config.architecture:10}{config.precision:8}"
            print(f"{name}{processes:>3} {clock:5}{ours:10.0f}{plain:10.0f}{ours / plain:8.2f}{share:9.0%}", flush=True)
    alone, second = pairs["ours"].memory()
    print(f"{'':10} PSS of two trials {alone[0] + second[0]:.0f} MB; each further trial {second[1]:.0f} MB (USS)")
    for pair in pairs.values():
        pair.close()
    first = seconds_to_first_step(config.architecture, threads, device, 2)
    print(f"{'':10} first step of a fresh process after {first.wall:.1f} s, {first.cpu:.1f} s of processor time")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--architectures", nargs="+", choices=ARCHITECTURES, default=ARCHITECTURES)
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--steps", type=int, default=4, help="gradient steps of 64 images in a turn")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of each process")
    parser.add_argument("--device", nargs="+", default=["cpu"] + ["cuda"] * torch.cuda.is_available())
    options = parser.parse_args()
    for device in options.device:
        print(f"{device}: {torch.__version__}, batches of 64, {options.threads} thread(s) a process; images/s")
        print(f"{'':18}{'processes':>9}{'ours':>10}{'plain':>10}{'ratio':>8}{'of peak':>9}")
        for architecture, precision in itertools.product(options.architectures, options.precision):
            config = TrialConfig(architecture=architecture, precision=precision, steps=100_000)
            measure(config, options.rounds, options.steps, options.threads, device)


if __name__ == "__main__":
    main()
