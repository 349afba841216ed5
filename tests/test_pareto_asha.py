import math
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from ray.tune.schedulers import TrialScheduler

from study.pareto_asha import (
    ParetoASHA,
    decide,
    expected_steps,
    fronts_until,
    pareto_front,
    rungs,
    spread_order,
)

# Small whole numbers, so that ties and equal vectors are common.
numbers = st.integers(-4, 4).map(float)
factors = st.sampled_from([2, 3, 4, 2.5])


@st.composite
def vectors(draw, least=0, most=12):
    shape = (draw(st.integers(least, most)), draw(st.integers(1, 3)))
    return draw(arrays(float, shape, elements=numbers))


def dominated(a, b):
    """Whether b dominates a, from the definition."""
    return all(y <= x for x, y in zip(a, b, strict=True)) and any(y < x for x, y in zip(a, b, strict=True))


@given(vectors(least=1))
def test_the_front_is_what_nobody_dominates(points):
    expected = [not any(dominated(p, q) for q in points) for p in points]
    assert pareto_front(points).tolist() == expected


@given(vectors(least=1))
def test_fronts_are_peeled_in_order_and_hold_everyone_once(points):
    layers = fronts_until(points, None)
    assert sorted(np.concatenate(layers).tolist()) == list(range(len(points)))
    for before, after in pairwise(layers):
        assert all(any(dominated(points[i], points[j]) for j in before) for i in after)
        assert not any(dominated(points[i], points[j]) for i in before for j in after)


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


@given(vectors(least=1))
def test_a_spread_order_is_a_permutation(points):
    assert sorted(spread_order(points)) == list(range(len(points)))


def test_a_spread_order_takes_the_balanced_point_then_the_ends():
    line = np.array([[i / 4, 1 - i / 4] for i in range(5)])
    assert spread_order(line)[0] == 2
    assert set(spread_order(line)[1:3]) == {0, 4}


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


def trial(name):
    return SimpleNamespace(trial_id=name)


def report(step, reconstruction, mig):
    return {"step": step, "reconstruction": reconstruction, "mig": mig}


def make(**changes):
    return ParetoASHA(**{"max_t": 90, "grace_period": 10, "reduction_factor": 3} | changes)


def test_trials_are_judged_at_rungs_only_and_keep_their_decision():
    scheduler = make()
    for name, reconstruction, mig in (("a", 50, 0.3), ("b", 60, 0.2), ("c", 70, 0.1)):
        assert scheduler.on_trial_result(None, trial(name), report(5, reconstruction, mig)) == TrialScheduler.CONTINUE
    assert scheduler.decisions == {}
    assert scheduler.on_trial_result(None, trial("a"), report(10, 50, 0.3)) == TrialScheduler.CONTINUE
    assert scheduler.on_trial_result(None, trial("b"), report(10, 60, 0.2)) == TrialScheduler.CONTINUE
    assert scheduler.on_trial_result(None, trial("c"), report(10, 70, 0.1)) == TrialScheduler.STOP
    assert scheduler.dominators["c", 10] == ["a", "b"]
    # A retried trial that reports the rung again, even with other numbers, changes nothing.
    assert scheduler.on_trial_result(None, trial("c"), report(10, 1, 0.9)) == TrialScheduler.STOP
    assert scheduler.decisions["c", 10].size == 3
    assert scheduler.on_trial_result(None, trial("a"), report(90, 50, 0.3)) == TrialScheduler.STOP


def test_a_trial_that_jumps_a_rung_is_filed_at_the_one_it_reached():
    scheduler = make()
    assert scheduler.on_trial_result(None, trial("a"), report(35, 50, 0.3)) == TrialScheduler.CONTINUE
    assert list(scheduler.decisions) == [("a", 30)]


def test_a_report_that_is_not_finite_stops_and_counts_as_worst_at_the_next_rung():
    scheduler = make()
    assert scheduler.on_trial_result(None, trial("a"), report(4, math.nan, 0.3)) == TrialScheduler.STOP
    assert not scheduler.decisions["a", 10].keep
    assert scheduler.on_trial_result(None, trial("b"), report(10, 500, 0.0)) == TrialScheduler.CONTINUE
    assert scheduler.decisions["b", 10].rank == 0


def test_a_missing_objective_is_an_error_at_once():
    with pytest.raises(ValueError, match="trial a reported no mig"):
        make().on_trial_result(None, trial("a"), {"step": 1, "reconstruction": 3.0})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grace_period": 0}, "grace_period is 0"),
        ({"grace_period": 91}, "grace_period is 91"),
        ({"reduction_factor": 1}, "reduction_factor is 1"),
        ({"objectives": {"mig": "up"}}, "'min' or 'max'"),
        ({"objectives": dict.fromkeys("abcd", "min")}, "one to three"),
    ],
)
def test_bad_arguments_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        make(**change)


def test_metric_and_mode_of_tune_are_refused():
    with pytest.raises(ValueError, match="judges its objectives"):
        make().set_search_properties("loss", "min")
    assert make().set_search_properties(None, None)


def test_restored_decisions_are_what_they_were():
    scheduler, generator = make(), np.random.default_rng(0)
    for i in range(20):
        scheduler.on_trial_result(None, trial(f"t{i}"), report(10, generator.normal(), generator.normal()))
    restored = make()
    for (name, rung), decision in scheduler.decisions.items():
        values = scheduler._recorded[rung][name]
        restored.restore_decision(name, rung, values, decision, scheduler.dominators[name, rung])
    newcomer = report(10, 0.0, 0.0)
    for one in (scheduler, restored):
        one.on_trial_result(None, trial("new"), newcomer)
    assert restored.decisions == scheduler.decisions
    assert restored.dominators == scheduler.dominators
