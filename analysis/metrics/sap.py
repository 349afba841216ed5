"""Separated attribute predictability."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from analysis.metrics.held_out import split


class SAP(NamedTuple):
    """`score` is the mean of `per_factor` (K,); `accuracy` (D, K) is each code's own held-out accuracy."""

    score: float
    per_factor: np.ndarray
    accuracy: np.ndarray


def sap(
    codes: np.ndarray, factors: np.ndarray, *, held_out: tuple[np.ndarray, np.ndarray] | None = None, seed: int = 0
) -> SAP:
    """How far the single code that predicts a factor best is ahead of the second best.

    SAP = 1/K Σ_k (S_1st,k − S_2nd,k), S_jk the held-out accuracy of a linear support vector machine (C = 0.01,
    balanced classes) from code j alone. Range [0, 1], higher is better. One line can't separate 32 ordered classes,
    so even perfect codes reach 0.25 on dSprites; it depends on the scale of the codes. A single latent's gap counts
    from 0.

    Source: Kumar et al. 2018, section 3, for discrete factors as disentanglement_lib. Cost: 1 s for 10,000 samples,
    10 latents. Raises ValueError for codes or factors that `held_out.split` refuses.
    """
    parts = split(codes, factors, held_out, seed)
    accuracy = np.array(
        [
            [
                line_accuracy(train[:, None], labels, test[:, None], test_labels)
                for labels, test_labels in zip(parts.factors.T, parts.test_factors.T, strict=True)
            ]
            for train, test in zip(parts.codes.T, parts.test_codes.T, strict=True)
        ]
    )
    ranked = np.sort(np.vstack([np.zeros(accuracy.shape[1]), accuracy]), axis=0)
    per_factor = ranked[-1] - ranked[-2]
    return SAP(float(per_factor.mean()), per_factor, accuracy)


def line_accuracy(train: np.ndarray, labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray) -> float:
    """Held-out accuracy of a one-dimensional linear classifier; of the only class where training has one."""
    from sklearn.svm import LinearSVC

    if (labels == labels[0]).all():
        return float(np.mean(test_labels == labels[0]))
    classifier = LinearSVC(C=0.01, class_weight="balanced", random_state=0).fit(train, labels)
    return float(np.mean(classifier.predict(test) == test_labels))
