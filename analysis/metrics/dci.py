"""Disentanglement, completeness and informativeness."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from analysis.metrics.held_out import split

# The reference's guard against log 0; it makes a perfect score 1 - 1e-9.
TINY = 1e-11


class DCI(NamedTuple):
    """The three scores, their parts per code (D,) and per factor (K,), and the importance matrix (D, K)."""

    disentanglement: float
    completeness: float
    informativeness: float
    informativeness_train: float
    disentanglement_per_code: np.ndarray
    completeness_per_factor: np.ndarray
    informativeness_per_factor: np.ndarray
    importance: np.ndarray


def dci(
    codes: np.ndarray, factors: np.ndarray, *, held_out: tuple[np.ndarray, np.ndarray] | None = None, seed: int = 0
) -> DCI:
    """Which codes boosted trees need to predict each factor, and how well they predict it.

    R_jk is the importance of code j for factor k, each column summing to 1 (`boosting`). Disentanglement: Σ_j ρ_j (1
    − H_K(R_j·/ΣR_j·)), ρ_j the share of code j in all importance; completeness: the same over columns with base D;
    informativeness: accuracy on the held-out part, mean over factors (on the training part even noise reaches 0.5).
    Range [0, 1] each, higher is better. Completeness has base D: it can't be compared across latent sizes as it
    stands. A code that is alone is complete, a factor that is alone is disentangled: 1.

    Source: Eastwood & Williams 2018, section 2, with GradientBoostingClassifier() as disentanglement_lib calls it.
    The trees are our own, grown by the same exact rules; on four golden cases they differ from the reference's run by
    at most 0.0007 in disentanglement, 0.0005 in completeness and 0.003 in informativeness, because ties between equal
    splits fall otherwise. Cost: 20 s for 10,000 training samples, 10 latents and 113 factor values in all. Raises
    ValueError for codes or factors that `held_out.split` refuses.
    """
    from analysis.metrics.boosting import boosted

    parts = split(codes, factors, held_out, seed)
    fits = [
        boosted(parts.codes, parts.factors[:, k], parts.test_codes, parts.test_factors[:, k], seed)
        for k in range(parts.factors.shape[1])
    ]
    importance = np.column_stack([fit.importance for fit in fits])
    per_code, per_factor = concentration(importance.T), concentration(importance)
    accuracies = np.array([fit.test_accuracy for fit in fits])
    total = importance.sum()
    weight = importance / total if total > 0 else np.full(importance.shape, 1 / importance.size)
    return DCI(
        float(per_code @ weight.sum(axis=1)),
        float(per_factor @ weight.sum(axis=0)),
        float(accuracies.mean()),
        float(np.mean([fit.train_accuracy for fit in fits])),
        per_code,
        per_factor,
        accuracies,
        importance,
    )


def concentration(importance: np.ndarray) -> np.ndarray:
    """1 minus the entropy of each column, with the number of rows as base: 1 if all is in one row, 0 if it is even."""
    if len(importance) == 1:
        return np.ones(importance.shape[1])
    share = importance + TINY
    share = share / share.sum(axis=0)
    return np.clip(1 + (share * np.log(share)).sum(axis=0) / np.log(len(share)), 0.0, 1.0)
