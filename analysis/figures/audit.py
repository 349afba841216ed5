"""The scheduler audited: whom it stopped, and whether a rung foretells the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.agreement import FEWEST, spearman
from analysis.audit import share_interval
from analysis.columns import column
from analysis.figures.style import QUIET, BetaScale, axis, beta_groups, empty, layout
from analysis.ranking import Ranking
from analysis.trials import Study

DASHES = ("solid", "dash", "dot", "dashdot")


class Line(NamedTuple):
    """The trials of one β, or of nearly one: the share that trained past each step, how many there are, their least
    and their greatest β."""

    name: str
    beta: float
    shares: list[float]
    trials: int
    span: tuple[float, float]


@dataclass(frozen=True)
class Survival:
    """For each β, the share of its trials that trained past each step: from step 0, at every rung, at the end."""

    steps: list[int]
    lines: list[Line]
    scale: BetaScale


@dataclass(frozen=True)
class Foresight:
    """Spearman's ρ between a score at each rung and the same score at the end, over the trials that finished."""

    steps: list[int]
    rho: dict[str, list[float]]
    trials: int


def survival_data(study: Study, ranking: Ranking) -> Survival:
    """How far the trials of each β got. Trials that are still running count as far as they have come."""
    trials, end = ranking.trials, int(study.info["steps"])
    steps = [0, *(int(r) for r in study.info.get("rungs", []) if r < end), end]
    lines = []
    for name, beta, group in beta_groups(trials):
        # A trial stopped at a rung reached it, but did not train past it.
        past = [float(((group["step"] > s) | (group["step"] >= end)).mean()) for s in steps[:-1]]
        span = float(group["beta"].min()), float(group["beta"].max())
        lines.append(Line(name, beta, [*past, float((group["status"] == "finished").mean())], len(group), span))
    return Survival(steps, lines, BetaScale(trials["beta"]))


def survival_figure(data: Survival) -> go.Figure:
    """A falling line per β; where they part, the scheduler preferred some β to others."""
    title, x, y = "Still training, by β", column("step").axis, "share of the trials"
    if not data.lines:
        return empty(title, x, y)
    figure = go.Figure(layout=layout(title, xaxis=axis(x), yaxis=axis(y, range=[-0.03, 1.05]), showlegend=False))
    for line in data.lines:
        hover = f"{line.name}, %{{text}} trials<br>%{{y:.0%}} trained past step %{{x:,}}<extra></extra>"
        look = {"color": data.scale.color(line.beta), "width": 2.2, "shape": "hv"}
        place = {"x": data.steps, "y": line.shares, "mode": "lines", "line": look, "hovertemplate": hover}
        meta = {"ramp": data.scale.place(line.beta), "survival": line.span}
        figure.add_trace(go.Scatter(name=line.name, text=str(line.trials), meta=meta, **place))
    return figure


def foresight_data(study: Study, ranking: Ranking) -> Foresight:
    """Rank correlations of the objectives between each rung and the end; NaN with fewer than FEWEST finished trials."""
    finished = ranking.trials[ranking.trials["scored"]].set_index("trial_id")
    end = int(study.info["steps"])
    rungs = [int(r) for r in study.info.get("rungs", []) if r < end]
    rho: dict[str, list[float]] = {name: [] for name in ranking.objectives}
    for rung in rungs:
        at = study.scores[study.scores["step"] == rung].set_index("trial_id")
        for name, values in rho.items():
            known = at[name].dropna() if name in at else pd.Series(dtype=float)
            both = [i for i in finished.index if i in known.index]
            enough = len(both) >= FEWEST
            values.append(spearman(known[both], finished.loc[both, name]) if enough else float("nan"))
    return Foresight(rungs, rho, len(finished))


def foresight_figure(data: Foresight) -> go.Figure:
    """A line per objective; near 1, a rung's order is the final order, and stopping there loses little."""
    title, x, y = "Does a rung foretell the end?", column("step").axis, "Spearman's ρ with the last value"
    if not any(np.isfinite(v).any() for v in data.rho.values()):
        return empty(title, x, y, f"This needs {FEWEST} finished trials")
    figure = go.Figure(layout=layout(title, xaxis=axis(x, tickvals=data.steps), yaxis=axis(y, range=[-1.05, 1.05])))
    for (name, values), dash in zip(data.rho.items(), DASHES, strict=False):
        line = {"color": QUIET, "width": 2.2, "dash": dash}
        place = {
            "x": data.steps,
            "y": values,
            "mode": "lines+markers",
            "line": line,
            "marker": {"size": 8, "color": QUIET},
        }
        meta = {"ink": 1, "beyond": "ρ is over all trials that finished."}
        hover = (
            f"{column(name).title} at step %{{x:,}}<br>ρ = %{{y:.2f}} over {data.trials} finished trials<extra></extra>"
        )
        figure.add_trace(go.Scatter(name=column(name).title, hovertemplate=hover, meta=meta, **place))
    figure.update_layout(showlegend=True)
    return figure


def wrong_figure(rows: pd.DataFrame, scale: BetaScale) -> go.Figure:
    """A bar per β: of the stopped trials that ran on, the share that was stopped wrongly; from `audited`'s rows."""
    title, x, y = "Was stopping wrong?", "β", "share of the audited trials"
    if rows.empty:
        return empty(title, x, y, "No audited trial has ended")
    share = rows["wrong"] / rows["trials"]
    low, high = np.array([share_interval(w, n) for w, n in zip(rows["wrong"], rows["trials"], strict=True)]).T
    bars = go.Bar(
        x=[f"{beta:g}<br>{w} of {n}" for beta, w, n in zip(rows["beta"], rows["wrong"], rows["trials"], strict=True)],
        y=share,
        error_y={"array": high - share, "arrayminus": share - low, "color": QUIET, "thickness": 1.2, "width": 3},
        marker={"color": [scale.color(beta) for beta in rows["beta"]]},
        hovertemplate="β = %{x}<extra></extra>",
        meta={"ramps": [scale.place(beta) for beta in rows["beta"]], "beyond": "The audit is of all trials."},
    )
    return go.Figure(
        bars, layout(title, xaxis=axis(x, type="category"), yaxis=axis(y, tickformat=".0%", range=[0, 1.05]))
    )
