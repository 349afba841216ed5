import io

import pytest
from rich.console import Console

from analysis.events import event
from bvae.config import TrialConfig
from study import live
from study.live import View, duration

OBJECTIVES = {"reconstruction": "min", "mig": "max"}
PLAN = {f"t{i}": TrialConfig(beta=beta, steps=900) for i, beta in enumerate((0.001234, 4, 16, 100000))}


def events(trial, step, reconstruction, mig):
    metrics = {"reconstruction": reconstruction, "kl": 9.5, "mig": mig, "images_per_second": 612.3}
    started = event("trial_started", trial, attempt=1, config={}, device="cpu", node="here", resumed_step=0)
    return [started, event("report", trial, step=step, metrics=metrics)]


def view(width=80, terminal=False, plan=PLAN):
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)
    return View("s", plan, [100, 300], 3, OBJECTIVES, console)


def shown(view):
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(view.render())
    return console.file.getvalue()


def test_the_live_view_counts_ranks_and_fits_80_columns():
    v = view()
    v.show([*events("t0", 300, 120.25, 0.1), *events("t1", 100, 130, 0.05), *events("t2", 100, 140, 0.2)])
    v.show([event("trial_ended", "t1", step=100, status="stopped")])
    text = shown(v)
    assert "1 waiting · 2 running · 1 stopped · 0 finished" in text
    running, front = text.split("front so far")
    assert "4 trials of up to 900 steps" in running
    assert "β 0.001234" in running
    assert "2/2" in running
    assert "120.25" in running
    assert "612" in running
    # t1 is dominated by t0; t0 and t2 are not comparable.
    assert "β 0.001234" in front
    assert "β 16" in front
    assert "β 4" not in front
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text


def test_trials_that_differ_in_another_setting_are_told_apart():
    settings = [(precision, rate) for precision in ("float32", "bf16") for rate in (0.001, 0.0001)]
    configs = [TrialConfig(beta=4, steps=900, precision=precision, learning_rate=rate) for precision, rate in settings]
    v = view(width=200, plan={f"t{i}": config for i, config in enumerate(configs)})
    v.show([*events("t0", 300, 120.25, 0.1), *events("t3", 100, 130, 0.2)])
    for name in ("β 4 learning_rate 0.001 float32 ", "β 4 learning_rate 0.0001 bf16 "):
        assert name in v.console.file.getvalue()
        assert name in shown(v)
    assert max(map(len, shown(v).splitlines())) <= 80
    assert "…" not in shown(v)


def test_lines_are_printed_where_there_is_no_terminal():
    v = view(width=200)
    decision = {"rank": 1, "front": 1, "size": 3, "dominated_by": ["t1"]}
    v.show(events("t0", 100, float("nan"), 0.1))
    v.show([event("decision", "t0", step=100, rung=100, keep=False, reason="because", **decision)])
    v.show([event("decision", "t0", step=100, rung=100, keep=False, reason="so", audited=True, **decision)])
    v.show([event("failure", "t1", step=0, attempt=2, error="Traceback\nValueError: bad")])
    v.show([event("checkpoint", "t0", step=100, path="x"), event("trial_ended", "t0", step=100, status="stopped")])
    lines = v.console.file.getvalue().splitlines()
    assert [line.split("  ", 1)[1].split("  ")[-1].strip() for line in lines] == [
        "started on cpu",
        "mig 0.10",
        "stops: because",
        "goes on: so",
        "failed (attempt 2): ValueError: bad",
        "stopped",
    ]
    assert "reconstruction –" in lines[1]


def test_the_time_left_comes_from_the_steps_done_in_this_run(monkeypatch):
    clock = iter([0.0, 100.0, 100.0])
    monkeypatch.setattr(live.time, "monotonic", lambda: next(clock, 100.0))
    v = view()
    assert v.seconds_left() is None
    v.replay(events("t0", 300, 100, 0.1))  # of an earlier run
    assert v.trials["t0"].status == "waiting"
    v.show(events("t1", 100, 100, 0.1))
    fresh = 100 + 200 / 3 + 600 / 9
    expected = 600 + (200 + 600 / 3) + 2 * fresh  # t0 from its last rung, t1 from the first, two that have not started
    assert v.seconds_left() == pytest.approx(expected)  # 100 steps took 100 s


def test_unknown_trials_are_ignored():
    v = view()
    v.show(events("stranger", 100, 100, 0.1))
    assert v.console.file.getvalue() == ""


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (125, "2:05"), (3725, "1:02:05")])
def test_durations(seconds, text):
    assert duration(seconds) == text
