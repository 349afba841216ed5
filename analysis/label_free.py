"""Choosing a trial without labels: the unsupervised disentanglement ranking, and what following it costs.

Somebody without labels can't compute MIG, but can ask whether models that differ only in their seed found the same
latents: UDR (Duan et al. 2020, arXiv:1905.12614), here with Spearman's ρ, a hundred times cheaper than the Lasso and so
affordable for cells of fifty seeds. A study of labelled data can say what that choice costs: the regret.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.agreement import FEWEST, spearman
from analysis.codes import Codes, read_codes
from analysis.columns import column
from analysis.metrics.udr import udr


class Regret(NamedTuple):
    """What the trial with the highest UDR is worth in a score.

    Attributes:
        picked, best: the score of that trial, and of the best trial with a UDR.
        ties: how many share the highest UDR, as the two seeds of a cell of two do; `picked` is their mean.
        regret: their difference, 0 or more whichever direction is better.
        chance: the mean regret of picking blindly.
        rho: Spearman's, of UDR with the score turned so that more is better; NaN for fewer than FEWEST trials.
    """

    picked: float
    best: float
    ties: int
    regret: float
    chance: float
    rho: float


def udr_scores(directory: Path, finished: pd.DataFrame, cells: pd.Series) -> pd.Series:
    """The UDR of every finished trial among those of its cell, by the codes beside their checkpoints.

    Args:
        directory: the run directory.
        finished: trials with a `checkpoint` column, by any index.
        cells: the cell of each trial, by the same index.

    Returns:
        a number per row; NaN where fewer than two trials of a cell left codes of the same images.
    """
    scores = pd.Series(np.nan, finished.index, dtype=float)
    for _, paths in finished["checkpoint"].dropna().groupby(cells):
        if len(paths) > 1:
            found = {row: codes for row, path in paths.items() if (codes := read_codes(directory / path))}
            for row, score in _of_cell(found).items():
                scores[row] = score
    return scores


def _of_cell(codes: Mapping[object, Codes]) -> dict[object, float]:
    """The UDR of a cell's trials: those that encoded the images which the first of them encoded."""
    same = {row: c for row, c in codes.items() if np.array_equal(c.images, next(iter(codes.values())).images)}
    if len(same) < 2:
        return {}
    found = udr([c.mean for c in same.values()], [c.kl for c in same.values()], "spearman")
    return dict(zip(same, found.scores.tolist(), strict=True))


def regret(trials: pd.DataFrame, score: str) -> Regret | None:
    """What picking by `udr` instead of by a score costs in that score; None where no trial has both."""
    known = trials[["udr", score]].apply(pd.to_numeric, errors="coerce")
    known = known[np.isfinite(known).all(axis=1)]
    if known.empty:
        return None
    sign = -1.0 if column(score).mode == "min" else 1.0
    worth = sign * known[score].to_numpy(float)
    first = tied(known["udr"].to_numpy(float))
    picked = float(worth[first].mean())
    rho = spearman(known["udr"], worth) if len(known) >= FEWEST else float("nan")
    best, chance = float(worth.max()), float(worth.max() - worth.mean())
    return Regret(sign * picked, sign * best, int(first.sum()), best - picked, chance, rho)


def tied(udr: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which trials have the highest UDR; what rounding makes of equal ones does not part them."""
    return np.asarray(np.isclose(udr, udr.max(), rtol=1e-9, atol=0))
