"""How fast trials are on this machine, from a short measured probe."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from multiprocessing.synchronize import Semaphore
from pathlib import Path
from typing import NamedTuple

import torch

from bvae.config import TrialConfig
from bvae.data import ImageStore, load
from bvae.memory import keep_freed_memory
from bvae.training import train
from study.scoring import measure, scored_indices
from study.space import Settings

PROBE_SECONDS = 4.0
MOST_AT_ONCE = 8  # trials that train while the speed of one is measured
COMPANY_SECONDS = 60.0  # until the others train; the measurement does without those that don't
ENDLESS = 10**9  # steps
CPUINFO = Path("/proc/cpuinfo")


class Speed(NamedTuple):
    """Seconds of a gradient step, of a report, and of what a trial's last report takes besides."""

    step: float
    report: float
    final: float


def probe(
    trial: TrialConfig, store: ImageStore, source: str | None, settings: Settings, threads: int, lanes: int
) -> Speed:
    """Measured here, with an untrained model, while as many trials train as there are lanes."""
    with _company(min(lanes, MOST_AT_ONCE) - 1, trial, source, threads):
        return _measured(trial, store, settings, threads)


def _measured(trial: TrialConfig, store: ImageStore, settings: Settings, threads: int) -> Speed:
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    keep_freed_memory()
    try:
        started, seconds = time.perf_counter(), [0.0]
        for report in train(trial, store, range(1, trial.steps + 1)):
            seconds.append(report.seconds)
            if time.perf_counter() - started > PROBE_SECONDS:
                break
        step = statistics.median(after - before for before, after in pairwise(seconds))
        parts = scored_indices(store, trial, settings.score_images)
        measure(report, store, parts)  # The first call compiles and imports.
        seconds_of = [
            measure(report, store, parts, final)["scoring_seconds"] for final in (None, settings.final_scores)
        ]
        return Speed(step, seconds_of[0], seconds_of[1] - seconds_of[0])
    finally:
        torch.set_num_threads(threads_before)


def bf16_note(settings: Settings, plan: bool = False) -> str | None:
    """What to know of this machine's CPU and the products of bf16: where it is slow at what is asked for and, for a
    plan, where it would be fast."""
    flags = {flag for line in _cpuinfo() if line.startswith("flags") for flag in line.split()}
    amx, asked = "amx_bf16" in flags, "bf16" in settings.precision
    if asked and flags and not amx:  # What is no x86 processor has no flags.
        return "precision is bf16, but this CPU has no AMX: steps take longer on it than in float32; leave it to GPUs."
    if plan and amx and not asked:
        return "This CPU has AMX: with --precision bf16, convolutional networks train about twice as fast on it."
    return None


def _cpuinfo() -> list[str]:
    return CPUINFO.read_text().splitlines() if CPUINFO.exists() else []


@contextmanager
def _company(count: int, trial: TrialConfig, source: str | None, threads: int) -> Iterator[None]:
    """So many processes that train besides: trials share memory and caches, and often what two cores are made of."""
    context = multiprocessing.get_context("spawn")
    training = context.Semaphore(0)
    others = [
        context.Process(target=_train_on, args=(replace(trial, steps=ENDLESS), source, threads, training), daemon=True)
        for _ in range(count)
    ]
    for process in others:
        process.start()
    for _ in others:
        training.acquire(timeout=COMPANY_SECONDS)
    try:
        yield
    finally:
        for process in others:
            process.kill()
            process.join()


def _train_on(trial: TrialConfig, source: str | None, threads: int, training: Semaphore) -> None:
    torch.set_num_threads(threads)
    keep_freed_memory()
    for _ in train(trial, load(source), [3, trial.steps]):
        training.release()
