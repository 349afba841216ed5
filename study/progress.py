"""From the ledger back: what is needed to go on after a stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.events import append, cut_torn_line, event, read_ledger
from analysis.storage import Folder
from analysis.working_copy import LEDGER
from bvae.checkpoint import CheckpointError
from study.decision import Decision
from study.schedulers import RecordedScheduler
from study.standings import Filed
from study.trainable import load_checkpoint

KEPT = 2  # checkpoints of a trial: the newest, and the one before in case the newest is damaged
DECISION_FIELDS = ("keep", "rank", "front", "size", "reason", "audited")

Event = dict[str, Any]


@dataclass(frozen=True)
class Progress:
    """What a ledger says about an unfinished study.

    Attributes:
        ended: trial -> status.
        attempts: trial -> how often it started.
        checkpoints: trial -> {step: name in the run directory}, those kept of trials that did not end.
        packs: trial -> the pack in which it has trained, by name.
        events: all of them.
    """

    ended: dict[str, str]
    attempts: dict[str, int]
    packs: dict[str, str]
    checkpoints: dict[str, dict[int, str]]
    events: list[Event]


def read_progress(run_directory: Path, steps: int) -> Progress:
    """Read a ledger to go on from it, and mend its end."""
    ledger = run_directory / LEDGER
    events = []
    if ledger.exists():  # A crash may come before the first event.
        events = read_ledger(ledger)
        cut_torn_line(ledger)
    checkpoints: dict[str, dict[int, str]] = {}
    ended: dict[str, str] = {}
    attempts: dict[str, int] = {}
    packs: dict[str, str] = {}
    refused: set[str] = set()
    last: dict[str, Event] = {}
    for e in events:
        name = e["trial_id"]
        if e["event"] == "trial_started":
            attempts[name] = attempts.get(name, 0) + 1
            packs[name] = e["pack"] or name
        elif e["event"] == "report":
            last[name] = e
        elif e["event"] == "checkpoint":
            checkpoints.setdefault(name, {})[e["step"]] = e["path"]
        elif e["event"] == "decision" and not e["keep"] and not e["audited"]:
            refused.add(name)
        elif e["event"] == "trial_ended":
            ended[name] = e["status"]
    closing = []
    for (
        name,
        report,
    ) in last.items():  # A crash may come between the report that ends a trial and the line that says so.
        over = report["step"] >= steps or report["metrics"].get("diverged") or name in refused
        if over and name not in ended:
            ended[name] = ending(report, steps)
            closing.append(event("trial_ended", name, step=report["step"], status=ended[name]))
    append(ledger, closing)
    unfinished = {
        name: {step: found[step] for step in sorted(found)[-KEPT:]}
        for name, found in checkpoints.items()
        if name not in ended
    }
    return Progress(ended, attempts, packs, unfinished, events + closing)


def resume_points(
    folder: Folder, progress: Progress, packs: Iterable[Sequence[str]], notice: Callable[[str], None]
) -> dict[str, tuple[int, str]]:
    """Where the trials of these packs go on: trial -> (step, checkpoint). Those with none start anew."""
    points: dict[str, tuple[int, str]] = {}
    for pack in packs:
        points |= newest_whole(folder, {name: progress.checkpoints.get(name, {}) for name in pack}, notice)
    return points


def newest_whole(
    folder: Folder, checkpoints: Mapping[str, Mapping[int, str]], notice: Callable[[str], None]
) -> dict[str, tuple[int, str]]:
    """The newest step of which every trial of a pack has a checkpoint that can be read: trial -> (step, checkpoint).

    A damaged one is passed over with a notice; where no step is left, nothing is given.
    """
    for step in sorted(set[int].intersection(*(set(found) for found in checkpoints.values())), reverse=True):
        try:
            for found in checkpoints.values():
                load_checkpoint(folder, found[step])
            return {name: (step, found[step]) for name, found in checkpoints.items()}
        except CheckpointError as error:
            notice(f"{next(iter(checkpoints))}: {error}; going on from the one before")
    return {}


def restore_decisions(scheduler: RecordedScheduler, events: Sequence[Event]) -> None:
    """Fill a new scheduler's rungs with what the ledger says was decided, in the same order."""
    configs: dict[str, dict[str, Any]] = {}
    packs: dict[str, str] = {}
    reports: dict[tuple[str, int], Event] = {}
    for e in events:
        name = e["trial_id"]
        if e["event"] == "trial_started":
            configs[name], packs[name] = e["config"], e["pack"] or name
        elif e["event"] == "report":
            reports[name, e["step"]] = e
        elif e["event"] == "decision" and (name, e["step"]) in reports:
            metrics = e["judged"] or reports[name, e["step"]]["metrics"]
            values = tuple(float("nan") if metrics[key] is None else metrics[key] for key in scheduler.objectives)
            made = {key: e[key] for key in DECISION_FIELDS}
            decision = Decision(**made, dominated_by=tuple(e["dominated_by"]))
            pack = packs.get(name) or name
            scheduler.restore_filed(Filed(pack, configs.get(name, {}), e["rung"], values, decision))


def ending(last_report: Event, steps: int) -> str:
    """How a trial that ended without an error ended."""
    if last_report["metrics"].get("diverged"):
        return "diverged"
    return "finished" if last_report["step"] >= steps else "stopped"
