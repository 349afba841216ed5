import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from study.decision import decide, expected_steps, rungs, spread_place

# Small whole numbers, so that ties and equal vectors are common.
numbers = st.integers(-4, 4).map(float)
factors = st.sampled_from([2, 3, 4, 2.5])


@st.composite
def vectors(draw, least=0, most=10):
    shape = (draw(st.integers(least, most)), draw(st.integers(1, 3)))
    return draw(arrays(float, shape, elements=numbers))


def dominated(a, b):
    """Whether b dominates a, from the definition."""
    return all(y <= x for x, y in zip(a, b, strict=True)) and any(y < x for x, y in zip(a, b, strict=True))


@given(vectors(least=1), factors)
def test_a_newcomer_that_dominates_everyone_is_kept(recorded, factor):
    decision = decide(recorded.min(axis=0) - 1, recorded, factor)
    assert decision.keep
    assert (decision.rank, decision.front, decision.dominated_by) == (0, 0, ())


@given(vectors(least=4), factors)
def test_a_newcomer_that_everyone_dominates_is_stopped_once_the_rung_is_full(recorded, factor):
    decision = decide(recorded.max(axis=0) + 1, recorded, factor)
    assert not decision.keep
    assert decision.rank == len(recorded)
    assert decision.dominated_by == tuple(range(len(recorded)))


@given(vectors(least=1), factors, st.randoms())
def test_the_order_of_the_recorded_trials_changes_nothing(recorded, factor, random):
    newcomer, others = recorded[0], recorded[1:]
    shuffled = list(others)
    random.shuffle(shuffled)
    one, two = decide(newcomer, others, factor), decide(newcomer, np.array(shuffled).reshape(others.shape), factor)
    assert (one.keep, one.rank, one.front) == (two.keep, two.rank, two.front)


@given(vectors(least=1), factors, st.integers(0, 2), st.floats(0.1, 100), st.floats(-100, 100))
def test_scaling_or_shifting_an_objective_changes_nothing(recorded, factor, axis, scale, shift):
    moved = recorded.copy()
    moved[:, axis % moved.shape[1]] *= round(scale, 1)
    moved[:, axis % moved.shape[1]] += round(shift)
    one, two = decide(recorded[0], recorded[1:], factor), decide(moved[0], moved[1:], factor)
    assert (one.keep, one.rank, one.front, one.dominated_by) == (two.keep, two.rank, two.front, two.dominated_by)


@given(vectors(least=1), factors, st.sampled_from([math.nan, math.inf, -math.inf]), st.integers(0, 2))
def test_a_vector_that_is_not_finite_is_worst_and_never_goes_on(recorded, factor, bad, axis):
    newcomer = recorded[0].copy()
    newcomer[axis % len(newcomer)] = bad
    decision = decide(newcomer, recorded, factor)
    assert not decision.keep
    assert decision.rank == len(recorded)
    # And recorded ones that are not finite make room for a finite newcomer.
    worst = recorded.max(axis=0) + 1
    broken = np.full((math.ceil(factor) * len(recorded), recorded.shape[1]), math.nan)
    assert decide(worst, broken, factor).keep


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.integers(0, 50), st.sampled_from([2, 3, 4]))
def test_with_one_objective_it_agrees_with_ashas_quantile(recorded, newcomer, factor):
    """Ray's rule stops below a percentile of the earlier arrivals, interpolated between two of them. Outside that gap,
    and once the rung holds reduction_factor trials, both must say the same."""
    signed = -np.array(recorded, float)  # larger is better, as Ray sees it
    low, high = (np.percentile(signed, 100 * (1 - 1 / factor), method=side) for side in ("lower", "higher"))
    decision = decide([newcomer], np.array(recorded, float)[:, None], factor)
    if len(recorded) + 1 < factor or -newcomer >= high:
        assert decision.keep
    elif -newcomer < low:
        assert not decision.keep


def epsilon_net(points):
    """The order from its definition: the most balanced first, then always the farthest from all before it."""
    rows = range(len(points))
    order = [min(rows, key=lambda i: (points[i].max(), points[i].sum(), *points[i], i))]
    while len(order) < len(points):
        gaps = {i: min(np.abs(points[i] - points[j]).max() for j in order) for i in rows if i not in order}
        order.append(min(gaps, key=lambda i: (-gaps[i], *points[i], i)))
    return order


@given(vectors(least=1))
def test_the_place_in_the_spread_is_that_of_an_epsilon_net(points):
    for row in range(len(points)):
        first = np.roll(points, -row, axis=0)
        assert spread_place(first) == epsilon_net(first).index(0)


def test_an_epsilon_net_takes_the_balanced_point_then_the_ends():
    line = np.array([[i / 4, 1 - i / 4] for i in range(5)])
    assert [spread_place(np.roll(line, -i, axis=0)) for i in (2, 0, 4)] == [0, 1, 2]


def slowly_decided(newcomer, recorded, factor):
    """`decide` from its definition, one front at a time: rank, front, keep."""
    vectors = np.vstack([newcomer, recorded])
    quota, rank = math.ceil(len(vectors) / factor), 0
    places = np.array([[sorted(set(column)).index(value) for value in column] for column in vectors.T], float).T
    places /= np.maximum(places.max(axis=0), 1)
    rest = list(range(len(vectors)))
    for front in range(len(vectors)):
        own = [i for i in rest if not any(dominated(vectors[i], vectors[j]) for j in rest)]
        if 0 in own:
            if rank < quota < rank + len(own):
                rank += epsilon_net(places[own]).index(own.index(0))
            return rank, front, len(vectors) < factor or rank < quota
        rank += len(own)
        rest = [i for i in rest if i not in own]


@given(vectors(least=1), factors)
def test_the_fast_decision_is_the_slow_one(vectors, factor):
    decision = decide(vectors[0], vectors[1:], factor)
    assert (decision.rank, decision.front, decision.keep) == slowly_decided(vectors[0], vectors[1:], factor)
    assert decision.dominated_by == tuple(i for i, row in enumerate(vectors[1:]) if dominated(vectors[0], row))


@given(vectors(least=1), factors, st.sampled_from([math.nan, math.inf, -math.inf]), st.integers(1, 12))
def test_recorded_vectors_that_are_not_finite_come_after_all_others(vectors, factor, bad, broken):
    recorded = np.vstack([vectors[1:], np.full((broken, vectors.shape[1]), bad)])
    with_them, without = decide(vectors[0], recorded, factor), decide(vectors[0], vectors[1:], factor)
    assert (with_them.front, with_them.dominated_by) == (without.front, without.dominated_by)
    assert with_them.keep >= (without.keep and len(vectors) >= factor)
    assert with_them.size == len(recorded) + 1


@pytest.mark.parametrize(
    ("grace", "factor", "max_t", "expected"),
    [
        (1, 4, 100, [1, 4, 16, 64]),
        (5, 3, 50, [5, 15, 45]),
        (1, 3, 81, [1, 3, 9, 27]),
        (100, 3, 100, []),
        (150, 3, 1350, [150, 450]),
    ],
)
def test_rungs(grace, factor, max_t, expected):
    assert rungs(grace, factor, max_t) == expected


def test_expected_steps():
    assert expected_steps([100, 300], 900, 3) == pytest.approx(100 + 200 / 3 + 600 / 9)
    assert expected_steps([100, 300], 900, 3, done=300) == 600
    assert expected_steps([], 900, 3, done=100) == 800
