"""Ranking without labels: what UDR would have picked, and what that costs in a score that needs labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns import Column, column, measured
from analysis.figures.marks import trial_names, trial_trace
from analysis.figures.style import INK, Key, axis, key, layout
from analysis.label_free import Regret, regret, tied
from analysis.ranking import Ranking

BEYOND = "The ring and the regret are of all trials that finished."


@dataclass(frozen=True)
class LabelFree:
    """What the figure shows: the score, the trials with a UDR (trial_id, x: UDR, y: the score, beta, latent_dim, name;
    the highest UDR first), the cost of following it, the key to the marks."""

    column: Column
    trials: pd.DataFrame
    regret: Regret
    key: Key


def label_free_data(ranking: Ranking, score: str) -> LabelFree | None:
    """UDR against a score over the finished trials; None where no trial has both."""
    if "udr" not in ranking.trials or (cost := regret(ranking.trials, score)) is None:
        return None
    trials = ranking.trials.assign(x=lambda t: t["udr"], y=lambda t: pd.to_numeric(t[score]))
    trials = trials[np.isfinite(trials[["x", "y"]]).all(axis=1)].sort_values("x", ascending=False, kind="stable")
    trials = trials.assign(name=trial_names(trials))
    columns = ["trial_id", "x", "y", "beta", "latent_dim", "name"]
    return LabelFree(column(score), trials[columns].reset_index(drop=True), cost, key(ranking))


def label_free_figure(data: LabelFree) -> go.Figure:
    """A mark per finished trial, a ring around the one that UDR picks or those that tie, the regret in words."""
    x, title = column("udr"), data.column.title[0].upper() + data.column.title[1:]
    axes = {"xaxis": axis(x.axis), "yaxis": axis(data.column.axis), "coloraxis": data.key.scale.axis()}
    figure = go.Figure(layout=layout(title, showlegend=False, **axes))
    figure.update_layout(margin_t=88)  # Room for three lines of words.
    figure.add_trace(trial_trace(data.trials, data.key, x, data.column, size=9))
    picks = data.trials[tied(data.trials["x"].to_numpy(float))]
    ring = {"size": 20, "symbol": "circle-open", "color": INK, "line": {"width": 1.5}}
    place = {"x": picks["x"], "y": picks["y"], "mode": "markers", "marker": ring, "hoverinfo": "skip"}
    figure.add_trace(go.Scatter(name="picked", meta={"ink": 1, "beyond": BEYOND}, **place))
    where = {"xref": "paper", "yref": "paper", "x": 0, "y": 1, "xanchor": "left", "yanchor": "bottom"}
    figure.add_annotation(text=words(data), showarrow=False, font={"size": 12}, align="left", **where)
    return figure


def words(data: LabelFree) -> str:
    """The regret in lines: "picks 0.103, best 0.148", "regret 0.045, blindly 0.061", "ρ = 0.40"."""
    of = data.regret
    rho = "" if np.isnan(of.rho) else f"<br>ρ = {of.rho:.2f}".replace("-", "−")
    numbers = (measured(v) for v in (of.picked, of.best, of.regret, of.chance))
    ties = f" ({of.ties} tie)" if of.ties > 1 else ""
    return "picks {}{ties}, best {}<br>regret {}, blindly {}{rho}".format(*numbers, rho=rho, ties=ties)
