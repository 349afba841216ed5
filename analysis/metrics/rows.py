"""A model's scores between its null and its ceiling: the same metrics on other codes or factors, a row for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Literal

import numpy as np

from analysis.metrics.inputs import checked, checked_codes, checked_logvar
from analysis.metrics.registry import METRICS
from analysis.metrics.scoring import score
from analysis.metrics.udr import standardised

# dSprites turns from 0 to 2π in 40 steps, both included: orientation 39 is the image of orientation 0.
DUPLICATE = ("orientation", 39)


def sampled(codes: np.ndarray, logvar: np.ndarray, seed: int = 0) -> np.ndarray:
    """One sample z = μ + σ ε of every posterior, (N, D), in the precision of the codes."""
    codes = checked_codes(codes)
    deviation = np.exp(0.5 * checked_logvar(logvar, codes))
    return (codes + deviation * np.random.default_rng(seed).standard_normal(codes.shape)).astype(codes.dtype)


def distinct(factors: np.ndarray, factor_names: Sequence[str] | None) -> np.ndarray | None:
    """Which samples (N,) are no repetition of orientation 0.

    None where there is no orientation of dSprites' 40 values, or so few samples that a factor would not vary any more.
    """
    if factor_names is None or DUPLICATE[0] not in factor_names:
        return None
    orientation = factors[:, list(factor_names).index(DUPLICATE[0])]
    kept = orientation != DUPLICATE[1]
    varied = orientation.max() == DUPLICATE[1] and kept.any() and (np.ptp(factors[kept], axis=0) > 0).all()
    return kept if varied else None


def score_rows(
    codes: np.ndarray,
    factors: np.ndarray,
    names: Iterable[str] | None = None,
    seed: int = 0,
    *,
    budget: Literal["cheap", "full"] = "full",
    logvar: np.ndarray | None = None,
    factor_names: Sequence[str] | None = None,
    baselines: Mapping[str, np.ndarray] | None = None,
    rows: Iterable[str] | None = None,
) -> dict[str, dict[str, float]]:
    """Scores by row, then by metric key, every row computed by `score` with the same arguments.

    * `mean`: the codes as they are, the row that a study ranks.
    * `sampled`: one sample of each posterior; only with logvar.
    * `without_duplicate`: the codes without orientation 39, which repeats orientation 0; only with that factor.
    * `shuffled_factors`: null, the codes with the factors of other samples.
    * each of `baselines`: null, codes of the same samples from elsewhere, as an untrained encoder or PCA of the images.
    * `true_factors`: ceiling, the standardised factors as codes, which is what these metrics give perfect codes.

    A row lacks the metrics that need logvar where it has none.

    Args:
        codes: (N, D), as all arguments up to factor_names for `score`.
        factors: (N, K).
        names: which metrics.
        seed: of every draw.
        budget: "cheap" or "full".
        logvar: (N, D).
        factor_names: K names.
        baselines: name -> codes (N, D').
        rows: which of them (None is all); each costs as much as a `score` of its own, and true_factors depends on the
            data only.

    Raises:
        ValueError: as `score`, and for a row that does not exist or lacks its argument.
    """
    codes, factors = checked(codes, factors)
    chosen = None if names is None else list(names)

    def scored(codes: np.ndarray, factors: np.ndarray, logvar: np.ndarray | None) -> dict[str, float]:
        computable = chosen
        if chosen is not None and logvar is None:
            computable = [name for name in chosen if name not in METRICS or "logvar" not in METRICS[name].inputs]
        return score(codes, factors, computable, seed, budget=budget, logvar=logvar, factor_names=factor_names)

    tasks: dict[str, Callable[[], dict[str, float]]] = {"mean": partial(scored, codes, factors, logvar)}
    if logvar is not None:
        tasks["sampled"] = partial(scored, sampled(codes, logvar, seed), factors, None)
    if (kept := distinct(factors, factor_names)) is not None:
        kept_logvar = None if logvar is None else logvar[kept]
        tasks["without_duplicate"] = partial(scored, codes[kept], factors[kept], kept_logvar)
    order = np.random.default_rng(seed).permutation(len(factors))
    tasks["shuffled_factors"] = partial(scored, codes, factors[order], logvar)
    for name, others in (baselines or {}).items():
        tasks[name] = partial(scored, others, factors, None)
    tasks["true_factors"] = partial(scored, standardised(factors), factors, None)
    wanted = list(tasks) if rows is None else list(rows)
    for row in wanted:
        if row not in tasks:
            raise ValueError(f"rows must be among {', '.join(tasks)} for these arguments, got {row!r}")
    return {row: tasks[row]() for row in wanted}
