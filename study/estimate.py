"""The plan of a study before it is run, with how long it will take, from a short measured probe."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from ray.tune.schedulers import FIFOScheduler
from rich.console import Console

from bvae.config import TrialConfig
from bvae.data import ImageStore
from bvae.fast import keep_freed_memory
from bvae.training import train
from study.lanes import Lane
from study.live import duration
from study.rehearsal import Reports, rehearse
from study.schedulers import RecordedScheduler
from study.scoring import measure, scored_indices
from study.space import Settings, trial_id

PROBE_SECONDS = 4.0


def print_plan(
    console: Console,
    settings: Settings,
    trials: Sequence[TrialConfig],
    store: ImageStore,
    scheduler: RecordedScheduler | None,
    lane: Lane,
    cpus: int | None,
    max_concurrent: int | None,
) -> None:
    """Print what would be run, and the time it would take on this machine's CPUs."""
    console.print(f"{len(trials)} trials of up to {settings.steps:,} steps on {len(store):,} images of {store.name}")
    for name, values in _varying(trials).items():
        shown = (f"{value:g}" if isinstance(value, float) else str(value) for value in values)
        console.print(f"  {name}: {', '.join(shown)}", highlight=False)
    rungs = scheduler.rungs if scheduler else []
    console.print(f"  rungs at steps {', '.join(f'{rung:,}' for rung in rungs) or 'none'}", highlight=False)
    console.print("Measuring the speed of this machine ...")
    speed = probe(max(trials, key=lambda t: (t.batch_size, t.latent_dim)), store, settings, lane.cpus)
    each = speed.step + speed.report / settings.report_every
    lanes = max(1, min((cpus or os.cpu_count() or 1) // lane.cpus, max_concurrent or len(trials), len(trials)))
    ended, planned = rehearsed(scheduler, trials, lanes, each, speed.final)
    _, longest = rehearsed(None, trials, lanes, each, speed.final)
    console.print(
        f"  {speed.step * 1000:.0f} ms a step, {speed.report:.1f} s a report, "
        f"{speed.final:.1f} s more at a trial's end",
        highlight=False,
    )
    which = f" if {ended} of {len(trials)} run to their end, {duration(longest)} if all do"
    console.print(
        f"  about {duration(planned)} on {lanes} CPU lane{'s'[: lanes > 1]}{which if ended < len(trials) else ''}",
        highlight=False,
    )


def rehearsed(
    scheduler: RecordedScheduler | None,
    trials: Sequence[TrialConfig],
    lanes: int,
    step: float,
    final: float,
) -> tuple[int, float]:
    """Let the study's scheduler judge trials whose objectives are luck, on so many lanes.

    Returns:
        How many trials run to their end, and when the last one has ended, in seconds, of which each gradient step
        takes `step`, and what a trial does at its end `final`.
    """
    luck = np.random.default_rng(0)
    rungs, objectives = (scheduler.rungs, scheduler.objectives) if scheduler else ([], {})
    made = []
    for config in trials:
        assignment = {"trial_id": trial_id(config), "trial": asdict(config)}
        trial = SimpleNamespace(trial_id=assignment["trial_id"], config={"assignment": assignment})
        values = dict(zip(objectives, luck.random(3).tolist(), strict=False))
        steps = [*(rung for rung in rungs if rung < config.steps), config.steps]
        made.append(Reports(trial, [values | {"step": at} for at in steps], step))
    ends = rehearse(made, lanes, scheduler or FIFOScheduler(), final)
    return sum(end.finished for end in ends), max(end.ended for end in ends)


class Speed(NamedTuple):
    """Seconds of a gradient step, of a report, and of what a trial's last report takes besides."""

    step: float
    report: float
    final: float


def probe(trial: TrialConfig, store: ImageStore, settings: Settings, threads: int) -> Speed:
    """Measured here, with an untrained model."""
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


def _varying(trials: Sequence[TrialConfig]) -> dict[str, list[Any]]:
    """The settings in which the trials differ, and the three of every study, with the values they take."""
    values: dict[str, set[Any]] = {}
    for config in trials:
        for key, value in asdict(config).items():
            values.setdefault(key, set()).add(value)
    return {key: sorted(seen) for key, seen in values.items() if len(seen) > 1 or key in ("beta", "latent_dim", "seed")}
