"""How sure the order of the cells is: the bootstrap over seeds.

A cell's residuals are its seeds' distances from the cell's mean, widened by sqrt(n / (n - 1)), because a mean lies
closer to its own seeds than to new ones. A cell of three seeds or more draws from its own residuals; one or two seeds
say next to nothing about their own spread, so such a cell borrows the residuals of all cells. Seeds are drawn whole: a
seed that is bad at one score and good at another stays so. Where no cell has two seeds, nothing is known about the
spread and all results are NaN.

    Efron & Tibshirani 1993, An Introduction to the Bootstrap
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.front import on_front

Floats = NDArray[np.float64]
OWN = 3  # From this many seeds on, a cell uses its own residuals.
LIMIT = 5_000_000  # Numbers drawn at most: fewer draws for studies of thousands of cells.


def bootstrap_means(samples: Sequence[Floats], draws: int, seed: int) -> Floats:
    """Means of cells as they might have come out with other seeds.

    Args:
        samples: per cell an (n, k) array, one row per seed; n may be 0.
        draws: how many times each cell's seeds are drawn again; fewer for very large studies.
        seed: of the drawing.

    Returns:
        (draws, cells, k); NaN for cells without seeds, and everywhere when no cell has two.
    """
    k = max((s.shape[1] for s in samples), default=0)
    draws = max(50, min(draws, LIMIT // max(1, len(samples) * k)))
    sources = residual_sources(samples)
    if not any(map(len, sources)):
        return np.full((1, len(samples), k), np.nan)
    means = np.full((draws, len(samples), k), np.nan)
    random = np.random.default_rng(seed)
    for i, (sample, source) in enumerate(zip(samples, sources, strict=True)):
        if len(sample):
            picks = random.integers(len(source), size=(draws, len(sample)))
            means[:, i] = sample.mean(axis=0) + source[picks].mean(axis=1)
    return means


def residual_sources(samples: Sequence[Floats]) -> list[Floats]:
    """For each cell (n, k), the widened residuals that its seeds are drawn from: its own, or those of all cells."""
    k = max((s.shape[1] for s in samples), default=0)
    residuals = [
        (s - s.mean(axis=0)) * np.sqrt(len(s) / (len(s) - 1)) if len(s) > 1 else np.empty((0, k)) for s in samples
    ]
    pool = np.concatenate([*residuals, np.empty((0, k))])
    return [own if len(sample) >= OWN else pool for sample, own in zip(samples, residuals, strict=True)]


def seeds_to_separate(first: Floats, second: Floats) -> int | None:
    """How many seeds each of two cells would need for their means to differ at 95 % confidence with 80 % power.

    By the normal approximation for two means with the spreads seen now. None where either has fewer than two seeds or
    the means are equal.
    """
    if min(len(first), len(second)) < 2 or first.mean() == second.mean():
        return None
    spread = first.var(ddof=1) + second.var(ddof=1)
    needed = (1.960 + 0.842) ** 2 * spread / (first.mean() - second.mean()) ** 2
    return max(2, int(np.ceil(needed)))


def front_probability(means: Floats, modes: Sequence[str]) -> Floats:
    """The share of draws in which each cell is on the front, (cells,); NaN for cells without a mean.

    Args:
        means: (draws, cells, objectives).
        modes: "min" or "max" per objective.
    """
    known = np.isfinite(means).all(axis=(0, 2))
    probability = np.full(means.shape[1], np.nan)
    if known.any():
        probability[known] = np.mean([on_front(draw, modes) for draw in means[:, known]], axis=0)
    return probability
