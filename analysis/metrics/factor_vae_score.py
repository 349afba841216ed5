"""FactorVAE's score: which code is quietest while a factor is held."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from analysis.metrics.held_factor import HeldFactor
from analysis.metrics.inputs import checked

BATCH = 64
TRAIN_VOTES, TEST_VOTES = 10_000, 5_000
ACTIVE_DEVIATION = 0.05
CHUNK = 500


class FactorVAEScore(NamedTuple):
    """`score` on fresh votes, `per_factor` (K,), `train_score`, training `votes` (K, D), the count of active codes."""

    score: float
    per_factor: np.ndarray
    train_score: float
    votes: np.ndarray
    active: int


def factor_vae_score(codes: np.ndarray, factors: np.ndarray, *, seed: int = 0) -> FactorVAEScore:
    """Accuracy of naming the held factor from the code with the smallest relative variance.

    A vote: draw a factor and a value, draw 64 samples that share it, take the code j with the smallest Var(z_j in the
    batch) / Var(z_j). The classifier is the majority factor of each j over 10,000 votes; the score its accuracy on
    5,000 fresh ones. Range [0, 1], higher is better, chance is 1/K. Codes with a standard deviation below 0.05 have
    no vote (without that rule a real encoder scored 0.75 instead of 0.62); with no active code the score is 0.

    Source: Kim & Mnih 2018, section 4, with the parameters of Locatello et al. 2019. The reference encodes 64 new
    images for each vote, here votes are drawn from the samples given: equal within 0.03 from 10,000 samples on. It
    also reports the number of all codes as active; `active` here is the true count. Cost: 0.2 s for 10 latents. Raises
    ValueError for codes or factors that `inputs.checked` refuses.
    """
    codes, factors = checked(codes, factors)
    variance = codes.var(axis=0, dtype=np.float64, ddof=1)
    active = np.flatnonzero(np.sqrt(variance) >= ACTIVE_DEVIATION)
    votes = np.zeros((2, factors.shape[1], codes.shape[1]), dtype=np.int64)
    if len(active) == 0:
        return FactorVAEScore(0.0, np.zeros(factors.shape[1]), 0.0, votes[0], 0)
    rng = np.random.default_rng(seed)
    for part, count in enumerate((TRAIN_VOTES, TEST_VOTES)):
        drawn = np.bincount(rng.integers(factors.shape[1], size=count), minlength=factors.shape[1])
        for k, share in enumerate(drawn):
            held = HeldFactor(factors[:, k])
            for first in range(0, share, CHUNK):
                samples = held.batches(rng, min(CHUNK, share - first), BATCH)
                quiet = codes[samples][..., active].var(axis=1, dtype=np.float64, ddof=1) / variance[active]
                votes[part, k] += np.bincount(active[quiet.argmin(axis=1)], minlength=codes.shape[1])
    named = votes[0].argmax(axis=0)
    right = named == np.arange(factors.shape[1])[:, None]
    hits = (votes * right).sum(axis=2)
    per_factor = hits[1] / np.maximum(votes[1].sum(axis=1), 1)
    return FactorVAEScore(
        float(hits[1].sum() / TEST_VOTES), per_factor, float(hits[0].sum() / TRAIN_VOTES), votes[0], len(active)
    )
