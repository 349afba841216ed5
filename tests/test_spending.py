import pytest

from analysis.spending import spending


def at(time, kind, trial_id="a", **fields):
    return {"event": kind, "time": time, "trial_id": trial_id, **fields}


def start(time, trial_id="a", resources=None, cost=None):
    return at(time, "trial_started", trial_id, resources=resources, cost_per_hour=cost)


def trial(status="finished", step=10, steps=10):
    return {"status": status, "step": step, "config": {"steps": steps}}


def test_time_counts_from_each_start_to_the_last_event_before_the_next():
    events = [
        start(0.0), at(10.0, "report"), at(12.0, "failure"),
        start(100.0), at(130.0, "report"), at(131.0, "trial_ended"),
    ]  # fmt: skip
    assert spending(events, {"a": trial()})["a"] == {
        "device_seconds": 43.0, "cost": None, "saved_device_seconds": 0.0, "saved_cost": None,
        "audit_device_seconds": 0.0,
    }  # fmt: skip


def test_a_share_of_a_gpu_is_a_share_of_its_time_and_each_attempt_has_its_price():
    events = [
        start(0.0, resources={"CPU": 1, "GPU": 0.25}, cost=0.36), at(100.0, "failure"),
        start(200.0, resources={"CPU": 2}, cost=0.036), at(300.0, "trial_ended"),
    ]  # fmt: skip
    spent = spending(events, {"a": trial()})["a"]
    assert spent["device_seconds"] == 25.0 + 200.0
    assert spent["cost"] == pytest.approx(0.01 + 0.001)


def test_stopping_saves_the_steps_that_were_not_done_at_the_trials_own_pace():
    events = [start(0.0, cost=36.0), at(20.0, "report"), at(20.0, "trial_ended")]
    spent = spending(events, {"a": trial("stopped", step=10, steps=40)})["a"]
    assert (spent["saved_device_seconds"], spent["saved_cost"]) == (60.0, pytest.approx(0.6))
    assert spending(events, {"a": trial("failed", step=10, steps=40)})["a"]["saved_device_seconds"] == 0.0
    assert spending(events[:1], {"a": trial("stopped", step=0, steps=40)})["a"]["saved_device_seconds"] == 0.0


def test_an_audit_costs_what_a_trial_takes_after_it_would_have_been_stopped():
    goes_on, stopped = {"keep": True, "audited": False}, {"keep": False, "audited": True}
    events = [
        start(0.0, resources={"CPU": 2}), at(10.0, "report"), at(10.0, "decision", **goes_on),
        at(30.0, "report"), at(31.0, "decision", **stopped), at(50.0, "failure"),
        start(100.0, resources={"CPU": 2}), at(105.0, "report"), at(106.0, "decision", **stopped),
        at(107.0, "trial_ended"),
    ]  # fmt: skip
    spent = spending(events, {"a": trial()})["a"]
    assert spent["device_seconds"] == 2 * (50 + 7)
    assert spent["audit_device_seconds"] == 2 * (19 + 7)


def test_events_of_a_trial_that_never_started_cost_nothing():
    assert spending([at(5.0, "report", "ghost")], {}) == {}
