import errno
import json
import math
import multiprocessing
import os
import threading
from itertools import accumulate
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.storage import Folder
from analysis.trials import RunDirectoryError, append, cut_torn_line, event, read_ledger, read_study, write_scores
from bvae import checkpoint
from bvae.config import TrialConfig
from bvae.training import train
from study.pareto_asha import ParetoASHA
from study.progress import newest_whole, read_progress, restore_decisions

CONFIG = {"beta": 1.0, "latent_dim": 4, "seed": 0}


def started(name, attempt=1):
    return event("trial_started", name, attempt=attempt, config=CONFIG, device="cpu", node="here", resumed_step=0)


def reported(name, step, reconstruction=50.0, mig=0.1, **more):
    return event("report", name, step=step, metrics={"reconstruction": reconstruction, "mig": mig, **more})


def decided(name, step, keep=True):
    return event(
        "decision", name, step=step, rung=step, keep=keep, rank=0, front=0, size=1, reason="because", dominated_by=[]
    )  # fmt: skip


def test_events_come_back_in_order_and_nan_is_null(tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    append(ledger, [started("a"), reported("a", 1, math.nan, kl_per_latent=[1.0, math.inf])])
    append(ledger, [])
    append(ledger, [reported("a", 2)])
    events = read_ledger(ledger)
    assert [(e["event"], e.get("step")) for e in events] == [("trial_started", None), ("report", 1), ("report", 2)]
    assert events[1]["metrics"] == {"reconstruction": None, "mig": 0.1, "kl_per_latent": [1.0, None]}
    for line in ledger.read_text().splitlines():
        json.loads(line, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))


def test_fields_are_checked_when_an_event_is_made():
    with pytest.raises(ValueError, match="report event has the fields"):
        event("report", "a", step=1)


def test_a_torn_last_line_is_dropped_with_a_notice_and_appending_goes_on(tmp_path, caplog):
    ledger = tmp_path / "ledger.jsonl"
    append(ledger, [started("a"), reported("a", 1)])
    ledger.write_bytes(ledger.read_bytes()[:-20])
    assert [e["event"] for e in read_ledger(ledger)] == ["trial_started"]
    assert "line 2 is left out: the last line is torn" in caplog.text
    append(ledger, [reported("a", 2)])
    assert [(e["event"], e.get("step")) for e in read_ledger(ledger)] == [("trial_started", None), ("report", 2)]


def test_garbage_in_the_middle_is_left_out_with_a_notice(tmp_path, caplog):
    ledger = tmp_path / "ledger.jsonl"
    append(ledger, [started("a")])
    with open(ledger, "ab") as file:
        file.write(b"\x00\xff garbage\n[1]\n{}\n")
    append(ledger, [reported("a", 1)])
    assert [e["event"] for e in read_ledger(ledger)] == ["trial_started", "report"]
    assert len(caplog.messages) == 3


@pytest.mark.parametrize("newer", [started("a") | {"schema": 99}, {"schema": 99, "event": "something else"}])
def test_a_newer_schema_is_refused(tmp_path, newer):
    (tmp_path / "ledger.jsonl").write_text(json.dumps(newer) + "\n")
    with pytest.raises(RunDirectoryError, match="schema 99"):
        read_ledger(tmp_path / "ledger.jsonl")


names = st.text(min_size=1, max_size=8)
numbers = st.one_of(st.floats(), st.integers(-(10**9), 10**9))
some_events = st.lists(
    st.one_of(
        st.builds(started, names),
        st.builds(lambda name, step, value: reported(name, step, value, more=[value]), names, st.integers(1), numbers),
        st.builds(lambda name, text: event("failure", name, step=1, attempt=1, error=text), names, st.text()),
    ).map(lambda e: e | {"time": 0.0}),  # The length of a line must not depend on the clock.
    min_size=1,
    max_size=6,
)


@settings(deadline=None)
@given(some_events, some_events, st.data())
def test_whatever_byte_a_crash_cuts_at_every_whole_event_survives(tmp_path_factory, before, after, data):
    ledger = tmp_path_factory.mktemp("cut") / "ledger.jsonl"
    append(ledger, before)
    content, events = ledger.read_bytes(), read_ledger(ledger)
    assert len(events) == len(before)
    cut = data.draw(st.integers(0, len(content)))
    ledger.write_bytes(content[:cut])
    # A line that lacks nothing but its end is whole.
    ends = [len(line) for line in accumulate(content.splitlines(keepends=True))]
    survivors = events[: sum(end - 1 <= cut for end in ends)]
    assert read_ledger(ledger) == survivors
    if data.draw(st.booleans()):
        cut_torn_line(ledger)
        assert read_ledger(ledger) == survivors
    append(ledger, after)
    assert read_ledger(ledger)[: len(survivors)] == survivors
    assert len(read_ledger(ledger)) == len(survivors) + len(after)


