"""The registry, score() and the metrics that need NumPy alone; the other metrics have files of their own."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from analysis.metrics import METRICS, active_latents, mig, score

GOLDEN = Path(__file__).parent / "data" / "golden"
CASES = ["perfect", "rotated", "partial", "random"]
REFERENCE = json.loads((GOLDEN / "synthetic_scores.json").read_text())["scores"]


@pytest.fixture(params=CASES)
def case(request):
    with np.load(GOLDEN / f"synthetic_{request.param}.npz") as arrays:
        return REFERENCE[request.param], arrays["mus_train"], arrays["ys_train"]


def test_mig_equals_the_reference(case):
    reference, codes, factors = case
    result = mig(codes, factors)
    assert result.score == pytest.approx(reference["mig"], abs=1e-6)
    np.testing.assert_allclose(result.per_factor, reference["mig_per_factor"], atol=1e-6)
    np.testing.assert_allclose(result.information, reference["mi_matrix_codes_x_factors"], atol=1e-6)


def test_mig_information_equals_scikit_learn_on_the_same_bins():
    from sklearn.metrics import mutual_info_score

    rng = np.random.default_rng(0)
    factors = np.column_stack([rng.integers(3, size=500), rng.integers(7, size=500)])
    codes = rng.normal(size=(500, 2)) + factors
    edges = np.histogram(codes[:, 1], 20)[1][:-1]
    expected = mutual_info_score(np.digitize(codes[:, 1], edges), factors[:, 1])
    assert mig(codes, factors).information[1, 1] == pytest.approx(expected, abs=1e-12)


def test_active_latents_counts_variance_above_a_hundredth():
    signs = np.array([-1.0, 1.0] * 50)
    codes = np.column_stack([signs, 0.11 * signs, 0.09 * signs, np.full(100, 7.0)])
    assert active_latents(codes) == 2


def test_score_at_a_rung_is_the_named_metrics_as_floats(case):
    reference, codes, factors = case
    scores = score(codes, factors, names=["mig", "active_latents"])
    assert list(scores) == ["mig", "active_latents"]
    assert all(type(value) is float for value in scores.values())
    assert scores["mig"] == pytest.approx(reference["mig"], abs=1e-6)


def test_score_names_the_factors_behind_a_score(case):
    reference, codes, factors = case
    factor_names = ["shape", "scale", "orientation", "pos_x", "pos_y"]
    scores = score(codes, factors, names=["mig"], factor_names=factor_names)
    assert scores["mig/scale"] == pytest.approx(reference["mig_per_factor"][1], abs=1e-6)
    with pytest.raises(ValueError, match="factor_names"):
        score(codes, factors, names=["mig"], factor_names=factor_names[:-1])


def test_budgets_select_what_the_registry_declares():
    rng = np.random.default_rng(0)
    codes, factors = rng.normal(size=(300, 3)), rng.integers(4, size=(300, 2))
    assert list(score(codes, factors, budget="cheap")) == [n for n, m in METRICS.items() if m.budget == "cheap"]
    with pytest.raises(ValueError, match="budget"):
        score(codes, factors, budget="free")
    with pytest.raises(ValueError, match="names must be metric keys, got 'mgi'"):
        score(codes, factors, names=["mgi"])


def test_a_pinned_number_of_samples_is_drawn_by_seed():
    rng = np.random.default_rng(0)
    codes, factors = rng.normal(size=(12_000, 2)), rng.integers(4, size=(12_000, 2))
    first, again, other = (score(codes, factors, names=["mig"], seed=seed)["mig"] for seed in (0, 0, 1))
    assert first == again
    assert first != other


CODES, FACTORS = np.zeros((4, 2)), np.array([[0, 0], [1, 0], [0, 1], [1, 1]])


@pytest.mark.parametrize(
    ("codes", "factors", "message"),
    [
        (np.full((4, 2), np.nan), FACTORS, "codes must be finite"),
        (np.full((4, 2), np.inf), FACTORS, "codes must be finite"),
        (np.full((4, 2), 1e300), FACTORS, "codes must lie within"),
        (np.zeros(4), FACTORS, r"codes must have shape \(N, D\)"),
        (np.zeros((4, 2), dtype=complex), FACTORS, "codes must be real"),
        (CODES, FACTORS[:3], "factors must have one row for each"),
        (CODES, FACTORS * 1.0, "factors must be integer"),
        (CODES, FACTORS - 1, "factors must not be negative"),
        (CODES, np.zeros((4, 1), dtype=int), "column 0 is constant"),
        (CODES, FACTORS[:, 0], r"factors must have shape \(N, K\)"),
    ],
)
def test_what_cannot_be_scored_is_refused_by_name(codes, factors, message):
    with pytest.raises(ValueError, match=message):
        score(codes, factors)


def test_importing_the_metrics_loads_numpy_alone():
    heavy = "{'sklearn', 'scipy', 'numba', 'pandas', 'torch', 'ray', 'plotly'}"
    program = f"import sys, analysis.metrics; print({heavy} & set(sys.modules))"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "set()"
