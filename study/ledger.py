"""From Tune to the ledger: events as they happen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray.exceptions import RayError
from ray.tune import Callback
from ray.tune.experiment import Trial

from analysis.events import append, event
from analysis.storage import StorageFailedError, on_storage
from analysis.working_copy import LEDGER, WorkingCopy
from study.lanes import Lanes
from study.live import View
from study.packs import members_of, with_members
from study.progress import DECISION_FIELDS, KEPT, Event, Progress, ending, newest_whole
from study.schedulers import RecordedScheduler, name_of
from study.sender import Sender

# What Ray says of an actor whose machine is gone: as soon as it can't be reached, and once it is known to be dead.
MACHINE_LOST = ("is temporarily unavailable", "its node has died")
MOST_LOST = 20  # machines under one trial: a trial that takes each machine down with it ends, too

# What Tune adds to every report.
# fmt: off
TUNE_KEYS = {
    "timestamp", "checkpoint_dir_name", "done", "training_iteration", "trial_id", "date",
    "time_this_iter_s", "time_total_s", "pid", "hostname", "node_ip",
    "config", "time_since_restore", "iterations_since_restore", "should_checkpoint", "experiment_tag",
}
# fmt: on


class LedgerCallback(Callback):
    """Writes what happens to the ledger, shows the same events in the live view, and gives trials that died another go.

    A report, the decision on it and its checkpoint are written at once: after a crash they are all there or all
    missing. Checkpoints are deleted only after the ledger names newer ones.

    When the storage fails, here or for a trial, nothing more is written and the run of Tune ends with
    StorageFailedError: in the ledger the trials that ran are unfinished, and none has failed.

    Args:
        copy: the run directory.
        sender: told of what is written.
        scheduler: whose decisions to write down.
        view: where to show.
        lanes: where the trials come from, and where those that died go back to.
        max_failures: how often a trial may die and be started again.
        progress: what earlier runs did.
        resume: trial -> (step, checkpoint) that it goes on from.
    """

    def __init__(
        self,
        copy: WorkingCopy,
        sender: Sender,
        scheduler: RecordedScheduler | None,
        view: View,
        lanes: Lanes,
        max_failures: int,
        progress: Progress | None = None,
        resume: Mapping[str, tuple[int, str]] | None = None,
    ) -> None:
        self._copy, self._sender = copy, sender
        self._scheduler = scheduler
        self._view = view
        self._lanes = lanes
        self._max_failures = max_failures
        self._attempts = dict(progress.attempts) if progress else {}
        self._checkpoints = {name: dict(found) for name, found in progress.checkpoints.items()} if progress else {}
        self._resume = dict(resume or {})
        self._failures: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._last: dict[str, Event] = {}
        self._warned = False
        self._broken: StorageFailedError | None = None
        self._decided = set(scheduler.decisions) if scheduler else set()

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a restore of its own, which this project goes without."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:  # noqa: D102
        assignment, lane = trial.config["assignment"], self._lanes.lane(trial.config["lane"])
        members = members_of(assignment)
        share = 1 / len(members)
        events = []
        for member in members:
            name = member["trial_id"]
            self._attempts[name] = self._attempts.get(name, 0) + 1
            events.append(
                event(
                    "trial_started",
                    name,
                    attempt=self._attempts[name],
                    config=member["trial"],
                    device="cuda" if lane.gpus else "cpu",
                    node=_node_of(trial),
                    resumed_step=self._resume.get(name, (0, None))[0],
                    lane=lane.name,
                    resources={kind: share * count for kind, count in lane.resources.items()},
                    cost_per_hour=None if lane.cost_per_hour is None else share * lane.cost_per_hour,
                    pack=assignment.get("pack"),
                )
            )
        self._write(*events)

    def on_trial_result(  # noqa: D102
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        training, events, kept = [], [], []
        members = members_of(trial.config["assignment"])
        for member, report in zip(members, result.get("reports", [result]), strict=True):
            name, step = member["trial_id"], int(report["step"])
            if self._diverged(name):
                continue
            metrics = {k: v for k, v in report.items() if k not in (*TUNE_KEYS, "step", "device", "checkpoint")}
            self._last[name] = event("report", name, step=step, metrics=metrics, device=result.get("device"))
            training.append(name)
            events.append(self._last[name])
            if path := report.get("checkpoint"):
                kept.append(event("checkpoint", name, step=step, path=path))
        self._write(*events, *self._new_decisions(trial, training, result), *kept)
        if trial.config["lane"] == "gpu" and result.get("device") == "cpu" and not self._warned:
            self._warned = True
            self._view.note(
                f"{training[0]} has a GPU on {result['node_ip']}, which torch can't use there: it trains on the CPU."
            )
        for checkpoint in kept:
            self._keep_newest(checkpoint["trial_id"], checkpoint["step"], checkpoint["path"])

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:  # noqa: D102
        if trial.status != Trial.PENDING:  # Else it was taken back before it started: see study.rebinding.
            self._write(*self._ends(members_of(trial.config["assignment"])))

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Start a trial that died again, from its newest checkpoint and on whichever lane has room; a new trial to
        Tune, the same one to the ledger. Another node's death is not the trial's failure and not counted as one."""
        pack, members, error = name_of(trial), members_of(trial.config["assignment"]), error_of(trial)
        if StorageFailedError.__name__ in error:
            self._broken = self._broken or StorageFailedError(error.rpartition(f"{StorageFailedError.__name__}: ")[2])
            return
        over = [member for member in members if self._diverged(member["trial_id"])]
        members = [member for member in members if member not in over]
        steps = {member["trial_id"]: self._last.get(member["trial_id"], {}).get("step", 0) for member in members}
        self._write(
            *self._ends(over),
            *(
                event("failure", name, step=step, attempt=self._attempts.get(name, 1), error=error)
                for name, step in steps.items()
            ),
        )
        # Ray itself doesn't count what it knows as preemption.
        lost = not trial.num_failures or any(said in error for said in MACHINE_LOST)
        (self._lost if lost else self._failures)[pack] += 1
        if self._failures[pack] > self._max_failures or self._lost[pack] > MOST_LOST:
            self._write(*(event("trial_ended", name, step=step, status="failed") for name, step in steps.items()))
            return
        for name in steps:
            self._resume.pop(name, None)
        with self._storage():
            found = {name: self._checkpoints.get(name, {}) for name in steps}
            self._resume |= newest_whole(self._copy.folder, found, self._view.note)
        again = [member | {"resume": self._resume.get(member["trial_id"], (0, None))[1]} for member in members]
        self._lanes.again(with_members(trial.config["assignment"], again))

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Raise StorageFailedError, if so. Only here: of what is raised while it handles an event, Tune logs the
        traceback, and may blame the trial for it."""
        if self._broken:
            raise self._broken
        self._view.refresh()

    @contextmanager
    def _storage(self) -> Iterator[None]:
        try:
            with on_storage(self._copy.folder.location):
                yield
        except StorageFailedError as error:
            self._broken = error

    def _keep_newest(self, name: str, step: int, path: str) -> None:
        kept = self._checkpoints.setdefault(name, {})
        kept[step] = path
        with self._storage():
            for old in sorted(kept)[:-KEPT]:
                self._sender.delete(kept.pop(old))

    def _new_decisions(self, trial: Trial, training: Sequence[str], result: Mapping[str, Any]) -> list[Event]:
        """What the scheduler decided on this report, for each trial of the pack; it judged it just before."""
        scheduler, pack = self._scheduler, name_of(trial)
        if scheduler is None:
            return []
        judged = [(pack, rung) for rung in scheduler.rungs if (pack, rung) in scheduler.decisions]
        new = [key for key in judged if key not in self._decided]
        self._decided.update(new)
        mean = {name: result[name] for name in scheduler.objectives} if "reports" in result else None
        return [
            event(
                "decision",
                name,
                step=int(result["step"]),
                rung=key[1],
                dominated_by=list(scheduler.decisions[key].dominated_by),
                judged=mean,
                **{field: getattr(scheduler.decisions[key], field) for field in DECISION_FIELDS},
            )
            for key in new
            for name in training
        ]

    def _diverged(self, name: str) -> bool:
        return bool(self._last.get(name, {}).get("metrics", {}).get("diverged"))

    def _ends(self, members: Sequence[Mapping[str, Any]]) -> list[Event]:
        """How those of a pack's trials ended that have reported."""
        lasts = [(self._last[m["trial_id"]], m["trial"]["steps"]) for m in members if m["trial_id"] in self._last]
        return [
            event("trial_ended", last["trial_id"], step=last["step"], status=ending(last, steps))
            for last, steps in lasts
        ]

    def _write(self, *events: Event) -> None:
        if self._broken:
            return
        with self._storage():
            append(self._copy.directory / LEDGER, events)
        self._sender.written(at_once=any(e["event"] not in ("report", "checkpoint") for e in events))
        self._view.show(events)


def error_of(trial: Trial) -> str:
    """What a trial died of, as Tune just wrote it down; each of Tune's trials here dies once at most."""
    path = Path(trial.error_file) if trial.error_file else None
    lines = path.read_text(encoding="utf-8").splitlines()[1:] if path and path.exists() else []
    return "\n".join(lines).strip() or "the trial's process died"


def _node_of(trial: Trial) -> str | None:
    try:
        return trial.get_ray_actor_ip()
    except RayError:  # It has died already; Tune will hear of it.
        return None
