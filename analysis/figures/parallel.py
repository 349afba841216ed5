"""Parallel coordinates: every trial as a line through its settings and scores; a brush on an axis filters the page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns import column, number
from analysis.figures.style import BetaScale, empty, layout
from analysis.ranking import Ranking

TITLE = "Settings and scores"
MOST_SCORES = 6
MOST_LINES = 1000  # the best; more can't be told apart, and take seconds to draw
FEW_LEVELS = 8  # settings of so few values have a tick at each


@dataclass(frozen=True)
class Axis:
    """One vertical axis: its title, a number per trial, and the words of its ticks where it is not simply numbers."""

    title: str
    values: list[float]
    ticks: list[float] | None = None
    words: list[str] | None = None


@dataclass(frozen=True)
class Parallel:
    """What the figure shows: the trials with all scores, their β and its colours, the axes."""

    trial_ids: list[str]
    betas: list[float]
    axes: list[Axis]
    scale: BetaScale


def parallel_data(ranking: Ranking) -> Parallel:
    """Settings that differ, then the first scores, at the last report of the best trials that have all of them."""
    metrics = list(ranking.metrics[:MOST_SCORES])
    scores = ranking.trials[metrics].apply(pd.to_numeric, errors="coerce")
    metrics = [m for m in metrics if np.isfinite(scores[m]).any()]
    known = ranking.trials[np.isfinite(scores[metrics]).all(axis=1)] if metrics else ranking.trials.head(0)
    known = known.head(MOST_LINES)
    axes = [_setting(known, name) for name in (*ranking.settings, "status")]
    axes += [Axis(column(m).title, pd.to_numeric(known[m]).tolist()) for m in metrics]
    betas, scale = known["beta"].astype(float).tolist(), BetaScale(ranking.trials["beta"])
    return Parallel(known["trial_id"].astype(str).tolist(), betas, axes, scale)


def parallel_figure(data: Parallel) -> go.Figure:
    """Lines in the colour of β."""
    if not data.trial_ids:
        return empty(TITLE, "", "", "No trial has reported scores yet")
    dimensions = [
        {"label": a.title, "values": a.values}
        | ({"tickvals": a.ticks, "ticktext": a.words} if a.ticks is not None else {})
        for a in data.axes
    ]
    shown = data.scale.axis()
    line = {"color": np.log10(data.betas).tolist(), "colorscale": shown["colorscale"]}
    line |= {"cmin": shown["cmin"], "cmax": shown["cmax"]}
    trace = go.Parcoords(line=line, dimensions=dimensions, meta={"parallel": data.trial_ids}, labelside="top")
    return go.Figure(trace, layout(TITLE, margin={"l": 48, "r": 48, "t": 84, "b": 24}))


def _setting(trials: pd.DataFrame, name: str) -> Axis:
    """A setting's axis: β and other numbers that span decades by their logarithm, words by their number."""
    values = trials[name]
    title = column(name).title
    if not pd.api.types.is_numeric_dtype(values):
        words = sorted(values.astype(str).unique())
        return Axis(title, [float(words.index(str(v))) for v in values], [float(i) for i in range(len(words))], words)
    numbers = values.astype(float)
    levels = np.unique(numbers)
    wide = len(levels) > 1 and levels[0] > 0 and (name == "beta" or levels[-1] / levels[0] > 30)
    place = np.log10 if wide else np.asarray
    if len(levels) <= FEW_LEVELS:
        ticks = levels
    else:
        ticks = np.geomspace(levels[0], levels[-1], 6) if wide else np.linspace(levels[0], levels[-1], 6)
    return Axis(title, place(numbers).tolist(), place(ticks).tolist(), [number(t) for t in ticks])
