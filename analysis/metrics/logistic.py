"""The logistic regression of the scores that ask what a linear classifier can tell."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np


def fitted(points: np.ndarray, labels: np.ndarray, **options: Any) -> Any:
    """scikit-learn's LogisticRegression of points (N, D) with labels (N,); `options` are its own.

    The scores are defined with its 100 steps, converged or not: separable labels have no finite optimum without a
    penalty. So nobody is warned.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(max_iter=100, **options).fit(points, labels)
