"""How long a study will take, from a short measured probe."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch

from bvae.config import TrialConfig
from bvae.data import ImageStore
from bvae.fast import keep_freed_memory
from bvae.training import train
from study.pareto_asha import expected_steps
from study.trainable import measure, scored_indices

PROBE_SECONDS = 4.0


class Estimate(NamedTuple):
    """Seconds: of one step, of one report's scoring, and of the study if rungs stop as planned or none stops."""

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
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    keep_freed_memory()
    try:
        started, seconds = time.perf_counter(), []
        for report in train(trial, store, range(1, trial.steps + 1)):
            seconds.append(report.seconds)
            if time.perf_counter() - started > PROBE_SECONDS:
                break
        step = statistics.median(after - before for before, after in pairwise([0.0, *seconds]))
        scoring = measure(report, store, scored_indices(store, trial, score_images), with_test=False)["scoring_seconds"]
    finally:
        torch.set_num_threads(threads_before)
    each = step + scoring / report_every
    planned = sum(expected_steps(rungs, t.steps, reduction_factor) for t in trials) * each
    longest = sum(t.steps for t in trials) * each
    lanes = min(concurrent, len(trials))
    return Estimate(step, scoring, planned / lanes, longest / lanes)
