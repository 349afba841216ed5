"""Explicitness of codes: can a linear classifier read each factor value from all codes together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from analysis.metrics.held_out import split
from analysis.metrics.logistic import fitted


class Explicitness(NamedTuple):
    """`score` is the mean of `per_factor` (K,)."""

    score: float
    per_factor: np.ndarray


def explicitness(
    codes: np.ndarray, factors: np.ndarray, *, held_out: tuple[np.ndarray, np.ndarray] | None = None, seed: int = 0
) -> Explicitness:
    """Area under the ROC curve of a logistic regression, mean over the values of a factor, then over factors.

    Codes are standardised by the training part; one regression per factor (multinomial, scikit-learn's defaults);
    areas on the held-out part. Range [0, 1], higher is better, chance is 0.5; not rescaled, as in the reference.
    Values that the training or the held-out part lacks have no curve and are left out; a factor without any scores
    0.5.

    Source: Ridgeway & Mozer 2018, section 3, as disentanglement_lib (whose number moved from 0.926 to 0.982 on
    perfect codes when scikit-learn went from one-vs-rest to multinomial). Cost: 1 s for 10,000 samples, 10 latents.
    Raises ValueError for codes or factors that `held_out.split` refuses.
    """
    parts = split(codes, factors, held_out, seed)
    mean = parts.codes.mean(axis=0, dtype=np.float64)
    spread = parts.codes.std(axis=0, dtype=np.float64)
    spread = np.where(spread > 0, spread, 1.0)
    train, test = (parts.codes - mean) / spread, (parts.test_codes - mean) / spread
    per_factor = np.array(
        [
            mean_area(train, labels, test, test_labels)
            for labels, test_labels in zip(parts.factors.T, parts.test_factors.T, strict=True)
        ]
    )
    return Explicitness(float(per_factor.mean()), per_factor)


def mean_area(train: np.ndarray, labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray) -> float:
    """Macro one-against-rest area of one factor, from the rank sum of each value's own samples (Mann & Whitney)."""
    from scipy.stats import rankdata

    if (labels == labels[0]).all():
        return 0.5
    classifier = fitted(train, labels)
    ranks = rankdata(classifier.predict_proba(test), axis=0)
    own = test_labels[:, None] == classifier.classes_
    inside, outside = own.sum(axis=0), (~own).sum(axis=0)
    drawn = (inside > 0) & (outside > 0)
    if not drawn.any():
        return 0.5
    surplus = (ranks * own).sum(axis=0) - inside * (inside + 1) / 2
    return float((surplus[drawn] / (inside * outside)[drawn]).mean())
