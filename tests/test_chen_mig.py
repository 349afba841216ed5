"""MIG of posterior samples against a Monte Carlo estimate of the authors' formula, and where the answer is known."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import logsumexp
from scipy.stats import norm

from analysis.metrics import chen_mig, kl_per_latent, mig


def sampled_information(mean, deviation, labels, draws=4000):
    """I(z; v) of one latent by drawing z and averaging log q(z | v) − log q(z), the authors' way."""
    rng = np.random.default_rng(0)
    source = rng.integers(len(mean), size=draws)
    z = mean[source] + deviation[source] * rng.normal(size=draws)
    density = norm.logpdf(z[:, None], mean, deviation)
    same = labels[source][:, None] == labels
    inside = logsumexp(np.where(same, density, -np.inf), axis=1) - np.log(same.sum(axis=1))
    return float(np.mean(inside - logsumexp(density, axis=1) + np.log(len(mean))))


def test_information_is_what_samples_give():
    rng = np.random.default_rng(1)
    factors = np.column_stack([rng.integers(3, size=400), rng.integers(4, size=400)])
    codes = np.column_stack([factors[:, 0] - 1 + 0.2 * rng.normal(size=400), 0.5 * factors.sum(axis=1)])
    logvar = np.log(rng.uniform(0.2, 0.6, size=codes.shape) ** 2)
    information = chen_mig(codes, logvar, factors).information
    for j in range(2):
        for k in range(2):
            expected = sampled_information(codes[:, j], np.exp(0.5 * logvar[:, j]), factors[:, k])
            assert information[j, k] == pytest.approx(expected, abs=0.03)


def test_narrow_posteriors_far_apart_tell_all_and_wide_ones_nothing():
    factors = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 50)
    codes = 10.0 * factors
    narrow, wide = np.full(codes.shape, -8.0), np.full(codes.shape, 12.0)
    result = chen_mig(codes, narrow, factors)
    np.testing.assert_allclose(result.information, np.log(2) * np.eye(2), atol=1e-6)
    assert result.score == pytest.approx(1, abs=1e-6)
    assert chen_mig(codes, wide, factors).score == pytest.approx(0, abs=1e-3)


def test_a_collapsed_latent_counts_by_its_samples_and_not_by_its_means():
    # The mean of the second latent leaks the factor at a thousandth of its posterior's width: binned MIG gives it all.
    labels = np.array([[0], [1]] * 200)
    codes = np.column_stack([np.zeros(400), 0.001 * labels[:, 0]])
    assert mig(codes, labels).score == pytest.approx(1)
    assert chen_mig(codes, np.zeros(codes.shape), labels).score == pytest.approx(0, abs=1e-5)


def test_kl_per_latent_is_that_of_two_normals():
    result = kl_per_latent(np.array([[0.0, 2.0], [0.0, -2.0]]), np.log(np.array([[1.0, 0.25], [1.0, 0.25]])))
    # KL(N(2, 1/2) || N(0, 1)) = ln 2 + (1/4 + 4) / 2 − 1/2
    np.testing.assert_allclose(result.per_latent, [0, np.log(2) + 4.25 / 2 - 0.5])
    assert result.total == pytest.approx(2 * result.score)


def entropy_by_quadrature(mean, deviation):
    """Differential entropy in nats of an even mixture of normals, by adaptive integration of −q ln q."""

    def integrand(z):
        density = sum(norm.pdf(z, m, s) for m, s in zip(mean, deviation, strict=True)) / len(mean)
        return -density * np.log(density) if density > 0 else 0.0

    low, high = (mean - 9 * deviation).min(), (mean + 9 * deviation).max()
    return quad(integrand, low, high, points=sorted(mean), limit=400)[0]


def test_gaps_are_those_of_entropies_by_quadrature():
    """The whole formula in float64 on twelve posteriors, with the entropies integrated instead of summed on a grid."""
    factors = np.array([[a, b] for a in range(3) for b in range(2)] * 2)
    rng = np.random.default_rng(0)
    codes = np.column_stack([factors[:, 0] - 1.0, 0.8 * factors[:, 1], 0.3 * factors[:, 0]])
    codes += 0.1 * rng.normal(size=codes.shape)
    deviation = rng.uniform(0.15, 0.5, size=codes.shape)
    information = np.zeros((3, 2))
    for j in range(3):
        whole = entropy_by_quadrature(codes[:, j], deviation[:, j])
        for k in range(2):
            for value in np.unique(factors[:, k]):
                own = factors[:, k] == value
                information[j, k] += own.mean() * (whole - entropy_by_quadrature(codes[own, j], deviation[own, j]))
    ranked = np.sort(information, axis=0)
    gaps = (ranked[-1] - ranked[-2]) / np.log([3, 2])
    result = chen_mig(codes, 2 * np.log(deviation), factors)
    np.testing.assert_allclose(result.information, information, atol=1e-4)
    assert result.score == pytest.approx(gaps.mean(), abs=1e-4)
