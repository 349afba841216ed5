"""Curves over steps: how each trial learned, where the rungs were, who was stopped there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns import Column, column
from analysis.figures.style import QUIET, BetaScale, axis, beta_groups, empty, layout
from analysis.ranking import Ranking
from analysis.trials import Study

MOST_LINES = 200  # From more trials on, each β is drawn as a median with a band.


@dataclass(frozen=True)
class Curve:
    """One line: a trial's, or the median of the trials of nearly one β with the band that holds 80 % of them."""

    name: str
    beta: float
    steps: list[int]
    values: list[float]
    status: str = ""
    low: list[float] | None = None
    high: list[float] | None = None


@dataclass(frozen=True)
class Curves:
    """What the figure shows: the meaning of the value axis, the steps of the rungs, the lines, the colours of β."""

    column: Column
    rungs: list[int]
    curves: list[Curve]
    names: dict[str, str]  # trial_id -> its settings in words
    scale: BetaScale


def curves_data(study: Study, ranking: Ranking, metric: str) -> Curves:
    """The reported values of a score for each trial; steps without a finite number are left out."""
    scores = study.scores
    rungs = [int(r) for r in study.info.get("rungs", [])]
    scale = BetaScale(ranking.trials["beta"])
    if metric not in scores:
        return Curves(column(metric), rungs, [], {}, scale)
    known = scores.assign(value=pd.to_numeric(scores[metric], errors="coerce"))
    known = known[np.isfinite(known["value"])].sort_values("step", kind="stable")
    if known["trial_id"].nunique() > MOST_LINES:
        return Curves(column(metric), rungs, _bands(known), {}, scale)
    curves = [
        Curve(
            str(trial_id), float(g["beta"].iloc[0]), g["step"].tolist(), g["value"].tolist(), str(g["status"].iloc[0])
        )
        for trial_id, g in known.groupby("trial_id", sort=False)
    ]
    names = {str(t["trial_id"]): f"{t['label']}, seed {t.get('seed', '–')}" for t in ranking.trials.to_dict("records")}
    return Curves(column(metric), rungs, curves, names, scale)


def curves_figure(data: Curves) -> go.Figure:
    """A line per trial in the colour of its β: it ends filled where the trial finished, hollow where it did not."""
    title = data.column.title[0].upper() + data.column.title[1:]
    x = column("step").axis
    if not data.curves:
        return empty(title, x, data.column.axis)
    figure = go.Figure(layout=layout(title, xaxis=axis(x, type="log"), yaxis=axis(data.column.axis), showlegend=False))
    for curve in data.curves:
        figure.add_traces(_lines(curve, data))
    _mark_rungs(figure, data.rungs)
    last = max(curve.steps[-1] for curve in data.curves)
    ticks = sorted({*(r for r in data.rungs if r <= last), last})
    figure.update_xaxes(tickvals=ticks, ticktext=[_short(t) for t in ticks])
    return figure


def _lines(curve: Curve, data: Curves) -> list[go.Scatter]:
    color = data.scale.color(curve.beta)
    meta: dict[str, Any] = {"ramp": data.scale.place(curve.beta)}
    if curve.low is not None and curve.high is not None:
        band = {
            "x": curve.steps + curve.steps[::-1],
            "y": curve.high + curve.low[::-1],
            "fill": "toself",
            "opacity": 0.25,
        }
        meta |= {"beta": curve.beta, "beyond": "Medians and bands are over all trials of a β."}
        shade = go.Scatter(**band, fillcolor=color, line={"width": 0}, meta=meta, hoverinfo="skip")
        median = go.Scatter(
            x=curve.steps, y=curve.values, mode="lines", line={"color": color, "width": 2.5}, meta=meta, name=curve.name
        )
        return [shade, median]
    sizes = [0] * (len(curve.steps) - 1) + [7]
    end = {
        "size": sizes,
        "symbol": "circle" if curve.status == "finished" else "circle-open",
        "color": color,
        "opacity": 1,
        "line": {"width": 0 if curve.status == "finished" else 1.5},
    }
    who = f"<b>{escape(curve.name)}</b><br>{escape(data.names.get(curve.name, ''))}"
    hover = f"{who}<br>%{{y:.4g}} at step %{{x:,}}<extra></extra>"
    return [
        go.Scatter(
            x=curve.steps,
            y=curve.values,
            mode="lines+markers",
            line={"color": color, "width": 1.6},
            marker=end,
            opacity=0.85 if curve.status == "finished" else 0.55,
            meta=meta | {"trial": curve.name},
            name=curve.name,
            hovertemplate=hover,
        )
    ]


def _mark_rungs(figure: go.Figure, rungs: Sequence[int]) -> None:
    for rung in rungs:
        figure.add_vline(x=rung, line={"color": QUIET, "width": 1, "dash": "dot"}, opacity=0.6)


def _bands(known: pd.DataFrame) -> list[Curve]:
    """Medians and 10 to 90 % bands over trials of nearly one β, at the steps that many of them share."""
    curves = []
    for name, beta, group in beta_groups(known):
        at = group.groupby("step")["value"]
        steps = at.size()[at.size() >= max(1, at.size().max() // 20)].index
        q = at.quantile(np.array([0.1, 0.5, 0.9])).unstack().loc[steps]
        curves.append(Curve(name, beta, steps.tolist(), q[0.5].tolist(), low=q[0.1].tolist(), high=q[0.9].tolist()))
    return curves


def _short(step: int) -> str:
    """2700 as "2.7k"."""
    return f"{step / 1000:g}k" if step >= 1000 else str(step)
