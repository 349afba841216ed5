"""Modularity of codes: does each latent know one factor only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from analysis.metrics.inputs import checked
from analysis.metrics.mutual_information import mutual_information


class Modularity(NamedTuple):
    """`score` is the mean of `per_code` (D,)."""

    score: float
    per_code: np.ndarray


def modularity(codes: np.ndarray, factors: np.ndarray) -> Modularity:
    """How far each code is from knowing anything but its best factor.

    Modularity_j = 1 − Σ_{k ≠ best} I(z_j; v_k)² / ((K − 1) max_k I(z_j; v_k)²), averaged over codes, information in
    nats from 20 equal-width bins as in `mig`. Range [0, 1], higher is better. A constant code scores 0, but a dead
    code that is not exactly constant scores about 2/3 on the bias of its information and weighs as much as a live
    one: on its own, the score says little about codes with dead latents. With a single factor every code that knows
    it scores 1.

    Source: Ridgeway & Mozer 2018, section 3. Cost: as `mig`.
    Raises ValueError for codes or factors that `inputs.checked` refuses.
    """
    codes, factors = checked(codes, factors)
    squared = mutual_information(codes, factors) ** 2
    best = squared.max(axis=1)
    others = (squared.sum(axis=1) - best) / max(factors.shape[1] - 1, 1)
    per_code = np.where(best > 0, 1 - others / np.where(best > 0, best, 1.0), 0.0)
    return Modularity(float(per_code.mean()), per_code)
