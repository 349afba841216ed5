"""What a person sees while a study runs: one live view in a terminal, plain lines elsewhere. Fed by ledger events."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from analysis.front import on_front
from bvae.config import TrialConfig
from study.decision import expected_steps
from study.space import OF_EVERY_STUDY, varying

REFRESH_SECONDS = 0.5
SHARE = 0.05  # of the time that drawing may take: with thousands of trials it takes a tenth of a second
SHOWN = 8  # rows of running trials, and of the front, at the most


@dataclass
class TrialState:
    """What the view knows of one trial; `title` tells it from the others, beside latent size and seed."""

    config: TrialConfig
    title: str
    status: str = "waiting"
    step: int = 0
    metrics: dict[str, Any] = field(default_factory=dict)


class View:
    """Follows the events of a study and shows them.

    Args:
        name: of the study.
        plan: trial id -> config, all trials of the study.
        rungs: steps at which trials are judged; empty where nothing is stopped.
        reduction_factor: one trial in so many goes on from each rung.
        objectives: metric -> "min" or "max".
        console: where to show.
    """

    def __init__(
        self,
        name: str,
        plan: dict[str, TrialConfig],
        rungs: Sequence[int],
        reduction_factor: float,
        objectives: dict[str, str],
        console: Console,
    ) -> None:
        self.name, self.rungs, self.console = name, list(rungs), console
        self._reduction_factor, self._objectives = reduction_factor, objectives
        varied = [name for name in varying(plan.values()) if name not in OF_EVERY_STUDY]
        self.trials = {trial: TrialState(config, _title(config, varied)) for trial, config in plan.items()}
        self._started = time.monotonic()
        self._done_before = 0
        self._rest_until = 0.0
        self._live: Live | None = None

    def replay(self, events: Sequence[dict[str, Any]]) -> None:
        """Take in what happened in earlier runs, without showing it."""
        for event in events:
            self._take(event)
        for trial in self.trials.values():
            if trial.status == "running":
                trial.status = "waiting"
        self._done_before = self._steps_done()

    def __enter__(self) -> View:
        self._started = time.monotonic()
        if self.console.is_terminal:
            self._live = Live(self.render(), console=self.console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def show(self, events: Sequence[dict[str, Any]]) -> None:
        """Take in new events; where there is no terminal, print a line for those that a person wants to know of."""
        for event in events:
            self._take(event)
            if not self.console.is_terminal and (line := self._line(event)):
                self.console.print(f"[{self._clock()}] {line}", markup=False, highlight=False, soft_wrap=True)
        self.refresh()

    def note(self, text: str) -> None:
        """Print a sentence that a person should read."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def refresh(self) -> None:
        """Redraw the live view, at most every `REFRESH_SECONDS`, and for `SHARE` of the time."""
        if self._live and (began := time.monotonic()) > self._rest_until:
            self._live.update(self.render(), refresh=True)
            ended = time.monotonic()
            self._rest_until = ended + max(REFRESH_SECONDS, (ended - began) / SHARE)

    def render(self) -> RenderableType:
        """The live view: counts, running trials, the front so far."""
        counts = Counter(trial.status for trial in self.trials.values())
        states = ("waiting", "running", "stopped", "finished", "diverged", "failed")
        shown = [f"{counts[state]} {state}" for state in states if counts[state] or state in states[:4]]
        left, steps = self.seconds_left(), max(trial.config.steps for trial in self.trials.values())
        head = Table.grid(expand=True)
        head.add_column()
        head.add_column(justify="right")
        head.add_row(
            Text(f"{self.name}: {len(self.trials)} trials of up to {steps:,} steps", "bold"),
            f"{self._clock()} elapsed" + (f", about {duration(left)} left" if left is not None else ""),
        )
        return Group(head, Text(" · ".join(shown)), "", self._running(), "", self._front())

    def seconds_left(self) -> float | None:
        """Estimated from the steps done in this run and the steps expected if rungs stop as many as they should."""
        elapsed, done = time.monotonic() - self._started, self._steps_done() - self._done_before
        if done <= 0:
            return None
        left = sum(
            expected_steps(self.rungs, trial.config.steps, self._reduction_factor, trial.step)
            for trial in self.trials.values()
            if trial.status in ("waiting", "running")
        )
        return elapsed * left / done

    def _steps_done(self) -> int:
        return sum(trial.step for trial in self.trials.values())

    def _take(self, event: dict[str, Any]) -> None:
        trial = self.trials.get(event["trial_id"])
        if trial is None:
            return
        if event["event"] == "trial_started":
            trial.status = "running"
        elif event["event"] == "report":
            trial.step, trial.metrics = event["step"], event["metrics"]
        elif event["event"] == "trial_ended":
            trial.status = event["status"]

    def _line(self, event: dict[str, Any]) -> str | None:
        trial = self.trials.get(event["trial_id"])
        if trial is None or event["event"] == "checkpoint":
            return None
        names = f"{trial.title:<7} latents {trial.config.latent_dim:<3d} seed {trial.config.seed}"
        what = f"{names}  step {trial.step:,}/{trial.config.steps:,}"
        if event["event"] == "trial_started":
            again = f" again from step {event['resumed_step']:,}" if event["resumed_step"] else ""
            return f"{what}  started{again} on {event['lane'] or event['device']}"
        if event["event"] == "report":
            values = (f"{name} {_number(trial.metrics.get(name))}" for name in ("reconstruction", "kl", "mig"))
            return f"{what}  " + "  ".join(values)
        if event["event"] == "decision":
            return f"{what}  {'goes on' if event['keep'] or event['audited'] else 'stops'}: {event['reason']}"
        if event["event"] == "failure":
            return f"{what}  failed (attempt {event['attempt']}): {event['error'].splitlines()[-1]}"
        return f"{what}  {event['status']}"

    def _running(self) -> Table:
        table = _trials_table("running", "step", "rung", "images/s", "reconstruction", "KL", "MIG")
        running = [trial for trial in self.trials.values() if trial.status == "running"]
        for trial in running[:SHOWN]:
            passed = sum(rung <= trial.step for rung in self.rungs)
            metrics = (("images_per_second", 0), ("reconstruction", 2), ("kl", 2), ("mig", 3))
            table.add_row(
                *_names(trial),
                f"{trial.step:,}",
                f"{passed}/{len(self.rungs)}",
                *(_number(trial.metrics.get(name), digits) for name, digits in metrics),
            )
        if len(running) > SHOWN:
            table.add_row(f"and {len(running) - SHOWN} more")
        return table

    def _front(self) -> Table:
        """The trials whose last report no other trial's last report beats in every objective."""
        table = _trials_table("front so far", "step", *self._objectives)
        measured = [
            t for t in self.trials.values() if all(t.metrics.get(name) is not None for name in self._objectives)
        ]
        if measured:
            values = np.array([[t.metrics[name] for name in self._objectives] for t in measured], float)
            front = [measured[i] for i in np.flatnonzero(on_front(values, list(self._objectives.values())))]
            for trial in sorted(front, key=lambda t: t.metrics[next(iter(self._objectives))])[:SHOWN]:
                shown = (
                    _number(trial.metrics[name], 3 if abs(trial.metrics[name]) < 2 else 1) for name in self._objectives
                )
                table.add_row(*_names(trial), f"{trial.step:,}", *shown)
        return table

    def _clock(self) -> str:
        return duration(time.monotonic() - self._started)


def _trials_table(title: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(title)  # The only one that may wrap: it grows with the settings that vary.
    for column in ("latents", "seed", *columns):
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _names(trial: TrialState) -> tuple[str, str, str]:
    return trial.title, str(trial.config.latent_dim), str(trial.config.seed)


def _title(config: TrialConfig, varied: Sequence[str]) -> str:
    """As "β 4", "β 4 bf16" or "β 4 learning_rate 0.001"."""
    values = {name: getattr(config, name) for name in varied}
    others = (value if isinstance(value, str) else f"{name} {value:g}" for name, value in values.items())
    return " ".join((f"β {config.beta:g}", *others))


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:,.{digits}f}"


def duration(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any: "2:05", "1:02:05"."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
