"""The rehearsal of a study: what its scheduler would stop, and how long the rest takes."""

from dataclasses import replace

import pytest

from study import speed
from study.estimate import rehearsed
from study.schedulers import make_scheduler
from study.space import Settings, plan

SETTINGS = Settings(beta=(1.0, 2.0, 4.0, 8.0), latent_dim=(4, 6), steps=900, grace_period=100)  # 24 trials
OBJECTIVES = {"reconstruction": "min", "mig": "max"}


def of(lanes=2, **changes):
    settings = replace(SETTINGS, **changes)
    return rehearsed(make_scheduler(settings, OBJECTIVES), plan(settings), lanes, step=0.01, final=3.0)


@pytest.mark.parametrize(("lanes", "rounds"), [(1, 24), (5, 5), (24, 1), (100, 1)])
def test_without_stopping_each_lane_takes_one_trial_after_the_other(lanes, rounds):
    ended, seconds = of(lanes, scheduler="fifo")
    assert ended == 24
    assert seconds == pytest.approx(rounds * 12)


def test_the_first_trials_of_a_rung_are_judged_by_nobody():
    assert of(lanes=2, beta=(1.0,), latent_dim=(4,), seed=(0, 1))[0] == 2


def test_stopping_is_that_of_the_schedulers_own_options():
    ended, seconds = of()
    assert 2 <= ended < 12
    assert 24 * 1.0 / 2 < seconds < 12 * 12  # between the first rung's cost and everything
    audited, longer = of(audit=1.0)
    assert audited == 24
    assert longer == pytest.approx(12 * 12)
    assert of(stop="soft")[0] >= 8  # one of each cell
    assert ended < of(brackets=2)[0]
    assert 2 <= of(scheduler="asha", metric="mig")[0] < 12


def test_it_says_the_same_each_time():
    assert of(brackets=2) == of(brackets=2)


WITHOUT, WITH = "model name : Old\nflags : fpu avx512_bf16\n", "model name : New\nflags : fpu amx_bf16 amx_tile\n"
SLOW, FAST = "precision is bf16, but this CPU has no AMX", "This CPU has AMX: with --precision bf16"


@pytest.mark.parametrize(
    ("cpuinfo", "precision", "plan", "says"),
    [
        (WITHOUT, ("float32", "bf16"), False, SLOW),
        (WITHOUT, ("float32", "bf16"), True, SLOW),
        (WITHOUT, ("float32",), True, None),
        (WITH, ("bf16",), True, None),
        (WITH, ("float32",), True, FAST),
        (WITH, ("float32",), False, None),
        ("Features : fp asimd bf16\n", ("bf16",), True, None),
        (None, ("bf16",), True, None),
    ],
)
def test_what_this_cpu_makes_of_bf16_is_said(monkeypatch, tmp_path, cpuinfo, precision, plan, says):
    if cpuinfo:
        (tmp_path / "cpuinfo").write_text(cpuinfo)
    monkeypatch.setattr(speed, "CPUINFO", tmp_path / "cpuinfo")
    note = speed.bf16_note(Settings(precision=precision), plan)
    assert note is None if says is None else note.startswith(says)
