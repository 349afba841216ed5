"""Which settings no study can be made of, each refused in one sentence."""

from __future__ import annotations

import math

from analysis.metrics import METRICS
from bvae.config import ConfigError
from study.decision import rungs
from study.space import AXES, Settings

SCHEDULERS = ("pareto-asha", "asha", "fifo", "random")
# What asha can judge: no β in it, one direction is better, and known at every rung.
SCALAR_METRICS = {"reconstruction": "min", "elbo": "max"} | {
    name: metric.mode for name, metric in METRICS.items() if metric.mode and metric.budget == "cheap"
}
PARETO_ONLY = ("brackets", "strata", "stop", "audit")


def check(settings: Settings) -> None:
    """Refuse settings that no study can be made of; `plan` refuses the values of single trials.

    Raises:
        ConfigError: a value is outside what is allowed.
    """
    for name in ("steps", "grace_period", "report_every", "score_images"):
        if getattr(settings, name) < 1:
            raise ConfigError(f"{name} is {getattr(settings, name)}; it must be at least 1")
    if settings.grace_period > settings.steps:
        raise ConfigError(
            f"grace_period is {settings.grace_period}, above steps ({settings.steps}): "
            "no trial would ever be judged; choose a grace_period of at most steps"
        )
    if not 1 < settings.reduction_factor < math.inf:
        raise ConfigError(f"reduction_factor is {settings.reduction_factor}; it must be a finite number above 1")
    for name in AXES:
        if not getattr(settings, name):
            raise ConfigError(f"{name} has no value; give at least one")
        if len(set(getattr(settings, name))) != len(getattr(settings, name)):
            raise ConfigError(f"{name} names a value twice: {' '.join(map(str, getattr(settings, name)))}")
    _check_ranges(settings)
    _check_scheduler(settings)


def _check_ranges(settings: Settings) -> None:
    ranges = {name: value for name in AXES if (value := getattr(settings, f"{name}_range", None))}
    if settings.num_samples is None and ranges:
        raise ConfigError(f"{next(iter(ranges))}_range is for random search; add --num-samples")
    if settings.num_samples is not None and settings.num_samples < 1:
        raise ConfigError(f"num_samples is {settings.num_samples}; it must be at least 1")
    for name, (low, high) in ranges.items():
        if not 0 < low < high < math.inf:
            raise ConfigError(f"{name}_range is {low} to {high}; it must be two finite numbers with 0 < low < high")


def _check_scheduler(settings: Settings) -> None:
    scheduler = settings.scheduler
    if scheduler not in SCHEDULERS:
        raise ConfigError(f"scheduler is {scheduler!r}; it must be one of {', '.join(SCHEDULERS)}")
    for name in PARETO_ONLY:
        if scheduler != "pareto-asha" and (value := getattr(settings, name)) != getattr(Settings, name):
            raise ConfigError(f"{name} is {value}, but only pareto-asha knows it, not {scheduler}; leave it out")
    if scheduler == "random" and settings.num_samples is None:
        raise ConfigError("scheduler is 'random', which runs a random search to its end; add --num-samples")
    _check_metric(settings)
    last = len(rungs(settings.grace_period, settings.reduction_factor, settings.steps))
    if not 1 <= settings.brackets <= max(1, last):
        raise ConfigError(f"brackets is {settings.brackets}; it must be from 1 to the number of rungs, here {last}")
    if settings.strata == "beta" and settings.beta_range:
        raise ConfigError(
            "strata is 'beta', but beta_range draws a β of its own for every cell, so that cells would never meet; "
            "choose strata shared, or values of beta"
        )
    if settings.soft_until is not None and (settings.stop == "hard" or settings.soft_until < 1):
        raise ConfigError(f"soft_until is {settings.soft_until}; it must be at least 1, and is for the soft stop")
    if not 0 <= settings.audit <= 1:
        raise ConfigError(f"audit is {settings.audit}; it must be a share from 0 to 1")


def _check_metric(settings: Settings) -> None:
    metric, known = settings.metric, ", ".join(SCALAR_METRICS)
    if settings.scheduler != "asha":
        if metric is not None:
            raise ConfigError(f"metric is {metric!r}, but only asha judges one, not {settings.scheduler}; leave it out")
    elif metric is None:
        raise ConfigError(f"scheduler is 'asha', which judges one metric; name it with --metric, one of {known}")
    elif metric == "loss":
        raise ConfigError(f"metric is 'loss', which contains β and so can't compare trials; choose one of {known}")
    elif metric not in SCALAR_METRICS:
        raise ConfigError(f"metric is {metric!r}; it must be one of {known}")
