"""Ray's own ASHA on one metric, with what it decides written down, and its rungs filled again after a restart."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler

from study.decision import Decision, decide, rungs
from study.standings import NAMED_DOMINATORS, Filed


class RayASHA(FIFOScheduler):
    """Hands every report to an AsyncHyperBandScheduler under the trial's lasting name, and notes what it answers.

    Unlike Ray's, it stops a trial whose metric is not finite: to Ray, NaN is never below a cutoff.

    Args:
        metric: the one that is judged; without β in it, or trials would not be comparable.
        mode: "min" or "max".
        max_t, grace_period, reduction_factor: as in ParetoASHA.
        key: what to call a trial.

    Raises:
        ValueError: a report lacks the metric.
    """

    def __init__(
        self,
        metric: str,
        mode: str,
        max_t: int,
        grace_period: int,
        reduction_factor: float,
        key: Callable[[Trial], str],
    ) -> None:
        super().__init__()
        self.objectives = {metric: mode}
        self.rungs = rungs(grace_period, reduction_factor, max_t)
        self._rays = {
            int(grace_period * reduction_factor**k): grace_period * reduction_factor**k for k in range(len(self.rungs))
        }
        self.decisions: dict[tuple[str, int], Decision] = {}
        self._asha = AsyncHyperBandScheduler("step", metric, mode, max_t, grace_period, reduction_factor)
        self._metric, self._max_t, self._reduction_factor, self._key = metric, max_t, reduction_factor, key
        self._sign = 1.0 if mode == "min" else -1.0
        self._recorded: dict[int, dict[str, float]] = {rung: {} for rung in self.rungs}

    def on_trial_result(self, controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Pass a report on to Ray's; what it says at a rung is a decision."""
        name = self._key(trial)
        if self._metric not in result:
            raise ValueError(f"trial {name} reported no {self._metric}; asha needs it each time")
        step, value = result["step"], float(result[self._metric])
        if not math.isfinite(value) or step >= self._max_t:
            return TrialScheduler.STOP
        rung = max((rung for rung in self.rungs if rung <= step), default=None)
        if rung is None:
            return TrialScheduler.CONTINUE
        if (name, rung) not in self.decisions:
            self.decisions[name, rung] = self._judge(name, rung, value)
        return TrialScheduler.CONTINUE if self.decisions[name, rung].keep else TrialScheduler.STOP

    def restore_filed(self, filed: Filed) -> None:
        """Let Ray's scheduler hear again what it heard in an earlier run; the decision stays as it was made then."""
        if (filed.name, filed.rung) not in self.decisions:
            if math.isfinite(filed.values[0]):
                self._judge(filed.name, filed.rung, filed.values[0])
            self.decisions[filed.name, filed.rung] = filed.decision

    def _judge(self, name: str, rung: int, value: float) -> Decision:
        """Tell Ray's scheduler, and put its answer into words."""
        recorded = self._recorded[rung]
        names, others = list(recorded), np.array(list(recorded.values()))
        recorded[name] = value
        place = decide([self._sign * value], self._sign * others[:, None], self._reduction_factor)
        trial: Any = SimpleNamespace(trial_id=name)
        controller: Any = None
        self._asha.on_trial_add(controller, trial)
        # Ray compares with its own rung, which need not be a whole number.
        answer = self._asha.on_trial_result(controller, trial, {"step": self._rays[rung], self._metric: value})
        keep = answer == TrialScheduler.CONTINUE
        reason = f"rank {place.rank + 1} of {place.size}"
        if len(others):
            share = 1 / self._reduction_factor if self._sign > 0 else 1 - 1 / self._reduction_factor
            verb = "reaches" if keep else "misses"
            reason += f"; {self._metric} {value:.4g} {verb} the cutoff, {np.quantile(others, share):.4g}"
        dominators = tuple(names[int(i)] for i in place.dominated_by[:NAMED_DOMINATORS])
        return place._replace(keep=keep, reason=reason, dominated_by=dominators)
