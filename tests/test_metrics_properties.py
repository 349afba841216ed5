"""Whatever the codes: every score finite, within its declared bounds, and the same when asked again."""

import warnings

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from analysis.metrics import METRICS, score

KINDS = ("normal", "constant columns", "few values", "huge float32", "tiny", "offset", "copies", "integers")


def codes_of(kind, rng, samples, latents):
    normal = rng.normal(size=(samples, latents))
    return {
        "normal": normal,
        "constant columns": np.where(np.arange(latents) % 2 == 0, 4.0, normal),
        "few values": np.round(normal),
        "huge float32": (normal / np.abs(normal).max() * 3e38).astype(np.float32),
        "tiny": (normal * 1e-30).astype(np.float32),
        "offset": normal + 1e9,
        "copies": np.repeat(normal[:, :1], latents, axis=1),
        "integers": rng.integers(-3, 3, size=(samples, latents)),
    }[kind]


def factors_of(rng, samples, sizes):
    """Size 0 stands for one sample per value; the first two samples differ, so no factor is constant."""
    columns = [rng.permutation(samples) if size == 0 else rng.integers(size, size=samples) for size in sizes]
    factors = np.column_stack(columns)
    factors[0], factors[1] = 0, 1
    return factors


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**16),
    samples=st.integers(6, 40),
    latents=st.sampled_from([1, 2, 3, 10]),
    sizes=st.lists(st.sampled_from([0, 2, 3, 7]), min_size=1, max_size=3),
    deviation=st.sampled_from([-50.0, -3.0, 0.0, 3.0]),
)
@example(kind="normal", seed=0, samples=40, latents=64, sizes=[0, 3], deviation=0.0)
@example(kind="huge float32", seed=0, samples=30, latents=3, sizes=[2, 5], deviation=0.0)
@example(kind="constant columns", seed=0, samples=3, latents=1, sizes=[2], deviation=0.0)
def test_any_codes_score_within_the_declared_bounds(kind, seed, samples, latents, sizes, deviation):
    rng = np.random.default_rng(seed)
    codes, factors = codes_of(kind, rng, samples, latents), factors_of(rng, samples, sizes)
    names = ["shape", "scale", "place"][: len(sizes)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's, about classes with one sample and iterations
        scores = score(codes, factors, logvar=np.full(codes.shape, deviation), factor_names=names, seed=seed)
    expected = {name for name, metric in METRICS.items() if metric.leave_out is None or len(sizes) > 1}
    assert expected <= set(scores)
    for name, value in scores.items():
        key = name.partition("/")[0]
        low, high = METRICS[key].bounds
        assert np.isfinite(value), name
        assert low - 1e-9 <= value <= high + 1e-9, (name, value)