@settings(deadline=None)
@given(some_events, st.binary(max_size=60), st.data())
def test_of_a_ledger_with_a_damaged_line_only_that_line_is_lost(tmp_path_factory, events, garbage, data):
    ledger = tmp_path_factory.mktemp("damaged") / "ledger.jsonl"
    append(ledger, events)
    lines, whole = ledger.read_bytes().splitlines(), read_ledger(ledger)
    damaged = data.draw(st.integers(0, len(lines) - 1))
    lines[damaged] = garbage
    ledger.write_bytes(b"\n".join(lines) + b"\n")
    assert read_ledger(ledger) == whole[:damaged] + whole[damaged + 1 :]


def test_a_torn_last_line_is_cut_off_once_and_a_whole_one_is_not(tmp_path, caplog):
    ledger = tmp_path / "ledger.jsonl"
    append(ledger, [started("a"), reported("a", 1)])
    content = ledger.read_bytes()
    for rest in (content, content[:-1]):
        ledger.write_bytes(rest)
        cut_torn_line(ledger)
        assert ledger.read_bytes() == rest
    ledger.write_bytes(content + b'{"schema":1,"ev')
    assert len(read_progress(tmp_path, 10).events) == 2
    assert "torn" in caplog.text
    assert ledger.read_bytes() == content


def test_a_full_disk_takes_no_part_of_a_line(tmp_path, monkeypatch):
    ledger, write = tmp_path / "ledger.jsonl", os.write
    append(ledger, [started("a")])
    before = ledger.read_bytes()

    def full(descriptor, data):
        if len(data) < 100:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data[:50])

    monkeypatch.setattr("analysis.trials.os.write", full)
    with pytest.raises(OSError, match="No space left"):
        append(ledger, [reported("a", 1)])
    assert ledger.read_bytes() == before


def test_it_can_be_read_while_it_is_written(tmp_path, caplog):
    ledger = tmp_path / "ledger.jsonl"
    append(ledger, [started("a")])
    writer = threading.Thread(target=_append_many, args=(ledger, "a"))
    writer.start()
    seen = []
    while writer.is_alive():
        seen.append(len(read_ledger(ledger)))
    writer.join()
    assert seen == sorted(seen)
    assert len(set(seen)) > 1
    assert len(read_ledger(ledger)) == 201
    assert caplog.messages == []


def _append_many(path, name):
    for step in range(200):
        append(path, [reported(name, step)])


