"""METRICS: every metric by its key, with what a scheduler, a ranking or an axis has to know about it.

A new metric is one file with a pure function and one entry here; reports, rankings and conformance tests read this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

from analysis.metrics.active_latents import active_latents
from analysis.metrics.mig import mig

# The reference draws 10,000 samples; plug-in information is biased by the sample size, so scores that are to be compared
# need the same.
REFERENCE_ROWS = 10_000


@dataclass(frozen=True)
class Metric:
    """One score: how to compute it and how to read it.

    function   takes the arguments named in `inputs` by keyword, gives a number or a NamedTuple
    field      the field of that NamedTuple that is the score; None where the function gives the number itself
    mode       "max" or "min" where a direction is better, None where the number only describes
    bounds     smallest and largest value that can occur
    budget     "cheap" metrics are computed at every rung, "full" ones in the report of a finished trial
    rows       at most so many samples, drawn by seed, are looked at; None is all of them
    details    (field, "factor" or "latent") of the values behind the score, where there are any
    """

    function: Callable[..., Any]
    title: str
    mode: Literal["max", "min"] | None
    bounds: tuple[float, float]
    citation: str
    budget: Literal["cheap", "full"]
    field: str | None = None
    inputs: tuple[str, ...] = ("codes", "factors")
    rows: int | None = None
    details: tuple[str, Literal["factor", "latent"]] | None = None


METRICS: dict[str, Metric] = {
    "mig": Metric(
        mig,
        "Mutual information gap",
        "max",
        (0.0, 1.0),
        "Chen et al. 2018, arXiv:1802.04942; binned as in Locatello et al. 2019, arXiv:1811.12359",
        "cheap",
        field="score",
        rows=REFERENCE_ROWS,
        details=("per_factor", "factor"),
    ),
    "active_latents": Metric(
        active_latents,
        "Active latents",
        None,
        (0.0, inf),
        "Burda et al. 2016, arXiv:1509.00519",
        "cheap",
        inputs=("codes",),
    ),
}
