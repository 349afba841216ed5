"""Sends what the driver writes to where the study is kept, beside the driver's own work."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from analysis.working_copy import AT_ONCE, WorkingCopy
from study.directory import StudyError, held
from study.lease import RENEW, Lease

EVERY = 5.0  # seconds after which events have been sent; decisions and ends go at once
LAST_TRY = 60.0  # seconds in which the last events are tried to be sent


class Sender:
    """A thread that sends the ledger, then deletes the checkpoints that it no longer needs, and renews the lease.

    The order matters: what is deleted is superseded by the ledger as others can read it. For a study in a folder there
    is nothing to send: files are deleted at once.

    Args:
        copy: the run directory.
        lease: of an object store; None for a folder.
        notice: tells a person that sending fails, once for each time it begins to.
    """

    def __init__(self, copy: WorkingCopy, lease: Lease | None, notice: Callable[[str], None]) -> None:
        self._copy, self._lease, self._notice = copy, lease, notice
        self._superseded: list[str] = []
        self._wake, self._closing = threading.Event(), threading.Event()
        self._renewed = time.monotonic()
        self._failing, self._lost = False, False
        self._thread = threading.Thread(target=self._work, name="sender", daemon=True)

    def __enter__(self) -> Sender:
        if self._lease:
            self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if not self._lease:
            return
        self._closing.set()
        self._wake.set()
        self._thread.join()
        deadline = time.monotonic() + LAST_TRY
        while not self._send() and time.monotonic() < deadline:
            time.sleep(EVERY)

    def written(self, at_once: bool = False) -> None:
        """Say that the ledger has more events."""
        if at_once:
            self._wake.set()

    def delete(self, name: str) -> None:
        """Delete a checkpoint that the ledger names newer ones for."""
        if self._lease:
            self._superseded.append(name)
        else:
            self._copy.folder.delete(name)

    def _work(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(EVERY)
            self._wake.clear()
            self._send()

    def _send(self) -> bool:
        """Whether all could be sent."""
        assert self._lease
        try:
            if self._lost or not self._still_ours():
                return True
            superseded = len(self._superseded)
            self._copy.send_ledger()
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(self._copy.folder.delete, self._superseded[:superseded]))
            del self._superseded[:superseded]
        except OSError as error:
            if not self._failing:
                self._notice(f"{self._copy.folder.location}: {error}; trying again while the study goes on.")
            self._failing = True
            return False
        self._failing = False
        return True

    def _still_ours(self) -> bool:
        if time.monotonic() - self._renewed > RENEW:
            assert self._lease
            if not self._lease.held():
                self._lost = True
                self._notice(f"Another driver has taken over the study in {self._copy.folder.location}; this one ends.")
                os.kill(os.getpid(), signal.SIGINT)
                return False
            self._lease.renew()
            self._renewed = time.monotonic()
        return True


@contextmanager
def claimed(copy: WorkingCopy, notice: Callable[[str], None]) -> Iterator[Sender]:
    """Hold a run directory for this driver, have all of it at hand, and send what is written until the end.

    Raises:
        StudyError: another driver is at work in it, it can't be used, or it holds something else.
    """
    if not copy.folder.remote:
        with held(copy.directory):
            yield Sender(copy, None, notice)
        return
    lease = Lease(copy.folder, notice)
    try:
        copy.fetch_all()
        if not (copy.directory / "study.json").exists() and (others := copy.folder.names()):
            raise StudyError(f"{copy.folder.location} holds no study, but {others[0]}; choose another --name")
        with Sender(copy, lease, notice) as sender:
            yield sender
    finally:
        lease.release()
