"""The split between fitting and judging."""

import numpy as np
import pytest

from analysis.metrics.held_out import split


@pytest.fixture
def arrays():
    factors = np.arange(30)[:, None] % 5
    return np.hstack([factors, np.arange(30)[:, None]]) * 1.0, factors


def test_a_third_is_held_out_by_seed_and_nothing_is_lost(arrays):
    codes, factors = arrays
    parts = split(codes, factors, seed=0)
    assert (len(parts.codes), len(parts.test_codes)) == (20, 10)
    np.testing.assert_array_equal(np.sort(np.vstack([parts.codes, parts.test_codes])[:, 1]), np.arange(30))
    for rows, labels in ((parts.codes, parts.factors), (parts.test_codes, parts.test_factors)):
        np.testing.assert_array_equal(rows[:, :1], labels)
    np.testing.assert_array_equal(split(codes, factors, seed=0).test_codes, parts.test_codes)
    assert (split(codes, factors, seed=1).test_codes != parts.test_codes).any()


def test_a_given_part_is_taken_as_it_is(arrays):
    codes, factors = arrays
    parts = split(codes[:20], factors[:20], held_out=(codes[20:], factors[20:]))
    np.testing.assert_array_equal(parts.codes, codes[:20])
    np.testing.assert_array_equal(parts.test_factors, factors[20:])


def test_a_part_that_does_not_fit_is_refused(arrays):
    codes, factors = arrays
    with pytest.raises(ValueError, match=r"held_out must be codes \(M, 2\)"):
        split(codes, factors, held_out=(codes[:, :1], factors))
    with pytest.raises(ValueError, match=r"held_out must be codes \(M, 2\)"):
        split(codes, factors, held_out=(codes[1:], factors))
    with pytest.raises(ValueError, match="at least 3 samples"):
        split(codes[:2], factors[:2])
