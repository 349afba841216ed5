"""A study without training: its scheduler is called as Tune would call it, on reports that are known before."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ray.tune.schedulers import TrialScheduler


class Reports(NamedTuple):
    """What a trial would report.

    Attributes:
        trial: what the scheduler sees of it, in place of Tune's: trial_id and config.
        results: in order; each has its "step", and that of the last is the trial's end.
        pace: seconds of a gradient step.
    """

    trial: Any
    results: Sequence[dict[str, Any]]
    pace: float


class End(NamedTuple):
    """A trial's last report, whether it finished or was stopped, and when it began and ended, in seconds."""

    result: dict[str, Any]
    finished: bool
    began: float
    ended: float


def rehearse(trials: Iterable[Reports], lanes: int, scheduler: TrialScheduler, final: float = 0.0) -> list[End]:
    """Start the trials in their order, each as soon as one of the lanes is free, and stop whom the scheduler stops.

    A trial that finishes keeps its lane for `final` seconds more. The ends are in the order of the last reports; of
    reports at the same time, that of the trial which started last comes first.
    """
    controller: Any = None  # Tune's, which these schedulers don't use.
    waiting, free, ends = list(trials)[::-1], [0.0] * lanes, []
    running: list[tuple[float, int, Reports, int, float]] = []  # (time of the report, order, trial, its row, began)
    while waiting or running:
        if waiting and free:
            reports, began = waiting.pop(), free.pop()
            scheduler.on_trial_add(controller, reports.trial)
            first = began + reports.pace * reports.results[0]["step"]
            heapq.heappush(running, (first, len(waiting), reports, 0, began))
            continue
        clock, order, reports, row, began = heapq.heappop(running)
        result, finished = reports.results[row], row + 1 == len(reports.results)
        if finished:
            clock += final
        elif scheduler.on_trial_result(controller, reports.trial, result) == TrialScheduler.CONTINUE:
            after = reports.pace * (reports.results[row + 1]["step"] - result["step"])
            heapq.heappush(running, (clock + after, order, reports, row + 1, began))
            continue
        ends.append(End(result, finished, began, clock))
        free.append(clock)
    return ends
