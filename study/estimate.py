"""The plan of a study before it is run, with how long it will take, from a short measured probe."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import torch
from rich.console import Console

from bvae.config import TrialConfig
from bvae.data import ImageStore
from bvae.fast import keep_freed_memory
from bvae.training import train
from study.decision import expected_steps
from study.lanes import Lane
from study.live import duration
from study.scoring import measure, scored_indices
from study.space import Settings

PROBE_SECONDS = 4.0


def print_plan(
    console: Console,
    settings: Settings,
    trials: Sequence[TrialConfig],
    store: ImageStore,
    rungs: Sequence[int],
    lane: Lane,
    cpus: int | None,
    max_concurrent: int | None,
) -> None:
    """Print what would be run, and the time it would take on this machine's CPUs."""
    console.print(f"{len(trials)} trials of up to {settings.steps:,} steps on {len(store):,} images of {store.name}")
    for name, values in _varying(trials).items():
        shown = (f"{value:g}" if isinstance(value, float) else str(value) for value in values)
        console.print(f"  {name}: {', '.join(shown)}", highlight=False)
    console.print(f"  rungs at steps {', '.join(f'{rung:,}' for rung in rungs) or 'none'}", highlight=False)
    console.print("Measuring the speed of this machine ...")
    step, scoring = probe(max(trials, key=lambda t: (t.batch_size, t.latent_dim)), store, settings, lane.cpus)
    each = step + scoring / settings.report_every
    lanes = max(1, min((cpus or os.cpu_count() or 1) // lane.cpus, max_concurrent or len(trials), len(trials)))
    expected = [expected_steps(rungs, t.steps, settings.reduction_factor) for t in trials]
    # The first ones at a rung find nobody to be judged against, and those that start together run to their end.
    unjudged = min(lanes, math.ceil(settings.reduction_factor) - 1)
    planned = (sum(t.steps for t in trials[:unjudged]) + sum(expected[unjudged:])) * each / lanes
    longest = sum(t.steps for t in trials) * each / lanes
    console.print(
        f"  {step * 1000:.0f} ms a step and {scoring:.1f} s a report on one CPU lane: about {duration(planned)} "
        f"on {lanes} if the rungs stop as planned, {duration(longest)} if none stops",
        highlight=False,
    )


def probe(trial: TrialConfig, store: ImageStore, settings: Settings, threads: int) -> tuple[float, float]:
    """Seconds of one gradient step and of one report's scoring, measured here."""
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
        return step, float(measure(report, store, parts)["scoring_seconds"])
    finally:
        torch.set_num_threads(threads_before)


def _varying(trials: Sequence[TrialConfig]) -> dict[str, list[Any]]:
    """The settings in which the trials differ, and the three of every study, with the values they take."""
    values: dict[str, set[Any]] = {}
    for config in trials:
        for key, value in asdict(config).items():
            values.setdefault(key, set()).add(value)
    return {key: sorted(seen) for key, seen in values.items() if len(seen) > 1 or key in ("beta", "latent_dim", "seed")}
