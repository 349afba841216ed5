"""The split that predictors need: fit on one part of the samples, judge on another."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from analysis.metrics.inputs import checked, checked_codes, checked_factors

# 2 : 1, as the reference's 10,000 training and 5,000 test samples.
TEST_SHARE = 1 / 3


class Split(NamedTuple):
    """Codes and factors to fit on and to judge on."""

    codes: np.ndarray
    factors: np.ndarray
    test_codes: np.ndarray
    test_factors: np.ndarray


def split(
    codes: np.ndarray, factors: np.ndarray, held_out: tuple[np.ndarray, np.ndarray] | None = None, seed: int = 0
) -> Split:
    """Checked arguments with the given test part, or, without one, with a third of the samples drawn by the seed."""
    codes, factors = checked(codes, factors)
    if held_out is not None:
        test_codes, test_factors = checked_codes(held_out[0], "held_out[0]"), np.asarray(held_out[1])
        if test_codes.shape[1] != codes.shape[1] or test_factors.shape != (len(test_codes), factors.shape[1]):
            raise ValueError(
                f"held_out must be codes (M, {codes.shape[1]}) and factors (M, {factors.shape[1]}), "
                f"got {test_codes.shape} and {test_factors.shape}"
            )
        return Split(codes, factors, test_codes, checked_factors(test_factors, len(test_codes), "held_out[1]"))
    if len(codes) < 3:
        raise ValueError(f"codes must have at least 3 samples to hold a third of them out, got {len(codes)}")
    order = np.random.default_rng(seed).permutation(len(codes))
    test, train = np.split(order, [max(1, round(len(codes) * TEST_SHARE))])
    return Split(codes[train], factors[train], codes[test], factors[test])
