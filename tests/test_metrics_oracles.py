"""Representations with known scores, and what must not change a score; run over METRICS, so a new metric is held to it.

A metric that can't meet an expectation stands in a set below with the reason, which is documentation as much as a test.
"""

from functools import cache

import numpy as np
import pytest

from analysis.metrics import METRICS, score

SIZES = (3, 4, 5)
NAMES = ("shape", "scale", "place")
BETTER = [name for name, metric in METRICS.items() if metric.mode is not None]

# One line through one latent separates no middle value; a dead latent's modularity is about 2/3 and weighs as much as
# a live one's.
BELOW_ONE_ON_IDENTITY = {"sap": 0.3, "modularity": 0.85}
# The estimate of no information is 0 for half of all pairs, so by chance a latent of noise knows one factor "only".
MERCIFUL_TO_NOISE = {"infomec_modularity"}
# Predictors that see all codes at once don't care which code holds what.
BLIND_TO_ROTATION = {"dci_informativeness", "explicitness", "infomec_explicitness"}
# Scores of single codes: a copy is as good as its original.
BLIND_TO_COPIES = {
    "dci_disentanglement", "modularity", "infomec_modularity", "irs", "mcc", "factor_vae_score", "beta_vae_score",
} | BLIND_TO_ROTATION  # fmt: skip
# Raw codes against a fixed threshold, penalty, prior or posterior width.
SCALE_DEPENDENT = {
    "sap", "beta_vae_score", "factor_vae_score", "active_latents",
    "kl_per_latent", "chen_mig", "chen_mig_without_shape",
}  # fmt: skip


def grid(samples=1500):
    rng = np.random.default_rng(0)
    return np.column_stack([rng.integers(size, size=samples) for size in SIZES])


def standard(factors):
    return (factors - factors.mean(axis=0)) / factors.std(axis=0)


def representation(kind):
    """Codes and log-variances: narrow where a latent is live, the prior's where it is dead."""
    factors, rng = grid(), np.random.default_rng(1)
    live, noise = standard(factors), rng.normal(size=(len(factors), 5))
    quarter = np.array([[1, -1, 0], [1, 1, 0], [0, 0, np.sqrt(2)]]) / np.sqrt(2)
    codes = {
        "identity": np.hstack([live, 1e-3 * noise[:, :1]]),
        "rotated": np.hstack([live @ quarter, 1e-3 * noise[:, :1]]),
        "constant": np.full((len(factors), 4), 0.3),
        "duplicated": np.hstack([live, live]),
        "dead": 1e-3 * noise,
        "noise": noise,
    }[kind]
    logvar = np.where(codes.std(axis=0) > 0.1, -7.0, 0.0) + np.zeros_like(codes)
    return codes, np.zeros_like(codes) if kind == "noise" else logvar, factors


@cache
def scores(kind):
    codes, logvar, factors = representation(kind)
    return score(codes, factors, logvar=logvar, factor_names=NAMES)


def test_modes_say_all_there_is_to_compare():
    # The comparisons below read "more is better"; a first metric with mode "min" has to extend them.
    assert {METRICS[name].mode for name in BETTER} == {"max"}


@pytest.mark.parametrize("kind", ["identity", "rotated", "constant", "duplicated", "dead", "noise"])
def test_every_score_is_finite_and_within_its_bounds(kind):
    for name, metric in METRICS.items():
        value = scores(kind)[name]
        assert np.isfinite(value), name
        assert metric.bounds[0] <= value <= metric.bounds[1], name


@pytest.mark.parametrize("name", BETTER)
def test_one_latent_a_factor_is_the_best_there_is(name):
    assert scores("identity")[name] > BELOW_ONE_ON_IDENTITY.get(name, 0.97)


