"""The ledger's file: whole events come back, whatever a crash, a full disk or another writer does to it."""

import errno
import json
import math
import multiprocessing
import os
import threading
from itertools import accumulate

import pytest
from constructed import decided, reported, started
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.events import RunDirectoryError, append, cut_torn_line, event, read_ledger
from study.progress import read_progress


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

    monkeypatch.setattr("analysis.events.os.write", full)
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


def test_a_decision_of_an_older_ledger_was_not_audited(tmp_path):
    old = {key: value for key, value in decided("a", 3).items() if key != "audited"}
    (tmp_path / "ledger.jsonl").write_text(json.dumps(old) + "\n")
    assert read_ledger(tmp_path / "ledger.jsonl")[0]["audited"] is False
