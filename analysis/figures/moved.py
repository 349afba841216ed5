"""What moved the outcome: bars of the shares of variance."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from analysis.columns import Column, column
from analysis.effects import SEED, TOGETHER, by_coordinate, variance_split
from analysis.figures.style import QUIET, axis, layout
from analysis.ranking import Ranking

TEAL, PALE = "#3f8d8c", "#a9a69c"


class Moved(NamedTuple):
    """What the figure shows: the score, and the share of its variance per source with its interval."""

    column: Column
    shares: pd.DataFrame


def moved_data(ranking: Ranking, metric: str) -> Moved:
    """The variance split of a score; without rows where it can't be told."""
    return Moved(column(metric), variance_split(ranking, metric))


def coordinates_data(ranking: Ranking, metric: str) -> Moved:
    """What single coordinates explain of a score; without rows where it can't be told."""
    return Moved(column(metric), by_coordinate(ranking, metric))


def moved_figure(data: Moved) -> go.Figure:
    """A bar per source, the seed's in grey: what no setting controls."""
    title = data.column.title[0].upper() + data.column.title[1:]
    table = data.shares.iloc[::-1]
    names = {TOGETHER: "β × latent size", SEED: "seed", "beta_norm": "β·M/N", "kl": "rate (KL)"}
    spans = {"array": table["high"] - table["share"], "arrayminus": table["share"] - table["low"], "symmetric": False}
    bars = go.Bar(
        orientation="h",
        x=table["share"],
        y=[names.get(s, column(s).title) for s in table["source"]],
        error_x={**spans, "color": QUIET, "thickness": 1.2, "width": 3},
        marker={"color": [PALE if s == SEED else TEAL for s in table["source"]]},
        hovertemplate="%{y}: %{x:.0%} of the variance<extra></extra>",
        meta={"beyond": "The shares and their intervals are of all trials that finished."},
    )
    x = axis("share of the variance", tickformat=".0%", range=[0, 1.02])
    return go.Figure(bars, layout(title, xaxis=x, yaxis=axis("", type="category", showgrid=False), bargap=0.35))
