"""ParetoASHA: successive halving that judges a vector of objectives instead of one number, in any Tuner.

    scheduler = ParetoASHA({"accuracy": "max", "latency": "min"}, time_attr="epoch", max_t=81, grace_period=3)
    Tuner(..., tune_config=TuneConfig(scheduler=scheduler), run_config=RunConfig(callbacks=[KeepStandings(scheduler)]))

The callback carries what the rungs have seen through Tuner.restore, which gives a scheduler back as it was made. Who
goes on is decided in study.decision; what the rungs have seen is in study.standings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from study.decision import Decision, decide
from study.standings import Filed, Rules, Standings

__all__ = ["Decision", "KeepStandings", "ParetoASHA", "decide"]


class ParetoASHA(FIFOScheduler):
    """A Tune scheduler that stops trials by `decide` at the rungs grace_period · reduction_factor^k below max_t.

    Args:
        objectives: metric name -> "min" or "max"; one to three of them. None may depend on β: trials would not be
            comparable.
        time_attr: the reported key that counts progress, the same for all trials: steps, not seconds.
        max_t: a trial that has reached it is done.
        grace_period: the first rung.
        reduction_factor: one in so many goes on from each rung; above 1.
        brackets: so many groups of trials that never meet; that of bracket s is first judged at rung s (from 0). A
            trial's bracket is drawn, s with a probability that falls as e^-s, as in Ray's ASHA.
        strata: config keys; only trials that agree in them are ranked with each other.
        cells: config keys; trials that agree in them are repetitions of each other, for `soft_until`.
        soft_until: at every rung below this step at least one trial of each cell goes on, so that each cell keeps an
            estimate. 0 stops hard, as ASHA does.
        audit: the share of the trials to be stopped that run on to the end, so that one learns what stopping loses.
            They count at the rung where they were to be stopped, as any stopped trial does, and at no later one:
            nobody else is judged differently because of the audit.
        seed: of brackets and audits.
        key: what to call a trial, for callers whose trials outlive one run of Tune; its Tune id by default.
        config: where `strata` and `cells` are looked up; the trial's config by default.

    Raises:
        ValueError: an argument is outside what is allowed, or a report lacks an objective.
    """

    def __init__(
        self,
        objectives: Mapping[str, str] | None = None,
        time_attr: str = "step",
        max_t: int = 100,
        grace_period: int = 1,
        reduction_factor: float = 3,
        *,
        brackets: int = 1,
        strata: Sequence[str] = (),
        cells: Sequence[str] = (),
        soft_until: int = 0,
        audit: float = 0.0,
        seed: int = 0,
        key: Callable[[Trial], str] | None = None,
        config: Callable[[Trial], Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__()
        self.objectives = dict(objectives or {"reconstruction": "min", "mig": "max"})
        if not 1 <= len(self.objectives) <= 3 or not set(self.objectives.values()) <= {"min", "max"}:
            raise ValueError(f"objectives is {self.objectives}; it must give one to three metrics, each 'min' or 'max'")
        self.time_attr, self.max_t = time_attr, max_t
        rules = Rules(
            max_t, grace_period, reduction_factor, brackets, tuple(strata), tuple(cells), soft_until, audit, seed
        )
        self._standings = Standings(list(self.objectives.values()), rules)
        self._key = key or (lambda trial: trial.trial_id)
        self._config = config or (lambda trial: trial.config)

    @property
    def rungs(self) -> list[int]:
        """The steps at which trials are judged; a trial of bracket s passes the first s."""
        return self._standings.rungs

    @property
    def decisions(self) -> dict[tuple[str, int], Decision]:
        """(trial, rung) -> what was decided, in that order; `dominated_by` names ten trials at most."""
        return self._standings.decisions

    @property
    def filed(self) -> list[Filed]:
        """Everything that was filed at a rung, in that order: what `restore_filed` takes to fill a new scheduler."""
        return self._standings.filed

    def restore_filed(self, filed: Filed) -> None:
        """File again what was filed in an earlier run; what is already there stays as it is."""
        self._standings.restore(filed)

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Refuse a metric and mode of Tune's own: this scheduler judges its `objectives`."""
        if metric or mode:
            raise ValueError(f"metric is {metric!r}; ParetoASHA judges its objectives {self.objectives}: leave it out")
        return super().set_search_properties(metric, mode, **spec)

    def on_trial_result(self, controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Judge a report at a rung; others pass. One that is not finite stops at once, as the next rung's worst."""
        name = self._key(trial)
        if missing := [key for key in (self.time_attr, *self.objectives) if key not in result]:
            raise ValueError(f"trial {name} reported no {', '.join(missing)}; ParetoASHA needs it each time")
        step, values = result[self.time_attr], tuple(float(result[key]) for key in self.objectives)
        goes_on = step < self.max_t and self._standings.goes_on(name, self._config(trial), step, values)
        return TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP

    def debug_string(self) -> str:
        """One line for Tune's own status output."""
        judged = [rung for _, rung in self._standings.decisions]
        return "ParetoASHA: " + ", ".join(f"rung {rung}: {judged.count(rung)}" for rung in self.rungs)


class KeepStandings(Callback):
    """Keeps a ParetoASHA's standings in Tune's own snapshots and gives them back in Tuner.restore.

    Tune saves the state of callbacks, not of schedulers; a restored scheduler without this has empty rungs. Both must
    be given to the same Tuner: they are pickled together, and are still one and its callback afterwards.
    """

    def __init__(self, scheduler: ParetoASHA) -> None:
        self._scheduler = scheduler

    def get_state(self) -> dict[str, Any]:
        """Everything that was filed, as plain values."""
        return {"filed": [(*entry[:-1], tuple(entry.decision)) for entry in self._scheduler.filed]}

    def set_state(self, state: dict[str, Any]) -> None:
        """Fill the scheduler's rungs again."""
        for name, config, rung, values, decision in state["filed"]:
            self._scheduler.restore_filed(Filed(name, config, rung, values, Decision(*decision)))
