"""From Tune to the ledger and back: events as they happen, and what is needed to go on after a stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from analysis.trials import append, cut_torn_line, event, read_ledger
from bvae.checkpoint import CheckpointError, load
from study.decision import Decision
from study.live import View
from study.schedulers import RecordedScheduler, name_of
from study.standings import Filed
from study.trainable import CHECKPOINT_FILE

Event = dict[str, Any]
# What Tune adds to every report.
# fmt: off
TUNE_KEYS = {
    "timestamp", "checkpoint_dir_name", "done", "training_iteration", "trial_id", "date",
    "time_this_iter_s", "time_total_s", "pid", "hostname", "node_ip",
    "config", "time_since_restore", "iterations_since_restore", "should_checkpoint", "experiment_tag",
}
# fmt: on
DECISION_FIELDS = ("keep", "rank", "front", "size", "reason", "audited")


@dataclass(frozen=True)
class Progress:
    """What a ledger says about an unfinished study.

    Attributes:
        ended: trial -> status.
        resume: trial -> (step, checkpoint file) to go on from, for trials that started and did not end.
        attempts: trial -> how often it started.
        events: all of them.
    """

    ended: dict[str, str]
    resume: dict[str, tuple[int, Path]]
    attempts: dict[str, int]
    events: list[Event]


class LedgerCallback(Callback):
    """Writes what happens to the ledger and shows the same events in the live view.

    A report, the decision on it and its checkpoint are written at once: after a crash they are all there or all
        missing.
    """

    def __init__(
        self, run_directory: Path, scheduler: RecordedScheduler | None, view: View, progress: Progress | None = None
    ) -> None:
        self._run_directory = run_directory
        self._scheduler = scheduler
        self._view = view
        self._attempts = dict(progress.attempts) if progress else {}
        self._resume = progress.resume if progress else {}
        self._last: dict[str, Event] = {}
        self._decided = set(scheduler.decisions) if scheduler else set()

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a restore of its own, which this project goes without."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:  # noqa: D102
        name = name_of(trial)
        self._attempts[name] = self._attempts.get(name, 0) + 1
        resumed = self._last[name]["step"] if name in self._last else self._resume.get(name, (0, None))[0]
        resources = trial.placement_group_factory
        device = "cuda" if resources and resources.required_resources.get("GPU") else "cpu"
        self._write(
            event(
                "trial_started",
                name,
                attempt=self._attempts[name],
                config=trial.config["assignment"]["trial"],
                device=device,
                node=trial.get_ray_actor_ip(),
                resumed_step=resumed,
            )
        )

    def on_trial_result(  # noqa: D102
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        name, step = name_of(trial), int(result["step"])
        metrics = {k: v for k, v in result.items() if k not in TUNE_KEYS and k != "step"}
        events = [event("report", name, step=step, metrics=metrics), *self._new_decisions(name, step)]
        if "checkpoint_dir_name" in result:
            path = Path(str(trial.path)) / result["checkpoint_dir_name"] / CHECKPOINT_FILE
            events.append(event("checkpoint", name, step=step, path=str(path.relative_to(self._run_directory))))
        self._last[name] = events[0]
        self._write(*events)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:  # noqa: D102
        name = name_of(trial)
        if last := self._last.get(name):
            status = ending(last, trial.config["assignment"]["trial"]["steps"])
            self._write(event("trial_ended", name, step=last["step"], status=status))

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:  # noqa: D102
        self._failure(trial)
        step = self._last.get(name_of(trial), {}).get("step", 0)
        self._write(event("trial_ended", name_of(trial), step=step, status="failed"))

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:  # noqa: D102
        self._failure(trial)

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:  # noqa: D102
        self._view.refresh()

    def _new_decisions(self, name: str, step: int) -> list[Event]:
        """What the scheduler decided on this report; it judged it just before."""
        scheduler = self._scheduler
        if scheduler is None:
            return []
        judged = [(name, rung) for rung in scheduler.rungs if (name, rung) in scheduler.decisions]
        new = [key for key in judged if key not in self._decided]
        self._decided.update(new)
        return [
            event(
                "decision",
                name,
                step=step,
                rung=rung,
                dominated_by=list(scheduler.decisions[name, rung].dominated_by),
                **{key: getattr(scheduler.decisions[name, rung], key) for key in DECISION_FIELDS},
            )
            for name, rung in new
        ]

    def _failure(self, trial: Trial) -> None:
        name, error = name_of(trial), trial.get_error()
        step = self._last.get(name, {}).get("step", 0)
        text = str(error).strip() if error else "the trial's process died"
        self._write(event("failure", name, step=step, attempt=self._attempts.get(name, 1), error=text))

    def _write(self, *events: Event) -> None:
        append(self._run_directory / "ledger.jsonl", events)
        self._view.show(events)


def ending(last_report: Event, steps: int) -> str:
    """How a trial that ended without an error ended."""
    if last_report["metrics"].get("diverged"):
        return "diverged"
    return "finished" if last_report["step"] >= steps else "stopped"


def read_progress(run_directory: Path, steps: int, notice: Callable[[str], None]) -> Progress:
    """Read a ledger to go on from it, and mend its end.

    From a damaged checkpoint a trial goes back to the one before, with a notice.
    """
    ledger = run_directory / "ledger.jsonl"
    events = []
    if ledger.exists():  # A crash may come before the first event.
        events = read_ledger(ledger)
        cut_torn_line(ledger)
    reports: dict[tuple[str, int], Event] = {}
    checkpoints: dict[str, dict[int, Path]] = {}
    ended: dict[str, str] = {}
    attempts: dict[str, int] = {}
    refused: set[str] = set()
    last: dict[str, Event] = {}
    for e in events:
        name = e["trial_id"]
        if e["event"] == "trial_started":
            attempts[name] = attempts.get(name, 0) + 1
        elif e["event"] == "report":
            reports[name, e["step"]] = last[name] = e
        elif e["event"] == "checkpoint":
            checkpoints.setdefault(name, {})[e["step"]] = run_directory / e["path"]
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
    unfinished = {name: found for name, found in checkpoints.items() if name not in ended}
    resume = {name: point for name, found in unfinished.items() if (point := _newest_whole(name, found, notice))}
    return Progress(ended, resume, attempts, events + closing)


def _newest_whole(name: str, checkpoints: dict[int, Path], notice: Callable[[str], None]) -> tuple[int, Path] | None:
    for step in sorted(checkpoints, reverse=True):
        if not checkpoints[step].exists():
            continue  # Only the last ones are kept.
        try:
            load(checkpoints[step])
            return step, checkpoints[step]
        except CheckpointError as error:
            notice(f"{name}: {error}; going on from the one before")
    return None


def restore_decisions(scheduler: RecordedScheduler, events: Sequence[Event]) -> None:
    """Fill a new scheduler's rungs with what the ledger says was decided, in the same order."""
    configs: dict[str, dict[str, Any]] = {}
    reports: dict[tuple[str, int], Event] = {}
    for e in events:
        name = e["trial_id"]
        if e["event"] == "trial_started":
            configs[name] = e["config"]
        elif e["event"] == "report":
            reports[name, e["step"]] = e
        elif e["event"] == "decision" and (name, e["step"]) in reports:
            metrics = reports[name, e["step"]]["metrics"]
            values = tuple(float("nan") if metrics[key] is None else metrics[key] for key in scheduler.objectives)
            made = {key: e[key] for key in DECISION_FIELDS}
            decision = Decision(**made, dominated_by=tuple(e["dominated_by"]))
            scheduler.restore_filed(Filed(name, configs.get(name, {}), e["rung"], values, decision))
