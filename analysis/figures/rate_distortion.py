"""The rate–distortion plane: how many nats the codes spend, and what they buy in reconstruction.

Alemi et al. 2018, Fixing a Broken ELBO, arXiv:1711.00464
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns import column
from analysis.figures.marks import trial_names, trial_trace
from analysis.figures.style import QUIET, Key, axis, empty, key, layout
from analysis.ranking import Ranking
from analysis.trials import Study

TITLE = "Rate and distortion"
RATE, DISTORTION = column("kl")._replace(title="rate"), column("reconstruction")._replace(title="distortion")


@dataclass(frozen=True)
class RateDistortion:
    """What the figure shows.

    Attributes:
        trials: trial_id, x (rate), y (distortion; nats per image), beta, latent_dim, name (in words); finished trials
            with both numbers.
        images: N of the data set: ln N nats name every image, a rate above it is spent on nothing new. None: unknown.
        key: to the marks.
    """

    trials: pd.DataFrame
    images: int | None
    key: Key


def rate_distortion_data(study: Study, ranking: Ranking) -> RateDistortion:
    """KL and reconstruction of the finished trials on the validation split."""
    trials = ranking.trials[ranking.trials["scored"]]
    columns = ["trial_id", "x", "y", "beta", "latent_dim", "name"]
    images = study.info.get("data", {}).get("images")
    if "kl" not in trials or "reconstruction" not in trials:
        return RateDistortion(pd.DataFrame(columns=columns), images, key(ranking))
    table = trials.assign(x=pd.to_numeric(trials["kl"]), y=pd.to_numeric(trials["reconstruction"]))
    table["name"] = trial_names(table)
    known = np.isfinite(table[["x", "y"]].to_numpy(float)).all(axis=1)
    return RateDistortion(table.loc[known, columns].reset_index(drop=True), images, key(ranking))


def rate_distortion_figure(data: RateDistortion) -> go.Figure:
    """A mark per finished trial; a line at ln N; dotted diagonals along which the ELBO is equal."""
    x, y = "rate: KL (nats per image)", "distortion: reconstruction (nats per image)"
    if data.trials.empty:
        return empty(TITLE, x, y, "No trial has finished yet")
    table, colors = data.trials, data.key.scale.axis()
    figure = go.Figure(layout=layout(TITLE, coloraxis=colors, xaxis=axis(x), yaxis=axis(y), showlegend=False))
    figure.add_traces(_equal_elbo(table))
    figure.add_trace(trial_trace(table, data.key, RATE, DISTORTION, size=10))
    if data.images:
        note = {"text": f"ln N = {log(data.images):.2f} nats", "font": {"size": 11, "color": QUIET}}
        line = {"color": QUIET, "width": 1.2, "dash": "dash"}
        figure.add_vline(x=log(data.images), line=line, annotation={**note, "xanchor": "left", "yanchor": "top"})
    return figure


def _equal_elbo(table: pd.DataFrame) -> list[go.Scatter]:
    """Lines of equal rate + distortion through the plane, behind the marks."""
    total = table["x"] + table["y"]
    low, high = float(table["x"].min()), float(table["x"].max())
    ends = np.array([low, high]) if high > low else np.array([low - 1, low + 1])
    lines = []
    for level in np.unique(np.linspace(total.min(), total.max(), 5)):
        look = {"line": {"color": QUIET, "width": 0.8, "dash": "dot"}, "opacity": 0.5, "hoverinfo": "skip"}
        lines.append(
            go.Scatter(x=ends, y=level - ends, mode="lines", name=f"ELBO −{level:.4g}", meta={"scenery": 1}, **look)
        )
    return lines
