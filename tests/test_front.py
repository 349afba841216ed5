"""The front of constructed points, and the two properties that define it, on drawn ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analysis.front import hypervolume, ideal_distance, layers, on_front, preferred, shares

MODES = ("min", "max")
POINTS = np.array([[10.0, 0.1], [20.0, 0.3], [20.0, 0.2], [30.0, 0.5], [40.0, 0.5], [5.0, np.nan]])
# Whole numbers, so that ties and equal rows are common.
tables = st.integers(1, 3).flatmap(
    lambda k: arrays(
        float, st.tuples(st.integers(0, 30), st.just(k)), elements=st.sampled_from([*range(6), np.nan, np.inf])
    )
)


def dominates(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.isfinite(a).all() and (not np.isfinite(b).all() or ((a <= b).all() and (a < b).any())))


@given(tables)
def test_no_kept_row_is_dominated_and_every_dropped_one_is(values: np.ndarray) -> None:
    front = on_front(values, ["min"] * values.shape[1])
    for i, row in enumerate(values):
        dominated = any(dominates(other, row) for other in values)
        assert front[i] == (np.isfinite(row).all() and not dominated)


@given(tables)
def test_max_is_min_of_the_negative(values: np.ndarray) -> None:
    k = values.shape[1]
    np.testing.assert_array_equal(on_front(values, ["min"] * k), on_front(-values, ["max"] * k))


@given(tables)
def test_every_row_of_a_layer_is_dominated_by_one_of_the_layer_before(values: np.ndarray) -> None:
    layer = layers(values, ["min"] * values.shape[1])
    np.testing.assert_array_equal(layer == -1, ~np.isfinite(values).all(axis=1))
    for i in np.flatnonzero(layer > 0):
        assert any(dominates(values[j], values[i]) for j in np.flatnonzero(layer == layer[i] - 1))
    for i in np.flatnonzero(layer >= 0):
        assert not any(dominates(values[j], values[i]) for j in np.flatnonzero(layer == layer[i]))


def test_the_front_of_known_points() -> None:
    assert on_front(POINTS, MODES).tolist() == [True, True, False, True, False, False]
    assert layers(POINTS, MODES).tolist() == [0, 0, 1, 0, 1, -1]


def test_equal_points_share_the_front() -> None:
    assert on_front(np.array([[1.0, 1.0], [1.0, 1.0]]), MODES).tolist() == [True, True]


def test_shares_use_the_front_s_range() -> None:
    share = shares(POINTS, MODES)
    np.testing.assert_allclose(share[:4], [[0, 1], [0.5, 0.5], [0.5, 0.75], [1, 0]])
    np.testing.assert_allclose(share[4], [1.5, 0])  # Worse than the worst on the front: more than 1.
    assert np.isinf(share[5]).all()
    np.testing.assert_allclose(ideal_distance(POINTS, MODES)[:2], [1, np.sqrt(0.5)])


def test_a_single_winner_is_measured_against_all() -> None:
    np.testing.assert_allclose(shares(np.array([[1.0, 0.5], [3.0, 0.1]]), MODES), [[0, 0], [1, 1]])
    np.testing.assert_allclose(shares(np.array([[1.0, 0.5]]), MODES), [[0, 0]])


def test_hypervolume_of_two_steps() -> None:
    # Against (50, 0): 10..20 is 0.1 high, 20..30 is 0.3 high, 30..50 is 0.5 high.
    assert hypervolume(POINTS, MODES, (50.0, 0.0)) == pytest.approx(10 * 0.1 + 10 * 0.3 + 20 * 0.5)
    assert hypervolume(POINTS, MODES, (10.0, 0.0)) == 0.0  # Nobody is better than the reference.
    assert hypervolume(np.empty((0, 2)), MODES, (1.0, 0.0)) == 0.0


def test_hypervolume_in_three_objectives() -> None:
    # Two boxes of 1 x 2 x 2 and 2 x 1 x 2 that share 1 x 1 x 2.
    values = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert hypervolume(values, ["min"] * 3, (2.0, 2.0, 2.0)) == pytest.approx(4 + 4 - 2)


@given(st.permutations(range(5)))
def test_hypervolume_does_not_depend_on_the_order(order: list[int]) -> None:
    assert hypervolume(POINTS[order], MODES, (50.0, 0.0)) == pytest.approx(14.0)


def test_preferences_walk_along_the_front() -> None:
    weights = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    assert preferred(POINTS, MODES, weights).tolist() == [0, 1, 3]


def test_modes_are_checked() -> None:
    with pytest.raises(ValueError, match="one mode, 'min' or 'max', per column"):
        on_front(POINTS, ("min",))
    with pytest.raises(ValueError, match="'up'"):
        on_front(POINTS, ("min", "up"))
