import json
import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.schedulers import TrialScheduler

from study.pareto_asha import KeepStandings, ParetoASHA, decide
from study.standings import NAMED_DOMINATORS

GO, STOP = TrialScheduler.CONTINUE, TrialScheduler.STOP


def trial(name, **config):
    return SimpleNamespace(trial_id=name, config=config)


def report(step, reconstruction, mig):
    return {"step": step, "reconstruction": reconstruction, "mig": mig}


def make(**changes):
    return ParetoASHA(**{"max_t": 90, "grace_period": 10, "reduction_factor": 3} | changes)


def test_trials_are_judged_at_rungs_only_and_keep_their_decision():
    scheduler = make()
    for name, reconstruction, mig in (("a", 50, 0.3), ("b", 60, 0.2), ("c", 70, 0.1)):
        assert scheduler.on_trial_result(None, trial(name), report(5, reconstruction, mig)) == GO
    assert scheduler.decisions == {}
    assert scheduler.on_trial_result(None, trial("a"), report(10, 50, 0.3)) == GO
    assert scheduler.on_trial_result(None, trial("b"), report(10, 60, 0.2)) == GO
    assert scheduler.on_trial_result(None, trial("c"), report(10, 70, 0.1)) == STOP
    assert scheduler.decisions["c", 10].dominated_by == ("a", "b")
    # A retried trial that reports the rung again, even with other numbers, changes nothing.
    assert scheduler.on_trial_result(None, trial("c"), report(10, 1, 0.9)) == STOP
    assert scheduler.decisions["c", 10].size == 3
    assert scheduler.on_trial_result(None, trial("a"), report(90, 50, 0.3)) == STOP


def test_a_trial_that_jumps_a_rung_is_filed_at_the_one_it_reached():
    scheduler = make()
    assert scheduler.on_trial_result(None, trial("a"), report(35, 50, 0.3)) == GO
    assert list(scheduler.decisions) == [("a", 30)]


def test_a_report_that_is_not_finite_stops_and_counts_as_worst_at_the_next_rung():
    scheduler = make()
    assert scheduler.on_trial_result(None, trial("a"), report(4, math.nan, 0.3)) == STOP
    assert not scheduler.decisions["a", 10].keep
    assert scheduler.on_trial_result(None, trial("b"), report(10, 500, 0.0)) == GO
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
        ({"brackets": 0}, "brackets is 0; it must be from 1 to the number of rungs, 2"),
        ({"brackets": 3}, "brackets is 3"),
        ({"soft_until": 30}, "soft_until is 30; it needs cells"),
        ({"audit": 1.5}, "audit is 1.5"),
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


