"""Takes back trials that wait for a lane whose machines are gone before they started.

A node's death is known to the cluster only seconds after the trials on it have failed. What is handed out meanwhile is
bound to a place that no longer exists, and Tune would wait for it for ever. Only a scheduler may stop a trial, so this
one stands before the study's own.
"""

from __future__ import annotations

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from study.lanes import Lanes


class Rebinding(TrialScheduler):
    """Hands everything to the scheduler that decides; before each event it takes stranded trials back to `lanes`."""

    def __init__(self, scheduler: TrialScheduler | None, lanes: Lanes) -> None:
        super().__init__()
        self._scheduler = scheduler or FIFOScheduler()
        self._lanes = lanes
        self._pending: dict[str, Trial] = {}

    @property
    def metric(self) -> str | None:
        """What the scheduler that decides says."""
        return self._scheduler.metric

    @property
    def supports_buffered_results(self) -> bool:
        """What the scheduler that decides says."""
        return bool(self._scheduler.supports_buffered_results)

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:  # noqa: D102
        return bool(self._scheduler.set_search_properties(metric, mode, **spec))

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:  # noqa: D102
        self._pending[trial.trial_id] = trial
        self._scheduler.on_trial_add(tune_controller, trial)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:  # noqa: D102
        self._scheduler.on_trial_error(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:  # noqa: D102
        return str(self._scheduler.on_trial_result(tune_controller, trial, result))

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:  # noqa: D102
        self._scheduler.on_trial_complete(tune_controller, trial, result)

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:  # noqa: D102
        self._scheduler.on_trial_remove(tune_controller, trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Take stranded trials back, then choose the one that waits longest.

        None of this project's schedulers pauses trials or chooses among them, so the oldest is what they would answer;
        Ray's own answer searches all trials of the study, at every event.
        """
        self._pending = {trial_id: t for trial_id, t in self._pending.items() if t.status == Trial.PENDING}
        for trial_id in self._lanes.stranded(list(self._pending)):
            trial = self._pending.pop(trial_id)
            tune_controller.stop_trial(trial)
            self._lanes.again(trial.config["assignment"])
        return next(iter(self._pending.values()), None)

    def debug_string(self) -> str:  # noqa: D102
        return str(self._scheduler.debug_string())
