import json
import os
import threading

import pytest

from analysis.storage import Folder
from study import lease as module
from study.directory import StudyError
from study.lease import Lease


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder serves: a lease asks no more of it than an object store gives."""
    monkeypatch.setattr(module, "SETTLE", 0.05)
    return Folder(tmp_path)


def claim(folder, patience=0.3):
    return Lease(folder, notices.append, patience)


notices: list[str] = []


def stranger(folder, **changes):
    """A claim of a driver on another machine."""
    folder.write(".lease", json.dumps({"id": "x", "host": "elsewhere", "boot": "1", "pid": 7, **changes}).encode())


def test_a_lease_is_held_until_it_is_released(folder):
    lease = claim(folder)
    assert lease.held()
    lease.release()
    assert not lease.held()
    claim(folder)


def test_a_driver_that_is_alive_keeps_others_out(folder):
    first, stop = claim(folder), threading.Event()

    def beat():
        while not stop.wait(0.02):
            first.renew()

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(StudyError, match=rf"process {os.getpid()}\) is running the study"):
            claim(folder, patience=5.0)
    finally:
        stop.set()
        thread.join()
    assert first.held()


def test_a_driver_that_died_elsewhere_is_waited_for_then_taken_over(folder):
    stranger(folder)
    lease = claim(folder)
    assert "Waiting up to" in notices[-1]
    assert lease.held()


def test_a_driver_that_died_here_is_not_waited_for(folder):
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    mine = json.loads(claim(folder) and folder.read(".lease"))
    folder.write(".lease", json.dumps(mine | {"id": "y", "pid": child}).encode())
    notices.clear()
    assert claim(folder, patience=60.0).held()
    assert notices == []


def test_who_was_taken_over_notices_and_does_not_release(folder):
    first = claim(folder)
    stranger(folder)
    assert not first.held()
    first.release()
    assert json.loads(folder.read(".lease"))["id"] == "x"


def test_of_two_that_start_at_once_one_goes_on(folder, monkeypatch):
    monkeypatch.setattr(module.time, "sleep", lambda seconds: stranger(folder))
    with pytest.raises(StudyError, match="has just begun"):
        claim(folder)


def test_a_damaged_lease_is_waited_for_like_a_strangers(folder):
    folder.write(".lease", b"{")
    assert claim(folder).held()


def test_a_store_that_is_gone_at_the_end_is_no_error(folder, monkeypatch):
    lease = claim(folder)

    def gone(name):
        raise OSError("no route to the store")

    with monkeypatch.context() as away:
        away.setattr(folder, "read", gone)
        lease.release()
    assert lease.held()  # Whoever comes next waits until it counts as dead.