@pytest.mark.parametrize("name", BETTER)
def test_order_of_latents_does_not_matter(name):
    tolerance = 0.02 if "seed" in METRICS[name].inputs else 1e-9
    codes, logvar, factors = representation("rotated")
    moved = score(codes[:, ::-1], factors, names=[name], logvar=logvar[:, ::-1], factor_names=NAMES)
    assert moved[name] == pytest.approx(scores("rotated")[name], abs=tolerance)


@pytest.mark.parametrize("name", BETTER)
def test_a_rotation_by_45_degrees_costs_unless_declared_blind(name):
    drop = scores("identity")[name] - scores("rotated")[name]
    assert abs(drop) < 0.05 if name in BLIND_TO_ROTATION else drop > 0.02


@pytest.mark.parametrize("name", BETTER)
def test_copies_cost_unless_declared_blind(name):
    drop = scores("identity")[name] - scores("duplicated")[name]
    assert drop < 0.05 if name in BLIND_TO_COPIES else drop > 0.25


@pytest.mark.parametrize("name", BETTER)
def test_noise_and_constants_are_far_below_the_identity(name):
    best = scores("identity")[name]
    assert scores("noise")[name] < best - (0.1 if name in MERCIFUL_TO_NOISE else 0.25)
    assert scores("constant")[name] < best - 0.25


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("duplicated", "mig", 0.0),
        ("duplicated", "chen_mig", 0.0),
        ("duplicated", "sap", 0.0),
        ("duplicated", "modularity", 1.0),
        ("duplicated", "dci_completeness", 1 - np.log(2) / np.log(6)),
        ("duplicated", "infomec_compactness", (1 / 2 - 1 / 6) / (1 - 1 / 6)),
        ("duplicated", "active_latents", 6.0),
        ("constant", "mig", 0.0),
        ("constant", "modularity", 0.0),
        ("constant", "irs", 0.0),
        ("constant", "mcc", 0.0),
        ("constant", "explicitness", 0.5),
        ("constant", "factor_vae_score", 0.0),
        ("constant", "infomec_modularity", 0.0),
        ("constant", "infomec_explicitness", 0.0),
        ("constant", "dci_disentanglement", 0.0),
        ("constant", "gaussian_total_correlation", 0.0),
        ("dead", "active_latents", 0.0),
        ("dead", "factor_vae_score", 0.0),
        ("dead", "chen_mig", 0.0),
        ("identity", "active_latents", 3.0),
        ("noise", "active_latents", 5.0),
    ],
)
def test_known_answers(kind, name, expected):
    tolerance = 0.02 if "seed" in METRICS[name].inputs else 1e-3
    assert scores(kind)[name] == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("kind", ["rotated", "noise"])
def test_signs_of_latents_do_not_matter(kind):
    codes, logvar, factors = representation(kind)
    flipped = score(codes * np.resize([-1.0, 1.0], codes.shape[1]), factors, logvar=logvar, factor_names=NAMES)
    for name, metric in METRICS.items():
        tolerance = 0.02 if "seed" in metric.inputs else 0.005
        assert flipped[name] == pytest.approx(scores(kind)[name], abs=tolerance), name


def test_order_of_samples_matters_at_most_as_much_as_the_seed():
    codes, logvar, factors = representation("rotated")
    order = np.random.default_rng(2).permutation(len(codes))
    shuffled = score(codes[order], factors[order], logvar=logvar[order], factor_names=NAMES)
    for name, metric in METRICS.items():
        tolerance = 0.08 if "seed" in metric.inputs else 1e-9
        assert shuffled[name] == pytest.approx(scores("rotated")[name], abs=tolerance), name


def test_scale_matters_where_it_is_declared_to_and_nowhere_else():
    codes, logvar, factors = representation("rotated")
    smaller = score(codes / 64, factors, logvar=logvar, factor_names=NAMES)
    for name in METRICS:
        if name in SCALE_DEPENDENT:
            assert abs(smaller[name] - scores("rotated")[name]) > 1e-3, name
        else:
            assert smaller[name] == pytest.approx(scores("rotated")[name], abs=1e-6), name
