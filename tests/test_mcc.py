"""The matched correlation against SciPy, and where the matching is known."""

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import spearmanr

from analysis.metrics import mcc


@pytest.fixture
def factors():
    return np.random.default_rng(0).integers(6, size=(300, 3))


def test_score_is_the_best_of_all_matchings(factors):
    rng = np.random.default_rng(1)
    codes = factors @ rng.normal(size=(3, 4)) + rng.normal(size=(300, 4))
    rho = np.array([[abs(spearmanr(code, factor).statistic) for factor in factors.T] for code in codes.T])
    best = max(sum(rho[j, k] for k, j in enumerate(chosen)) for chosen in permutations(range(4), 3))
    assert mcc(codes, factors).score == pytest.approx(best / 3)


def test_any_increasing_code_matches_fully(factors):
    codes = np.column_stack([-np.exp(factors[:, 2]), np.zeros(300), factors[:, 0] ** 3, factors[:, 1]])
    result = mcc(codes, factors)
    assert result.score == pytest.approx(1)
    assert result.matched.tolist() == [2, 3, 0]


def test_fewer_codes_than_factors_leave_factors_without(factors):
    result = mcc(factors[:, [1]] * 1.0, factors)
    assert result.matched.tolist() == [-1, 0, -1]
    np.testing.assert_allclose(result.per_factor, [0, 1, 0])
