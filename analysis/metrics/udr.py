"""Unsupervised disentanglement ranking: do models that differ in their seed find the same latents?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from analysis.metrics.inputs import checked_codes
from analysis.metrics.mcc import standard_ranks

INFORMATIVE_KL = 0.01
LASSO_ALPHA = 0.1


class UDR(NamedTuple):
    """`scores` (M,), one for each model; `pairwise` (M, M), row: the model that explains, column: the one explained."""

    scores: np.ndarray
    pairwise: np.ndarray


def udr(
    codes: Sequence[np.ndarray], kl: Sequence[np.ndarray], similarity: Literal["lasso", "spearman"] = "lasso"
) -> UDR:
    """How well each model's informative latents match one to one with those of the other models; needs no labels.

    Between models with latents a and b, R_ab is |Spearman's ρ| or the absolute weight of a Lasso (α = 0.1) that
    predicts standardised b from all standardised a; UDR = (Σ_b r_b² / Σ_a R_ab + Σ_a r_a² / Σ_b R_ab) / (d_a + d_b),
    r the largest entry of the column or row, over the d latents of KL above 0.01 nats only. That rule, and no other,
    makes latent sizes comparable: models may differ in theirs. A model's score is the median over all others.
    Range [0, 1], higher is better (Lasso shrinks: 0.9 at best for independent latents); a pair without informative
    latents scores 0. Means something from about 5 models of one setting on.

    codes is M arrays (N, D_m) of the same N samples, kl M arrays (D_m,) as from kl_per_latent(...).per_latent.
    Source: Duan et al. 2020, arXiv:1905.12614. Cost for each ordered pair of 10 latents and 10,000 samples: 50 ms
    (Lasso), 3 ms (Spearman).
    Raises ValueError for fewer than 2 models, lengths that differ, or codes that `inputs.checked_codes` refuses.
    """
    if len(codes) < 2 or len(kl) != len(codes):
        raise ValueError(
            f"codes and kl must hold one array for each of at least 2 models, got {len(codes)} and {len(kl)}"
        )
    if similarity not in ("lasso", "spearman"):
        raise ValueError(f"similarity must be lasso or spearman, got {similarity!r}")
    live = []
    for number, (values, divergence) in enumerate(zip(codes, kl, strict=True)):
        values = checked_codes(values, f"codes[{number}]").astype(np.float64)
        if len(values) != len(codes[0]) or np.shape(divergence) != values.shape[1:]:
            raise ValueError(
                f"codes[{number}] and kl[{number}] must have shapes ({len(codes[0])}, D) and (D,), "
                f"got {values.shape} and {np.shape(divergence)}"
            )
        values = values[:, np.asarray(divergence) > INFORMATIVE_KL]
        live.append(standard_ranks(values) if similarity == "spearman" else standardised(values))
    compare = rank_similarity if similarity == "spearman" else lasso_similarity
    pairwise = np.array(
        [[0.0 if a == b else one_to_one(compare(live[a], live[b])) for b in range(len(live))] for a in range(len(live))]
    )
    others = ~np.eye(len(live), dtype=bool)
    return UDR(np.array([np.median(pairwise[others[:, b], b]) for b in range(len(live))]), pairwise)


def one_to_one(similarity: np.ndarray) -> float:
    """Mean over all latents of both models of r² / Σ R: 1 for a permutation matrix, small for an even one."""
    if 0 in similarity.shape:
        return 0.0
    parts = [
        similarity.max(axis=axis) ** 2 / np.maximum(similarity.sum(axis=axis), np.finfo(float).tiny) for axis in (0, 1)
    ]
    return float(np.concatenate(parts).mean())


def standardised(values: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and variance 1; constant columns become 0."""
    spread = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def rank_similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """|Spearman's ρ| (D_a, D_b) of columns that are standardised ranks already."""
    return np.abs(first.T @ second) / len(first)


def lasso_similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """|weights| (D_a, D_b) of the Lasso that predicts the second model's latents from the first's."""
    from sklearn.linear_model import Lasso

    if 0 in (first.shape[1], second.shape[1]):
        return np.zeros((first.shape[1], second.shape[1]))
    model = Lasso(alpha=LASSO_ALPHA, fit_intercept=False, precompute=True).fit(first, second)
    return np.abs(np.atleast_2d(model.coef_)).T
