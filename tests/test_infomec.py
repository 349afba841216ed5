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


def test_the_three_scores_are_those_of_the_papers_recipe_written_with_scikit_learn(rng):
    """Hsu et al. 2023: modularity and compactness leave pruned latents out; explicitness sees all."""
    factors = np.column_stack([rng.integers(3, size=900), rng.integers(6, size=900)])
    a, b = (factors - factors.mean(axis=0)).T
    noise = rng.normal(size=(900, 4))
    codes = np.column_stack([a + 0.3 * b, b, 0.5 * a, 0.01 * a]) + noise * [0.3, 0.5, 1.0, 0.01]
    standard = (codes - codes.mean(axis=0)) / codes.std(axis=0)
    information, explicit = [], []
    for labels in factors.T:
        entropy = -sum(share * np.log(share) for share in np.unique(labels, return_counts=True)[1] / 900)
        information.append(
            [
                mutual_info_classif(column[:, None], labels, n_neighbors=10, random_state=0)[0] / entropy
                for column in standard.T
            ]
        )
        losses = []
        for seen in (standard, np.zeros_like(standard)):
            model = LogisticRegression(C=np.inf, class_weight="balanced", max_iter=100).fit(seen, labels)
            losses.append(log_loss(labels, model.predict_proba(seen)))
        explicit.append(1 - losses[0] / losses[1])
    kept = np.array(information).T[:3]  # the last latent spans less than 1/20 of the widest
    by_code = np.mean(kept.max(axis=1) / kept.sum(axis=1))
    by_factor = np.mean(kept.max(axis=0) / kept.sum(axis=0))
    result = infomec(codes, factors)
    np.testing.assert_allclose(result.normalised_information, np.array(information).T, atol=2e-3)
    assert result.modularity == pytest.approx((by_code - 1 / 2) / (1 - 1 / 2), abs=5e-3)
    assert result.compactness == pytest.approx((by_factor - 1 / 3) / (1 - 1 / 3), abs=5e-3)
    assert result.explicitness == pytest.approx(np.mean(explicit), abs=1e-6)
    assert infomec(codes[:, :3], factors).explicitness < result.explicitness - 0.01
