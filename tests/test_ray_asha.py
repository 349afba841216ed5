import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

from study.decision import Decision
from study.ray_asha import RayASHA
from study.standings import Filed

factors = st.sampled_from([2, 3, 2.5])
values = st.lists(st.integers(-20, 20), min_size=1, max_size=25)
modes = st.sampled_from(["min", "max"])


def trial(name):
    return SimpleNamespace(trial_id=name)


def make(mode="max", factor=3):
    return RayASHA("mig", mode, 90, 5, factor, key=lambda t: t.trial_id)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(-20, 20)), max_size=60), modes, factors)
def test_it_answers_what_ray_s_scheduler_answers(reports, mode, factor):
    """Trials report at every rung in turn, in any order between each other."""
    ours, rays = make(mode, factor), AsyncHyperBandScheduler("step", "mig", mode, 90, 5, factor)
    at: dict[int, int] = {}
    for i in range(10):
        rays.on_trial_add(None, trial(f"t{i}"))
    for i, value in reports:
        at[i] = at.get(i, -1) + 1
        if at[i] < len(ours.rungs):
            step = math.ceil(5 * factor ** at[i])
            result = {"step": step, "mig": value}
            expected = rays.on_trial_result(None, trial(f"t{i}"), result)
            assert ours.on_trial_result(None, trial(f"t{i}"), result) == expected
            assert ours.decisions[f"t{i}", ours.rungs[at[i]]].keep == (expected == TrialScheduler.CONTINUE)
            if expected == TrialScheduler.STOP:
                at[i] = 99


@given(values, st.integers(0, 25), modes, factors)
def test_a_restored_one_decides_as_if_nothing_had_happened(reports, cut, mode, factor):
    straight, first, second = (make(mode, factor) for _ in range(3))
    for i, value in enumerate(reports):
        straight.on_trial_result(None, trial(f"t{i}"), {"step": 5, "mig": value})
    for i, value in enumerate(reports[:cut]):
        first.on_trial_result(None, trial(f"t{i}"), {"step": 5, "mig": value})
    for (name, rung), decision in [*first.decisions.items()] * 2:
        second.restore_filed(Filed(name, {}, rung, (float(reports[int(name[1:])]),), decision))
    for i, value in enumerate(reports[cut:], start=cut):
        second.on_trial_result(None, trial(f"t{i}"), {"step": 5, "mig": value})
    assert second.decisions == straight.decisions


def test_a_decision_says_why_and_who_was_better():
    scheduler = make()
    for name, value in (("a", 0.3), ("b", 0.2), ("c", 0.1)):
        scheduler.on_trial_result(None, trial(name), {"step": 5, "mig": value})
    reason = "rank 3 of 3; mig 0.1 misses the cutoff, 0.2667"
    assert scheduler.decisions["c", 5] == Decision(False, 2, 2, 3, reason, ("a", "b"))
    assert scheduler.on_trial_result(None, trial("c"), {"step": 5, "mig": 0.9}) == TrialScheduler.STOP
    assert scheduler.on_trial_result(None, trial("a"), {"step": 90, "mig": 0.9}) == TrialScheduler.STOP


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_stops_and_does_not_count(bad):
    scheduler = make()
    assert scheduler.on_trial_result(None, trial("a"), {"step": 5, "mig": bad}) == TrialScheduler.STOP
    assert scheduler.on_trial_result(None, trial("b"), {"step": 5, "mig": -1.0}) == TrialScheduler.CONTINUE
    assert scheduler.decisions["b", 5].size == 1


def test_a_missing_metric_is_an_error_at_once():
    with pytest.raises(ValueError, match="trial a reported no mig"):
        make().on_trial_result(None, trial("a"), {"step": 1})
