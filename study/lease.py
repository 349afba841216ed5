"""One driver at a time for a study on an object store, where there are no locks.

The driver at work keeps an object there that says who it is, and changes it every few seconds. Another one that finds
the object waits whether it changes: if it does, the study is taken; if not, its driver is dead and the newcomer takes
over. A driver that died on this very machine is known to be dead at once.

What is guaranteed: no clock is compared between machines, and a driver that finds it has been taken over (after it was
cut off for longer than PATIENCE) sends nothing any more. What is not: a driver may for up to RENEW seconds not know
that it has been taken over, and of two that start at the same moment both go on for as long, where a write takes more
than SETTLE seconds to be seen. Trials that it still runs then write the same checkpoints as those of the new driver
would: nothing is mixed up, but work is done twice.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from analysis.storage import Folder
from study.directory import StudyError

NAME = ".lease"
RENEW = 10.0  # seconds between changes
PATIENCE = 45.0  # seconds without a change after which a driver counts as dead
SETTLE = 1.0  # seconds in which two that start at once would both have written


class Lease:
    """A claim on a run directory on an object store.

    Raises:
        StudyError: another driver is at work there, or it can't be written.
    """

    def __init__(self, folder: Folder, notice: Callable[[str], None], patience: float = PATIENCE) -> None:
        self._folder = folder
        self._me = {"id": secrets.token_hex(8), "host": socket.gethostname(), "boot": _boot(), "pid": os.getpid()}
        self._beats = 0
        try:
            if (other := self._read()) and not _died_here(other):
                notice(f"Waiting up to {patience:.0f} s to see whether another driver is at work on {folder.location}.")
                self._await_silence(other, patience)
            self.renew()
            time.sleep(SETTLE)
            if not self.held():
                raise StudyError(f"another process has just begun to run the study in {folder.location}")
        except OSError as error:
            raise StudyError(
                f"{folder.location} can't be used ({error}); check the bucket's name and your access, or choose "
                "another --storage"
            ) from None

    def renew(self) -> None:
        """Show that this driver is alive."""
        self._beats += 1
        self._folder.write(NAME, json.dumps(self._me | {"beat": self._beats}).encode())

    def held(self) -> bool:
        """Whether nobody has taken over."""
        return (self._read() or {}).get("id") == self._me["id"]

    def release(self) -> None:
        """Let the next one in; where the store can't be reached, it waits out PATIENCE instead."""
        with suppress(OSError):
            if self.held():
                self._folder.delete(NAME)

    def _await_silence(self, first: dict[str, Any], patience: float) -> None:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            time.sleep(min(1.0, patience / 10))
            if (now := self._read()) is None:
                return
            if now != first:
                raise StudyError(
                    f"another process (on {now.get('host')}, process {now.get('pid')}) is running the study in "
                    f"{self._folder.location}; wait for it or stop it"
                )

    def _read(self) -> dict[str, Any] | None:
        try:
            return dict(json.loads(self._folder.read(NAME)))
        except FileNotFoundError:
            return None
        except ValueError:
            return {}


def _died_here(other: dict[str, Any]) -> bool:
    """Whether a driver ran on this machine and no longer does."""
    if other.get("host") != socket.gethostname() or other.get("boot") != _boot():
        return False
    try:
        os.kill(int(other["pid"]), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, KeyError, ValueError):
        pass
    return False


def _boot() -> str:
    """What tells this start of this machine, and this container on it, from others."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as boot:
            return f"{boot.read().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return secrets.token_hex(8)  # Unknown: like nobody else's.
