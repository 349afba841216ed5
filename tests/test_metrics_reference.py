"""Every metric against the numbers that disentanglement_lib gave on the same codes (tests/data/golden)."""

import numpy as np
import pytest
from reference_cases import CASES, load
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from analysis.metrics import (
    beta_vae_score,
    dci,
    explicitness,
    factor_vae_score,
    gaussian_total_correlation,
    irs,
    mig,
    modularity,
    sap,
    score,
)
from analysis.metrics.explicitness import mean_area


@pytest.fixture(scope="module", params=CASES)
def case(request):
    return load(request.param)


def test_mig(case):
    result = mig(case.codes, case.factors)
    assert result.score == pytest.approx(case.scores["mig"], abs=1e-6)
    np.testing.assert_allclose(result.per_factor, case.scores["mig_per_factor"], atol=1e-6)
    np.testing.assert_allclose(result.information, case.scores["mi_matrix_codes_x_factors"], atol=1e-6)


def test_modularity(case):
    result = modularity(case.codes, case.factors)
    assert result.score == pytest.approx(case.scores["modularity"], abs=1e-6)
    np.testing.assert_allclose(result.per_code, case.scores["modularity_per_code"], atol=1e-6)


def test_irs(case):
    result = irs(case.codes, case.factors)
    assert result.score == pytest.approx(case.scores["irs"], abs=1e-6)
    np.testing.assert_allclose(result.per_code, case.scores["irs_per_code"], atol=1e-6)
    np.testing.assert_allclose(result.matrix, case.scores["irs_matrix_codes_x_factors"], atol=1e-6)
    assert result.active == 10


def test_gaussian_total_correlation(case):
    expected = case.scores["gaussian_total_correlation"]
    assert gaussian_total_correlation(case.codes) == pytest.approx(expected, abs=1e-6)


def test_sap(case):
    result = sap(case.codes, case.factors, held_out=case.held_out)
    assert result.score == pytest.approx(case.scores["sap"], abs=0.005)
    np.testing.assert_allclose(result.per_factor, case.scores["sap_per_factor"], atol=0.005)
    np.testing.assert_allclose(result.accuracy, case.scores["sap_score_matrix_codes_x_factors"], atol=0.005)


def test_explicitness(case):
    result = explicitness(case.codes, case.factors, held_out=case.held_out)
    assert result.score == pytest.approx(case.scores["explicitness_test"], abs=0.005)


def test_factor_vae_score(case):
    reference = case.scores["factor_vae_threshold_0.05"]
    results = [factor_vae_score(case.codes, case.factors, seed=seed) for seed in range(3)]
    assert np.mean([r.score for r in results]) == pytest.approx(reference["eval_accuracy"]["mean"], abs=0.03)
    assert np.mean([r.train_score for r in results]) == pytest.approx(reference["train_accuracy"]["mean"], abs=0.03)
    assert results[0].active == reference["num_active_true"]


def test_beta_vae_score(case):
    reference = case.scores["beta_vae"]
    results = [beta_vae_score(case.codes, case.factors, seed=seed) for seed in range(3)]
    assert np.mean([r.score for r in results]) == pytest.approx(reference["eval_accuracy"]["mean"], abs=0.03)
    assert np.mean([r.train_score for r in results]) == pytest.approx(reference["train_accuracy"]["mean"], abs=0.03)


def test_explicitness_is_scikit_learns_area_under_the_curve():
    rng = np.random.default_rng(0)
    labels, unseen = rng.integers(4, size=400), rng.integers(4, size=90)
    train, test = labels[:, None] + rng.normal(size=(400, 1)), np.round(unseen[:, None] + rng.normal(size=(90, 1)))
    chance = LogisticRegression().fit(train, labels).predict_proba(test)
    expected = roc_auc_score(unseen[:, None] == np.arange(4), chance)
    assert mean_area(train, labels, test, unseen) == pytest.approx(expected, abs=1e-12)


# Two of the four by default, because each takes 20 s.
@pytest.mark.parametrize(
    "name", ["rotated", "partial", *(pytest.param(n, marks=pytest.mark.slow) for n in ("perfect", "random"))]
)
def test_dci(name):
    case = load(name)
    reference = case.scores["dci"]
    assert case.scores["dci_source"] == "reference"
    result = dci(case.codes, case.factors, held_out=case.held_out)
    assert result.disentanglement == pytest.approx(reference["disentanglement"], abs=0.01)
    assert result.completeness == pytest.approx(reference["completeness"], abs=0.01)
    assert result.informativeness == pytest.approx(reference["informativeness_test"], abs=0.01)
    assert result.informativeness_train == pytest.approx(reference["informativeness_train"], abs=0.01)
    np.testing.assert_allclose(result.completeness_per_factor, reference["completeness_per_factor"], atol=0.01)
    np.testing.assert_allclose(result.importance, reference["importance_matrix_codes_x_factors"], atol=0.025)


def test_score_gives_the_reference_where_it_may_look_at_the_same_samples(case):
    scores = score(case.codes, case.factors, budget="cheap")
    for name in ("mig", "modularity", "irs", "gaussian_total_correlation"):
        assert scores[name] == pytest.approx(case.scores[name], abs=1e-6)