def random_reports(count, seed, latest=90):
    """Trials of four β and two seeds each that report at every rung, and at a few other steps, in a random order."""
    generator = np.random.default_rng(seed)
    steps = {f"t{i}": sorted(generator.choice([5, 10, 20, 30, 35, 60, 90], 4, replace=False)) for i in range(count)}
    configs = {name: {"beta": float(2 ** (i % 4)), "seed": i // 4} for i, name in enumerate(steps)}
    queue = []
    while steps:
        name = str(generator.choice(list(steps)))
        step, *rest = steps.pop(name)
        if rest:
            steps[name] = rest
        values = np.where(generator.random(2) < 0.05, math.nan, generator.integers(0, 9, 2))
        if step <= latest:
            queue.append((trial(name, **configs[name]), report(int(step), *values)))
    return queue


options = st.fixed_dictionaries(
    {
        "brackets": st.sampled_from([1, 2]),
        "strata": st.sampled_from([(), ("beta",)]),
        "soft_until": st.sampled_from([0, 20, 90]),
        "audit": st.sampled_from([0.0, 0.3, 1.0]),
        "seed": st.integers(0, 3),
    }
)


@settings(max_examples=40)
@given(options, st.integers(0, 1000), st.integers(0, 60))
def test_a_restored_scheduler_goes_on_as_if_nothing_had_happened(chosen, seed, cut):
    """At whatever moment, and although some reports are repeated: the rest is judged as by one that never stopped."""
    queue = random_reports(16, seed)
    straight, first, second = (make(cells=("beta",), **chosen) for _ in range(3))
    expected = [straight.on_trial_result(None, *each) for each in queue]
    for each in queue[:cut]:
        first.on_trial_result(None, *each)
    state = KeepStandings(first).get_state()
    KeepStandings(second).set_state(state)
    KeepStandings(second).set_state(state)  # Twice is as good as once.
    for each in queue[max(0, cut - 5) : cut]:  # Retried trials report once more what they had reported.
        second.on_trial_result(None, *each)
    assert [second.on_trial_result(None, *each) for each in queue[cut:]] == expected[cut:]
    assert list(second.decisions.items()) == list(straight.decisions.items())
    assert repr(second.filed) == repr(straight.filed)  # NaN is not equal to itself.


@settings(max_examples=40)
@given(options, st.integers(0, 1000))
def test_trials_compete_inside_their_stratum_and_bracket_only(chosen, seed):
    """Every decision is that of the pure function on those that came to the rung before, from the same group."""
    scheduler, probe = make(cells=("beta",), **chosen), make(cells=("beta",), **chosen)
    for each in random_reports(16, seed):
        scheduler.on_trial_result(None, *each)
        probe.on_trial_result(None, each[0], report(10, 1, 1))
    first = {name for name, _ in probe.decisions}  # The first bracket, and nobody else, is judged at the first rung.
    groups: dict = {}
    for name, config, rung, (reconstruction, mig), decision in scheduler.filed:
        group = groups.setdefault((rung, name in first, config["beta"] if chosen["strata"] else None), [])
        bare = decide((reconstruction, -mig), np.array(group).reshape(-1, 2), 3)
        assert (decision.rank, decision.front, decision.size) == (bare.rank, bare.front, bare.size)
        assert decision.keep >= bare.keep
        group.append((reconstruction, -mig))


def test_brackets_are_drawn_by_seed_and_name_and_begin_later():
    scheduler, other = make(brackets=2), make(brackets=2, seed=1)
    for one in (scheduler, other):
        for i in range(400):
            one.on_trial_result(None, trial(f"t{i}"), report(10, 1, 1))
    first = [name for name, _ in scheduler.decisions]
    assert 0.65 < len(first) / 400 < 0.81  # 1 / (1 + 1/e) = 0.73, as in Ray's softmax over the numbers of rungs
    assert first != [name for name, _ in other.decisions]
    second = next(f"t{i}" for i in range(400) if f"t{i}" not in first)
    assert scheduler.on_trial_result(None, trial(second), report(30, 1, 1)) == GO
    assert scheduler.decisions[second, 30].size == 1


def test_a_soft_stop_lets_one_trial_of_every_cell_go_on_until_its_step():
    scheduler = make(cells=("beta",), soft_until=30)
    reports = {"a": (1, 50, 0.5), "b": (1, 51, 0.4), "c": (1, 52, 0.3), "d": (8, 90, 0.1), "e": (8, 95, 0.0)}
    heard = {}
    for step in (10, 30):
        for name, (beta, reconstruction, mig) in reports.items():
            heard[name, step] = scheduler.on_trial_result(
                None, trial(name, beta=beta), report(step, reconstruction, mig)
            )
    assert [heard[name, 10] for name in reports] == [GO, GO, STOP, GO, STOP]
    assert scheduler.decisions["d", 10].reason.endswith("kept as the last of its cell")
    assert heard["d", 30] == STOP  # From there on the rung decides alone.


def test_a_diverged_trial_is_no_estimate_of_its_cell():
    scheduler = make(cells=("beta",), soft_until=60)
    for name in ("a", "b", "c"):
        scheduler.on_trial_result(None, trial(name, beta=1), report(10, 50, 0.5))
    assert scheduler.on_trial_result(None, trial("d", beta=8), report(10, 90, 0.1)) == GO
    assert scheduler.on_trial_result(None, trial("d", beta=8), report(20, math.nan, 0.1)) == STOP
    assert scheduler.on_trial_result(None, trial("e", beta=8), report(10, 95, 0.0)) == GO


def test_an_audited_trial_runs_on_and_changes_nothing_for_the_others():
    """The others' decisions with an audit are those without."""
    plain, audited = make(), make(audit=0.5)
    ended = set()
    for each in random_reports(60, seed=3):
        if each[0].trial_id in ended:
            continue
        heard = [one.on_trial_result(None, *each) for one in (plain, audited)]
        if heard[1] == STOP:
            ended.add(each[0].trial_id)
        else:
            assert heard[0] == GO or each[0].trial_id in {
                name for (name, _), d in audited.decisions.items() if d.audited
            }
    bare = {
        key: d._replace(audited=False, reason=d.reason.partition("; runs")[0]) for key, d in audited.decisions.items()
    }
    assert bare == plain.decisions
    refused = [d.audited for d in audited.decisions.values() if not d.keep and d.reason != "an objective is not finite"]
    assert 0.3 < np.mean(refused) < 0.7


def test_a_config_without_a_key_of_the_strata_is_an_error_at_once():
    with pytest.raises(ValueError, match=r"trial a has no beta in its config"):
        make(strata=("beta",)).on_trial_result(None, trial("a", gamma=1), report(10, 1, 1))


def test_a_decision_names_the_first_of_those_that_dominate():
    scheduler = make()
    for i in range(30):
        scheduler.on_trial_result(None, trial(f"t{i}"), report(10, 1, 1))
    scheduler.on_trial_result(None, trial("worse"), report(10, 2, 0))
    assert scheduler.decisions["worse", 10].dominated_by == tuple(f"t{i}" for i in range(NAMED_DOMINATORS))


@pytest.mark.slow
@pytest.mark.parametrize("kept", [True, False])
def test_the_callback_carries_the_rungs_through_the_restore_of_somebody_else_s_tuner(tmp_path, kept):
    """The best trials come first, so all others stop at the first rung, but for one that finds it forgotten."""
    command = [
        sys.executable,
        str(Path(__file__).with_name("their_tuner.py")),
        str(tmp_path),
        *(["kept"] if kept else []),
    ]
    done = subprocess.run(command + ["kept"] * kept, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    before, after = map(json.loads, done.stdout.splitlines()[-2:])
    assert before == {"9": 9, "8": 3, "7": 3}
    assert after == before | {"6": 3 if kept else 9, "5": 3, "4": 3}
