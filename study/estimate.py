"""The plan of a study before it is run, with how long it will take, from a short measured probe."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
from ray.tune.schedulers import FIFOScheduler
from rich.console import Console

from bvae.config import TrialConfig
from bvae.data import ImageStore
from study.lanes import Lane
from study.live import duration
from study.packs import grouped
from study.rehearsal import Reports, rehearse
from study.schedulers import RecordedScheduler
from study.space import Settings, trial_id, varying
from study.speed import bf16_note, probe


def print_plan(
    console: Console,
    settings: Settings,
    trials: Sequence[TrialConfig],
    store: ImageStore,
    source: str | None,
    scheduler: RecordedScheduler | None,
    lane: Lane,
    cpus: int | None,
    max_concurrent: int | None,
) -> None:
    """Print what would be run, and the time it would take on this machine's CPUs."""
    console.print(f"{len(trials)} trials of up to {settings.steps:,} steps on {len(store):,} images of {store.name}")
    for name, values in varying(trials).items():
        shown = (f"{value:g}" if isinstance(value, float) else str(value) for value in values)
        console.print(f"  {name}: {', '.join(shown)}", highlight=False)
    rungs = scheduler.rungs if scheduler else []
    console.print(f"  rungs at steps {', '.join(f'{rung:,}' for rung in rungs) or 'none'}", highlight=False)
    if note := bf16_note(settings, plan=True):
        console.print(note, highlight=False)
    console.print("Measuring the speed of this machine ...")
    named = {trial_id(config): config for config in trials}
    packs = list(grouped(list(named), named, settings.pack, {}).values())
    first, size = [named[pack[0]] for pack in packs], max(map(len, packs))
    lanes = max(1, min((cpus or os.cpu_count() or 1) // lane.cpus, max_concurrent or len(packs), len(packs)))
    slowest = max(trials, key=lambda t: (t.batch_size, t.latent_dim))
    speed = probe(slowest, store, source, settings, lane.cpus, lanes)
    each = speed.step + speed.report / settings.report_every
    ended, planned = rehearsed(scheduler, first, lanes, size * each, size * speed.final)
    _, longest = rehearsed(None, first, lanes, size * each, size * speed.final)
    console.print(
        f"  {speed.step * 1000:.0f} ms a step, {speed.report:.1f} s a report, "
        f"{speed.final:.1f} s more at a trial's end",
        highlight=False,
    )
    which = f" if {size * ended} of {len(trials)} run to their end, {duration(longest)} if all do"
    console.print(
        f"  about {duration(planned)} on {lanes} CPU lane{'s'[: lanes > 1]}{which if ended < len(packs) else ''}",
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
