"""score(): any set of metrics from one encoding of the data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import numpy as np

from analysis.metrics.inputs import checked
from analysis.metrics.registry import METRICS, Metric


def score(
    codes: np.ndarray,
    factors: np.ndarray,
    names: Iterable[str] | None = None,
    seed: int = 0,
    *,
    budget: Literal["cheap", "full"] = "full",
    factor_names: Sequence[str] | None = None,
) -> dict[str, float]:
    """Scores by metric key, all floats, the same for the same seed whatever the number of threads.

    codes         (N, D) posterior means, all metrics share this one encoding
    factors       (N, K) integer indices of the ground truth
    names         which metrics; None is every metric of the budget
    budget        "cheap" is what a rung needs, "full" adds the slow ones; read only where names is None
    factor_names  K names; with them the values behind a score come too, as "mig/scale" or "kl_per_latent/3"

    A metric that pins its number of samples gets that many, drawn by `seed` and equally for every metric.
    Raises ValueError for a name or budget that does not exist, and for codes or factors that `inputs.checked` refuses.
    """
    codes, factors = checked(codes, factors)
    if factor_names is not None and len(factor_names) != factors.shape[1]:
        raise ValueError(f"factor_names must name each of the {factors.shape[1]} factors, got {list(factor_names)}")
    order = np.random.default_rng(seed).permutation(len(codes))
    available: dict[str, Any] = {"codes": codes, "factors": factors}
    results: dict[Callable[..., Any], Any] = {}
    scores: dict[str, float] = {}
    for name in selected(names, budget):
        metric = METRICS[name]
        if metric.function not in results:
            results[metric.function] = evaluated(metric, available, order, seed)
        result = results[metric.function]
        scores[name] = float(result if metric.field is None else getattr(result, metric.field))
        if factor_names is not None and metric.details is not None:
            field, kind = metric.details
            values = getattr(result, field)
            labels = factor_names if kind == "factor" else range(len(values))
            scores |= {f"{name}/{label}": float(value) for label, value in zip(labels, values, strict=True)}
    return scores


def selected(names: Iterable[str] | None, budget: str) -> list[str]:
    """The metric keys that were asked for, in the order of METRICS if by budget."""
    budgets = {"cheap": ("cheap",), "full": ("cheap", "full")}
    if budget not in budgets:
        raise ValueError(f"budget must be one of {', '.join(budgets)}, got {budget!r}")
    if names is None:
        return [name for name, metric in METRICS.items() if metric.budget in budgets[budget]]
    chosen = [names] if isinstance(names, str) else list(names)
    unknown = [name for name in chosen if name not in METRICS]
    if unknown:
        raise ValueError(f"names must be metric keys, got {unknown[0]!r}; there are {', '.join(METRICS)}")
    return chosen


def evaluated(metric: Metric, available: dict[str, Any], order: np.ndarray, seed: int) -> Any:
    """The result of a metric's function on the samples and with the arguments that it takes."""
    rows = slice(None) if metric.rows is None or metric.rows >= len(order) else np.sort(order[: metric.rows])
    return metric.function(**{name: seed if name == "seed" else available[name][rows] for name in metric.inputs})
