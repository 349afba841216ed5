"""Which scheduler the settings ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray.tune.experiment import Trial

from study.checks import SCALAR_METRICS
from study.pareto_asha import ParetoASHA
from study.ray_asha import RayASHA
from study.space import AXES, Settings

RecordedScheduler = (
    ParetoASHA | RayASHA
)  # Those that stop trials: the ledger says why, and gives them their rungs back.


def make_scheduler(settings: Settings, objectives: Mapping[str, str]) -> RecordedScheduler | None:
    """The scheduler of a study; None where every trial runs to its end."""
    rules: dict[str, Any] = {
        "max_t": settings.steps,
        "grace_period": settings.grace_period,
        "reduction_factor": settings.reduction_factor,
        "key": name_of,
    }
    if settings.scheduler == "asha" and settings.metric:
        return RayASHA(settings.metric, SCALAR_METRICS[settings.metric], **rules)
    if settings.scheduler != "pareto-asha":
        return None
    soft_until = settings.steps if settings.soft_until is None else settings.soft_until
    return ParetoASHA(
        objectives,
        time_attr="step",
        **rules,
        brackets=settings.brackets,
        strata=("beta",) if settings.strata == "beta" else (),
        cells=[name for name in AXES if name != "seed"],
        soft_until=soft_until if settings.stop == "soft" else 0,
        audit=settings.audit,
        seed=settings.scheduler_seed,
        config=lambda trial: trial.config["assignment"]["trial"],
    )


def name_of(trial: Trial) -> str:
    """The pack's name, which is that of a trial in the ledger: Tune's own ids change from run to run."""
    assignment = trial.config["assignment"]
    return str(assignment.get("pack") or assignment["trial_id"])