def test_lines_of_two_writers_stay_whole(tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append_many, args=(ledger, name)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    events = read_ledger(ledger)
    assert sorted((e["trial_id"], e["step"]) for e in events) == [(name, step) for name in "ab" for step in range(200)]


@pytest.fixture
def run_directory(tmp_path):
    (tmp_path / "study.json").write_text(json.dumps({"name": "s", "schema": 1}))
    events = [
        started("a"), reported("a", 1, 90), started("b"), reported("b", 1, 80), decided("b", 1, keep=False),
        event("trial_ended", "b", step=1, status="stopped"),
        event("failure", "a", step=1, attempt=1, error="it died"), started("a", 2), reported("a", 1, 91), reported("a",
        2, 70), event("checkpoint", "a", step=2, path="tune/a"),
    ]  # fmt: skip
    append(tmp_path / "ledger.jsonl", events)
    return tmp_path


def test_a_study_is_read_as_tables(run_directory):
    study = read_study(run_directory)
    trials = study.trials.set_index("trial_id")
    assert trials.loc["a", ["status", "step", "attempts", "error", "checkpoint"]].tolist() == [
        "unfinished",
        2,
        2,
        "it died",
        "tune/a",
    ]
    assert trials.loc["b", "status"] == "stopped"
    # A step that was reported twice counts once, with its last values.
    assert study.scores[["trial_id", "step", "reconstruction"]].values.tolist() == [
        ["a", 1, 91],
        ["a", 2, 70],
        ["b", 1, 80],
    ]
    assert study.decisions["keep"].tolist() == [False]


def test_the_score_table_keeps_values_and_units(run_directory):
    import pyarrow.parquet as pq

    write_scores(read_study(run_directory), run_directory / "scores.parquet")
    table = pq.read_table(run_directory / "scores.parquet")
    assert table["reconstruction"].to_pylist() == [91, 70, 80]
    assert table.schema.field("reconstruction").metadata[b"unit"] == b"nats per image"
    assert not list(run_directory.glob(".*"))


def test_what_is_no_run_directory_is_one_clear_sentence(tmp_path):
    with pytest.raises(RunDirectoryError, match=r"no study\.json"):
        read_study(tmp_path)
    (tmp_path / "study.json").write_text("{")
    with pytest.raises(RunDirectoryError, match="can't be read"):
        read_study(tmp_path)


def test_a_crash_between_the_last_report_and_its_end_is_closed(tmp_path):
    append(tmp_path / "ledger.jsonl", [started("a"), reported("a", 10), started("b"), reported("b", 3), decided("b", 3,
    False),
                                       started("c"), reported("c", 3, None, diverged=True), started("d"), reported("d",
                                       3)])  # fmt: skip
    progress = read_progress(tmp_path, 10)
    assert progress.ended == {"a": "finished", "b": "stopped", "c": "diverged"}
    assert read_progress(tmp_path, 10).ended == progress.ended
    assert sum(e["event"] == "trial_ended" for e in read_ledger(tmp_path / "ledger.jsonl")) == 3


def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_says_so(tmp_path, small_store):
    config = TrialConfig(architecture="burgess", steps=3, batch_size=4)
    append(tmp_path / "ledger.jsonl", [started("a")])
    for report in train(config, small_store, [1, 2, 3]):
        path = tmp_path / f"{report.step}.safetensors"
        checkpoint.save(path, report.checkpoint())
        append(
            tmp_path / "ledger.jsonl",
            [reported("a", report.step), event("checkpoint", "a", step=report.step, path=path.name)],
        )
    folder, kept, notices = Folder(tmp_path), read_progress(tmp_path, 10).checkpoints["a"], []
    assert kept == {2: "2.safetensors", 3: "3.safetensors"}
    assert newest_whole(folder, "a", kept, notices.append) == (3, "3.safetensors")
    assert notices == []
    (tmp_path / "3.safetensors").write_bytes((tmp_path / "3.safetensors").read_bytes()[:1000])
    assert newest_whole(folder, "a", kept, notices.append) == (2, "2.safetensors")
    assert len(notices) == 1
    assert "3.safetensors" in notices[0]
    (tmp_path / "2.safetensors").unlink()
    assert newest_whole(folder, "a", kept, notices.append) is None


def test_rungs_come_back_from_the_ledger(tmp_path):
    """Into a scheduler with strata, cells and an audit, which need the config of each trial."""
    scheduler, restored = (
        ParetoASHA(max_t=90, grace_period=10, strata=("seed",), cells=("beta",), soft_until=20, audit=0.5)
        for _ in range(2)
    )
    generator, events = np.random.default_rng(0), []
    for i in range(40):
        name, config = f"t{i}", {"beta": float(i % 3), "seed": i % 2}
        values = {"reconstruction": generator.normal(), "mig": math.nan if i % 9 == 8 else generator.normal()}
        scheduler.on_trial_result(None, SimpleNamespace(trial_id=name, config=config), {"step": 10, **values})
        fields = scheduler.decisions[name, 10]._asdict()
        events += [started(name) | {"config": config}, reported(name, 10, **values)]
        events.append(event("decision", name, step=10, rung=10, **fields))
    append(tmp_path / "ledger.jsonl", events)
    restore_decisions(restored, read_ledger(tmp_path / "ledger.jsonl"))
    assert restored.decisions == scheduler.decisions
    assert {d.audited for d in restored.decisions.values() if not d.keep} == {True, False}
    newcomer = SimpleNamespace(trial_id="new", config={"beta": 1.0, "seed": 0})
    for one in (scheduler, restored):
        one.on_trial_result(None, newcomer, {"step": 10, "reconstruction": 0.0, "mig": 0.0})
    assert restored.decisions == scheduler.decisions


def test_an_audited_trial_is_not_taken_for_stopped(tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    append(ledger, [started("a"), reported("a", 3), decided("a", 3, keep=False) | {"audited": True}])
    append(ledger, [started("b"), reported("b", 3), decided("b", 3, keep=False)])
    assert read_progress(tmp_path, 10).ended == {"b": "stopped"}


def test_a_decision_of_an_older_ledger_was_not_audited(tmp_path):
    old = {key: value for key, value in decided("a", 3).items() if key != "audited"}
    (tmp_path / "ledger.jsonl").write_text(json.dumps(old) + "\n")
    assert read_ledger(tmp_path / "ledger.jsonl")[0]["audited"] is False
