"""Whether scores agree: rank correlations between the scores of a study's trials, or of its cells.

Locatello et al. 2019 (arXiv:1811.12359, figure 2) asked it of the disentanglement metrics: where they disagree, "the
most disentangled" depends on whom one asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.columns import column

FEWEST = 4  # pairs from which a rank correlation means anything


class Agreement(NamedTuple):
    """Spearman's ρ between scores (K, K), each turned so that more is better where a direction is; NaN: can't be told.

    `counts` (K, K) says over how many trials or cells.
    """

    names: list[str]
    rho: NDArray[np.float64]
    counts: NDArray[np.int64]


def agreement(table: pd.DataFrame, columns: Sequence[str], names: Sequence[str]) -> Agreement:
    """The rank agreement of columns over the rows that have both of a pair, for at least FEWEST of them.

    Args:
        table: one row per trial or cell.
        columns: the numbers to compare.
        names: the scores that these are, whose directions count.
    """
    values = table[list(columns)].apply(pd.to_numeric, errors="coerce").to_numpy(float)
    values = values * [-1.0 if column(name).mode == "min" else 1.0 for name in names]
    size = len(names)
    rho, counts = np.full((size, size), np.nan), np.zeros((size, size), dtype=np.int64)
    for i in range(size):
        for j in range(size):
            both = values[np.isfinite(values[:, [i, j]]).all(axis=1)]
            counts[i, j] = len(both)
            if len(both) >= FEWEST:
                rho[i, j] = spearman(both[:, i], both[:, j])
    return Agreement(list(names), rho, counts)


def spearman(first: Sequence[float] | NDArray[np.float64] | pd.Series, second: Sequence[float] | pd.Series) -> float:
    """The correlation of the ranks, ties sharing theirs; NaN where one of both does not vary."""
    a, b = (pd.Series(np.asarray(values, dtype=float)).rank().to_numpy(float) for values in (first, second))
    return float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) > 0 and np.ptp(b) > 0 else float("nan")
