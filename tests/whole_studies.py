"""Whole studies as a person starts them: each a process of its own, small enough for seconds of training."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from analysis.events import read_ledger
from analysis.trials import read_study

TIMEOUT = 400
# Four trials that nothing stops.
FIFO = ("--scheduler", "fifo", "--beta", "1", "8", "--seed", "0", "1", "--steps", "40", "--grace-period", "5")


def command(storage: Path, *arguments: str) -> list[str]:
    settings = ["--latent-dim", "3", "--batch-size", "16", "--score-images", "200", "--report-every", "10", *arguments]
    return [sys.executable, "-m", "study.run", "--name", "s", "--storage", str(storage), *settings]


def finish(storage: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(storage, *arguments), capture_output=True, text=True, timeout=TIMEOUT)


def start(storage: Path, *arguments: str) -> subprocess.Popen[str]:
    """A study that goes on beside the test, its output in one; in a group of its own, as a shell starts it."""
    return subprocess.Popen(
        command(storage, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_until(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        if what():
            return
        assert process.poll() is None, f"the study ended too early: {process.communicate()[0]}"
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def count(storage: Path, kind: str) -> int:
    """How many events of a kind the ledger has so far."""
    ledger = storage / "s" / "ledger.jsonl"
    return sum(e["event"] == kind for e in read_ledger(ledger)) if ledger.exists() else 0


def final_metrics(storage: Path) -> dict[str, dict[str, str]]:
    """What does not depend on the clock, at each trial's last step."""
    scores = read_study(storage / "s").scores.sort_values("step").groupby("trial_id").last()
    timed = ["images_per_second", "seconds", "scoring_seconds"]
    return scores.drop(columns=timed).astype(str).to_dict("index")


def trial_processes(driver: int) -> list[int]:
    """The processes of the trials that a driver runs on this machine."""
    listing = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [
        (int(pid), int(parent), args) for pid, parent, args in (line.split(None, 2) for line in listing.splitlines())
    ]
    found = {driver}
    for _ in rows:  # A pass finds at least one level.
        found |= {pid for pid, parent, _ in rows if parent in found}
    return [pid for pid, _, args in rows if pid in found and "ray::ImplicitFunc" in args]
