"""Null and ceiling rows are the same metrics on other codes or factors."""

import numpy as np
import pytest

from analysis.metrics import distinct, sampled, score, score_rows

NAMES = ["shape", "orientation"]


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    factors = np.column_stack([rng.integers(3, size=2000), rng.integers(40, size=2000)])
    codes = np.column_stack([factors[:, 0] - 1.0, factors[:, 1] / 40, rng.normal(size=2000)])
    return codes, factors, np.full(codes.shape, -3.0)


def test_rows_lie_between_null_and_ceiling(model):
    codes, factors, logvar = model
    untrained = np.random.default_rng(1).normal(size=(2000, 3))
    rows = score_rows(
        codes, factors, names=["mig"], logvar=logvar, factor_names=NAMES, baselines={"untrained": untrained}
    )
    order = ["mean", "sampled", "without_duplicate", "shuffled_factors", "untrained", "true_factors"]
    assert list(rows) == order
    assert rows["mean"] == score(codes, factors, names=["mig"], factor_names=NAMES)
    assert rows["shuffled_factors"]["mig"] < 0.05 > rows["untrained"]["mig"]
    standard = (factors - factors.mean(axis=0)) / factors.std(axis=0)
    assert rows["true_factors"] == score(standard, factors, names=["mig"], factor_names=NAMES)
    assert rows["sampled"]["mig"] < rows["mean"]["mig"] <= rows["true_factors"]["mig"] + 0.02


def test_without_duplicate_leaves_out_the_repeated_orientation(model):
    codes, factors, _ = model
    kept = factors[:, 1] != 39
    rows = score_rows(codes, factors, names=["mig"], factor_names=NAMES, rows=["without_duplicate"])
    assert rows == {"without_duplicate": score(codes[kept], factors[kept], names=["mig"], factor_names=NAMES)}


def test_only_an_orientation_of_forty_values_repeats_itself(model):
    _, factors, _ = model
    assert distinct(factors, NAMES).sum() == (factors[:, 1] != 39).sum()
    assert distinct(factors, None) is None
    assert distinct(factors, ["shape", "turn"]) is None
    assert distinct(factors % 39, NAMES) is None
    assert distinct(2 * factors, NAMES) is None
    assert distinct(np.array([[0, 39], [1, 39], [1, 2]]), NAMES) is None


def test_a_row_without_log_variances_lacks_what_needs_them(model):
    codes, factors, logvar = model
    for names in (None, ["mig", "kl_per_latent"]):
        rows = score_rows(
            codes, factors, names, budget="cheap", logvar=logvar, rows=["mean", "sampled", "true_factors"]
        )
        assert "kl_per_latent" in rows["mean"]
        assert "kl_per_latent" not in rows["sampled"]
        assert "kl_per_latent" not in rows["true_factors"]


def test_a_row_that_cannot_be_is_refused(model):
    codes, factors, _ = model
    with pytest.raises(ValueError, match="got 'sampled'"):
        score_rows(codes, factors, names=["mig"], rows=["sampled"])


def test_samples_have_the_posterior_s_mean_and_width():
    codes = np.zeros((20_000, 2), dtype=np.float32)
    codes[:, 1] = 5
    drawn = sampled(codes, np.log(np.array([0.25, 4.0])) + np.zeros(codes.shape), seed=3)
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn.mean(axis=0), [0, 5], atol=0.05)
    np.testing.assert_allclose(drawn.std(axis=0), [0.5, 2.0], rtol=0.05)
    np.testing.assert_array_equal(drawn, sampled(codes, np.log([0.25, 4.0]) + np.zeros(codes.shape), seed=3))
