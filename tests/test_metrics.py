"""The registry, score() and the metrics that need NumPy alone; the other metrics have files of their own."""

import os
import subprocess
import sys

import numpy as np
import pytest
from reference_cases import FACTOR_NAMES, load

from analysis.metrics import METRICS, active_latents, score


@pytest.fixture(scope="module")
def case():
    return load("partial")


def test_active_latents_counts_variance_above_a_hundredth():
    signs = np.array([-1.0, 1.0] * 50)
    codes = np.column_stack([signs, 0.11 * signs, 0.09 * signs, np.full(100, 7.0)])
    assert active_latents(codes) == 2


def test_score_at_a_rung_is_the_named_metrics_as_floats(case):
    scores = score(case.codes, case.factors, names=["mig", "active_latents"])
    assert list(scores) == ["mig", "active_latents"]
    assert all(type(value) is float for value in scores.values())
    assert scores["mig"] == pytest.approx(case.scores["mig"], abs=1e-6)


def test_score_names_the_factors_behind_a_score(case):
    scores = score(case.codes, case.factors, names=["mig"], factor_names=FACTOR_NAMES)
    assert scores["mig/scale"] == pytest.approx(case.scores["mig_per_factor"][1], abs=1e-6)
    assert set(scores) == {"mig", *(f"mig/{name}" for name in FACTOR_NAMES)}
    with pytest.raises(ValueError, match="factor_names"):
        score(case.codes, case.factors, names=["mig"], factor_names=FACTOR_NAMES[:-1])


def small():
    rng = np.random.default_rng(0)
    factors = np.column_stack([rng.integers(size, size=300) for size in (3, 4)])
    codes = np.column_stack([factors + 0.3 * rng.normal(size=(300, 2)), rng.normal(size=300)])
    return codes, factors, np.full(codes.shape, -2.0)


def test_budgets_select_what_the_registry_declares():
    codes, factors, logvar = small()
    cheap = score(codes, factors, budget="cheap", logvar=logvar)
    assert list(cheap) == [name for name, metric in METRICS.items() if metric.budget == "cheap"]
    full = score(codes, factors, logvar=logvar, factor_names=["shape", "scale"])
    assert {name for name in full if "/" not in name} == set(METRICS)
    assert all(type(value) is float for value in full.values())
    with pytest.raises(ValueError, match="budget"):
        score(codes, factors, budget="free")


def test_a_metric_that_lacks_an_argument_is_left_out_or_if_named_refused():
    codes, factors, logvar = small()
    assert not {"kl_per_latent", "chen_mig"} & set(score(codes, factors))
    with pytest.raises(ValueError, match="'kl_per_latent', which needs the argument logvar"):
        score(codes, factors, names=["kl_per_latent"])
    with pytest.raises(ValueError, match="'chen_mig_without_shape', which needs factor_names"):
        score(codes, factors, names=["chen_mig_without_shape"], logvar=logvar)
    with pytest.raises(ValueError, match="names must be metric keys, got 'mgi'"):
        score(codes, factors, names=["mgi"])


def test_without_shape_averages_over_the_other_factors():
    codes, factors, logvar = small()
    scores = score(codes, factors, logvar=logvar, factor_names=["shape", "scale"], budget="full")
    assert scores["chen_mig_without_shape"] == scores["chen_mig/scale"]
    assert scores["chen_mig"] == pytest.approx((scores["chen_mig/shape"] + scores["chen_mig/scale"]) / 2)


def test_metadata_of_every_metric_is_usable():
    for name, metric in METRICS.items():
        assert metric.mode in ("max", "min", None), name
        assert metric.bounds[0] < metric.bounds[1], name
        assert metric.title, name
        assert metric.citation, name
        assert set(metric.inputs) <= {"codes", "factors", "logvar", "seed"}, name
        assert "Raises ValueError" in " ".join(metric.function.__doc__.split()), name


def test_a_pinned_number_of_samples_is_drawn_by_seed():
    rng = np.random.default_rng(0)
    codes, factors = rng.normal(size=(12_000, 2)), rng.integers(4, size=(12_000, 2))
    first, again, other = (score(codes, factors, names=["mig"], seed=seed)["mig"] for seed in (0, 0, 1))
    assert first == again
    assert first != other


SCORED = """
import json, numpy as np
from analysis.metrics import score
rng = np.random.default_rng(0)
factors = np.column_stack([rng.integers(size, size=3000) for size in (3, 5)])
codes = np.column_stack([factors + rng.normal(size=(3000, 2)), rng.normal(size=(3000, 3))])
def scored(seed):
    return json.dumps(score(codes, factors, logvar=np.full(codes.shape, -1.0), seed=seed))
"""


def test_score_depends_on_the_seed_and_not_on_threads():
    here: dict = {}
    exec(SCORED, here)
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    elsewhere = subprocess.run(
        [sys.executable, "-c", SCORED + "print(scored(0))"],
        env=os.environ | dict.fromkeys(names, "3"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert elsewhere.stdout.strip() == here["scored"](0) == here["scored"](0)
    assert here["scored"](1) != here["scored"](0)


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


@pytest.mark.parametrize(
    ("logvar", "message"),
    [
        (np.zeros((4, 3)), "logvar must have the shape of codes"),
        (np.full((4, 2), np.nan), "logvar must be finite"),
        (np.zeros((4, 2), dtype=int), "logvar must be finite real"),
        (np.full((4, 2), 1e4), "logvar must lie within"),
    ],
)
def test_logvar_that_cannot_be_used_is_refused_by_name(logvar, message):
    with pytest.raises(ValueError, match=message):
        score(CODES, FACTORS, names=["kl_per_latent"], logvar=logvar)
