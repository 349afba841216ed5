"""InfoMEC's parts against scikit-learn, and its three scores on codes whose answer is known."""

import numpy as np
import pytest
from sklearn.feature_selection import mutual_info_classif
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from analysis.metrics import infomec
from analysis.metrics.infomec import distance_to_neighbour, excess, neighbour_information


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_information_is_scikit_learns_nearest_neighbour_estimate(rng):
    labels = rng.integers(5, size=800)
    values = labels + rng.normal(size=800)
    expected = mutual_info_classif(
        values[:, None] / values.std(), labels, discrete_features=False, n_neighbors=10, random_state=0
    )
    assert neighbour_information(values / values.std(), labels) == pytest.approx(expected[0], abs=1e-3)


def test_the_distance_to_the_kth_neighbour(rng):
    values = np.sort(rng.normal(size=50))
    expected = np.sort(np.abs(values[:, None] - values), axis=1)[:, 3]
    np.testing.assert_allclose(distance_to_neighbour(values, 3), expected)


def test_excess_of_a_single_entry_is_one_and_of_an_even_row_nothing():
    np.testing.assert_allclose(excess(np.array([[0.7, 0, 0], [0.2, 0.2, 0.2], [0, 0, 0]])), [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(excess(np.array([[2.0, 1.0]])), [1 / 3])
    np.testing.assert_allclose(excess(np.array([[0.5], [0.0]])), [1, 0])


def test_explicitness_is_the_share_of_the_null_models_cross_entropy(rng):
    factors = np.column_stack([rng.integers(2, size=500), rng.integers(5, size=500) // 2])
    codes = factors @ rng.normal(size=(2, 3)) + rng.normal(size=(500, 3))
    standard = (codes - codes.mean(axis=0)) / codes.std(axis=0)
    shares = []
    for labels in factors.T:
        fitted, null = (
            LogisticRegression(C=np.inf, class_weight="balanced").fit(values, labels).predict_proba(values)
            for values in (standard, np.zeros_like(standard))
        )
        shares.append(1 - log_loss(labels, fitted) / log_loss(labels, null))
    np.testing.assert_allclose(infomec(codes, factors).explicitness_per_factor, shares, atol=1e-6)


def test_one_latent_a_factor_scores_one_and_two_halve_the_compactness(rng):
    factors = np.column_stack([rng.integers(4, size=2000), rng.integers(5, size=2000)])
    codes = factors + 0.01 * rng.normal(size=(2000, 2))
    clean = infomec(codes, factors)
    assert min(clean[:3]) > 0.97
    doubled = infomec(np.hstack([codes, codes]), factors)
    assert doubled.modularity == pytest.approx(clean.modularity, abs=0.01)
    assert doubled.compactness == pytest.approx((0.5 - 0.25) / 0.75, abs=0.01)


def test_narrow_latents_are_pruned(rng):
    factors = np.column_stack([rng.integers(4, size=1000), rng.integers(5, size=1000)])
    codes = np.column_stack([factors + 0.01 * rng.normal(size=(1000, 2)), 1e-3 * rng.normal(size=1000)])
    result = infomec(codes, factors)
    assert np.isnan(result.modularity_per_code).tolist() == [False, False, True]
    assert result.compactness > 0.97
