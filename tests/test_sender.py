"""What a driver sends to an object store, and in which order."""

import signal
import time

import pytest

from analysis.events import append, event
from analysis.working_copy import working_copy
from study import lease, sender
from study.directory import StudyError
from study.sender import Sender, claimed


@pytest.fixture
def location(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "SETTLE", 0.05)
    monkeypatch.setattr(sender, "EVERY", 0.05)
    return f"{bucket}/{tmp_path.name}/s"


def write(copy, step):
    append(copy.directory / "ledger.jsonl", [event("report", "a", step=step, metrics={})])


def wait_until(true):
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_in_a_folder_superseded_checkpoints_go_at_once(tmp_path):
    with working_copy(tmp_path / "s") as copy, claimed(copy, print) as sending:
        copy.folder.write("checkpoints/a/1", b"")
        copy.folder.write("study.json", b"{}")
        sending.written()
        sending.delete("checkpoints/a/1")
        assert copy.folder.names() == ["study.json"]


def test_events_are_sent_while_the_driver_works_and_what_they_supersede_goes_after_them(location):
    with working_copy(location) as copy, claimed(copy, print) as sending:
        copy.folder.write("checkpoints/a/1", b"")
        write(copy, 1)
        sending.written(at_once=True)
        sending.delete("checkpoints/a/1")
        wait_until(lambda: "checkpoints/a/1" not in copy.folder.names())
        assert copy.folder.names() == ["ledger/000000.jsonl"]
        write(copy, 2)
    assert copy.folder.read("ledger/000000.jsonl").count(b"\n") == 2  # Leaving sends the rest, and lets go.
    assert copy.folder.names() == ["ledger/000000.jsonl"]


def test_while_the_store_is_away_nothing_is_lost_and_nothing_deleted(location, monkeypatch):
    notices = []
    with working_copy(location) as copy, claimed(copy, notices.append) as sending:
        copy.folder.write("checkpoints/a/1", b"")
        real, away = copy.send_ledger, True

        def send():
            if away:
                raise OSError("no route to host")
            real()

        monkeypatch.setattr(copy, "send_ledger", send)
        write(copy, 1)
        sending.delete("checkpoints/a/1")
        wait_until(lambda: notices)
        assert copy.folder.names() == ["checkpoints/a/1"]
        away = False
    assert copy.folder.names() == ["ledger/000000.jsonl"]
    assert len(notices) == 1
    assert "no route to host" in notices[0]


def test_a_driver_that_was_taken_over_sends_nothing_more_and_ends(location, monkeypatch):
    monkeypatch.setattr(sender, "RENEW", 0.1)
    notices, killed = [], []
    monkeypatch.setattr(sender.os, "kill", lambda pid, number: killed.append(number))
    with working_copy(location) as copy, claimed(copy, notices.append):
        copy.folder.write(".lease", b'{"id": "another"}')
        wait_until(lambda: killed)
        write(copy, 1)
    assert killed == [signal.SIGINT]
    assert "Another driver has taken over" in notices[-1]
    assert copy.folder.names() == []
    assert copy.folder.read(".lease") == b'{"id": "another"}'


def test_what_holds_something_else_is_refused(location):
    with working_copy(location) as copy:
        copy.folder.write("thesis.tex", b"")
        with pytest.raises(StudyError, match=r"holds no study, but thesis\.tex"), claimed(copy, print):
            pass
    assert isinstance(Sender(copy, None, print), Sender)
