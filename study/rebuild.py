"""The report while the study runs: built again as trials reach rungs or end, by a process of its own.

The driver never waits for it, and trials hardly notice: it runs at the lowest priority, with one thread, without
traversals, and rests after each build for so long that it is at work SHARE of the time at most.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

SHARE = 0.05  # of the time that building may take
LOWEST = 19  # niceness


class Rebuild(Callback):
    """Builds the report of a running study.

    Args:
        run_directory: of the study.
        rungs: steps at which there is news; none: every report is news.
    """

    def __init__(self, run_directory: Path, rungs: Sequence[int]) -> None:
        self._run_directory, self._rungs = run_directory, set(rungs)
        self._news = False
        self._building: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._rest_until = 0.0

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a restore of its own, which this project goes without."""
        return {}

    def on_trial_result(  # noqa: D102
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        self._news |= not self._rungs or int(result["step"]) in self._rungs

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:  # noqa: D102
        self._news = True

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Begin a build where there is news and the last one is done and rested from."""
        now = time.monotonic()
        if self._building and self._building.poll() is not None:
            self._building = None
            self._rest_until = now + (now - self._began) / SHARE
        if self._news and not self._building and now >= self._rest_until:
            self._news, self._began = False, now
            self._building = _build(self._run_directory)

    def close(self) -> None:
        """Wait for a build that is under way: the final report must come after it."""
        if self._building:
            self._building.wait()
            self._building = None


def _build(run_directory: Path) -> subprocess.Popen[bytes]:
    """`python -m analysis` beside the driver; a session of its own, so that Ctrl-C does not reach it half-way."""
    command = [sys.executable, "-m", "analysis", str(run_directory), "--no-traversals"]
    null = subprocess.DEVNULL
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    process = subprocess.Popen(command, stdin=null, stdout=null, stderr=null, start_new_session=True, env=one_thread)
    os.setpriority(os.PRIO_PROCESS, process.pid, LOWEST)
    return process
