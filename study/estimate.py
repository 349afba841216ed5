"""How long a study will take, from a short measured probe."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import torch

from bvae.config import TrialConfig
from bvae.data import ImageStore
from bvae.training import train
from study.pareto_asha import expected_steps
from study.trainable import measure, scored_indices

PROBE_SECONDS = 4.0
PROBE_STEPS = 5  # between looks at the clock; the first ones warm up and are not counted


class Estimate(NamedTuple):
    """Seconds: of one gradient step, of one report's scoring, and of the study if rungs stop as planned or nothing stops."""

    step: float
    scoring: float
    planned: float
    longest: float


def estimate(
    trials: Sequence[TrialConfig], store: ImageStore, rungs: Sequence[int], reduction_factor: float,
    report_every: int, score_images: int, concurrent: int, threads: int,
) -> Estimate:  # fmt: skip
    """Time a few steps and one scoring of the costliest kind of trial on this machine's CPU."""
    trial = max(trials, key=lambda t: (t.batch_size, t.latent_dim))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        started = time.perf_counter()
        count, spent = 0, 0.0
        for report in train(trial, store, range(PROBE_STEPS, trial.steps + 1, PROBE_STEPS)):
            if count or report.step == trial.steps:
                spent = report.seconds - first
            else:
                first = report.seconds
            count += 1
            if time.perf_counter() - started > PROBE_SECONDS and count > 1:
                break
        step = spent / max(1, (count - 1) * PROBE_STEPS)
        scoring = measure(report, store, scored_indices(store, trial, score_images), with_test=False)["scoring_seconds"]
    finally:
        torch.set_num_threads(before)
    each = step + scoring / report_every
    planned = sum(expected_steps(rungs, t.steps, reduction_factor) for t in trials) * each
    longest = sum(t.steps for t in trials) * each
    lanes = min(concurrent, len(trials))
    return Estimate(step, scoring, planned / lanes, longest / lanes)
