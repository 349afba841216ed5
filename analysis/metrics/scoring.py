"""score(): any set of metrics from one encoding of the data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import numpy as np

from analysis.metrics.inputs import checked, checked_logvar
from analysis.metrics.registry import METRICS, Metric


def score(
    codes: np.ndarray,
    factors: np.ndarray,
    names: Iterable[str] | None = None,
    seed: int = 0,
    *,
    budget: Literal["cheap", "full"] = "full",
    logvar: np.ndarray | None = None,
    factor_names: Sequence[str] | None = None,
) -> dict[str, float]:
    """Scores by metric key, all floats, the same for the same seed whatever the number of threads.

    A metric that pins its number of samples gets that many, drawn by `seed`, the same for every metric. Give 15,000
    samples or more for numbers that compare with the literature; 100,000 suffice for all.

    Args:
        codes: (N, D) posterior means; all metrics share this one encoding.
        factors: (N, K) integer indices of the ground truth.
        names: which metrics; None is every metric of the budget for which the other arguments suffice.
        seed: of every draw.
        budget: "cheap" is what a rung needs, "full" adds the slow ones; read only where names is None.
        logvar: (N, D) posterior log-variances, for kl_per_latent and chen_mig.
        factor_names: K names; with them the values behind a score come too, as "mig/scale" or "kl_per_latent/3".

    Raises:
        ValueError: a name or budget does not exist, a metric lacks an argument, or `inputs.checked` and
            `inputs.checked_logvar` refuse one.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    codes, factors = checked(codes, factors)
    if factor_names is not None and len(factor_names) != factors.shape[1]:
        raise ValueError(f"factor_names must name each of the {factors.shape[1]} factors, got {list(factor_names)}")
    available: dict[str, Any] = {"codes": codes, "factors": factors}
    if logvar is not None:
        available["logvar"] = checked_logvar(logvar, codes)
    order = np.random.default_rng(seed).permutation(len(codes))
    results: dict[Callable[..., Any], Any] = {}
    scores: dict[str, float] = {}
    # One thread: sums that are split between threads round differently.
    with threadpool_limits(limits=1):
        for name in selected(names, budget, {*available, "seed"}, factor_names):
            metric = METRICS[name]
            if metric.function not in results:
                results[metric.function] = evaluated(metric, available, order, seed)
            scores |= read(name, metric, results[metric.function], factor_names)
    return scores


def information_matrix(codes: np.ndarray, factors: np.ndarray, seed: int = 0) -> np.ndarray:
    """I(z_j; v_k) in nats, (D, K): what the `mig` of a `score` with the same arguments is made of.

    Raises ValueError for codes or factors that `inputs.checked` refuses.
    """
    codes, factors = checked(codes, factors)
    order = np.random.default_rng(seed).permutation(len(codes))
    matrix: np.ndarray = evaluated(METRICS["mig"], {"codes": codes, "factors": factors}, order, seed).information
    return matrix


def selected(
    names: Iterable[str] | None, budget: str, available: set[str], factor_names: Sequence[str] | None
) -> list[str]:
    """The metric keys that were asked for; without names, those of the budget for which there is all they need."""
    budgets = {"cheap": ("cheap",), "full": ("cheap", "full")}
    if budget not in budgets:
        raise ValueError(f"budget must be one of {', '.join(budgets)}, got {budget!r}")
    lacking = {name: missing(metric, available, factor_names) for name, metric in METRICS.items()}
    if names is None:
        return [name for name, metric in METRICS.items() if metric.budget in budgets[budget] and not lacking[name]]
    chosen = [names] if isinstance(names, str) else list(names)
    for name in chosen:
        if name not in METRICS:
            raise ValueError(f"names must be metric keys, got {name!r}; there are {', '.join(METRICS)}")
        if lacking[name]:
            raise ValueError(f"names holds {name!r}, which needs {lacking[name]}")
    return chosen


def missing(metric: Metric, available: set[str], factor_names: Sequence[str] | None) -> str | None:
    """What a metric needs and wasn't given, in words."""
    if lacking := [name for name in metric.inputs if name not in available]:
        return f"the argument {lacking[0]}"
    if metric.leave_out is not None and (metric.leave_out not in (factor_names or ()) or len(factor_names or ()) < 2):
        return f"factor_names with {metric.leave_out!r} and others in it"
    return None


def evaluated(metric: Metric, available: dict[str, Any], order: np.ndarray, seed: int) -> Any:
    """The result of a metric's function on the samples and with the arguments that it takes."""
    rows = slice(None) if metric.samples is None or metric.samples >= len(order) else np.sort(order[: metric.samples])
    return metric.function(**{name: seed if name == "seed" else available[name][rows] for name in metric.inputs})


def read(name: str, metric: Metric, result: Any, factor_names: Sequence[str] | None) -> dict[str, float]:
    """The score in a function's result and, with factor names, the values behind it."""
    if metric.leave_out is not None and metric.details is not None and factor_names is not None:
        kept = np.delete(getattr(result, metric.details[0]), list(factor_names).index(metric.leave_out))
        return {name: float(kept.mean())}
    scores = {name: float(result if metric.field is None else getattr(result, metric.field))}
    if factor_names is not None and metric.details is not None:
        field, kind = metric.details
        values = getattr(result, field)
        labels = factor_names if kind == "factor" else range(len(values))
        scores |= {f"{name}/{label}": float(value) for label, value in zip(labels, values, strict=True)}
    return scores
