"""Whether the scores agree: tiles of rank correlations."""

from __future__ import annotations

import re

import numpy as np
import plotly.graph_objects as go

from analysis.agreement import FEWEST, Agreement, agreement
from analysis.columns import column
from analysis.figures.style import DIVERGING, axis, empty, layout
from analysis.ranking import Ranking

OVER = {"trials": "Over trials", "cells": "Over cells, the seeds averaged out"}
MOST = 14  # scores that have room
BRACKETS = re.compile(r" \([^)]*\)")


def agreement_data(ranking: Ranking, over: str) -> Agreement:
    """Rank correlations between the scores that vary, over the finished trials or over the means of the cells."""
    cells = over == "cells"
    table = ranking.cells if cells else ranking.trials[ranking.trials["scored"]]
    column_of = {name: f"{name}_mean" if cells else name for name in ranking.metrics}
    known = [name for name, of in column_of.items() if table[of].nunique() > 1 and table[of].count() >= FEWEST]
    return agreement(table, [column_of[name] for name in known[:MOST]], known[:MOST])


def agreement_figure(data: Agreement, over: str) -> go.Figure:
    """A tile per pair below the diagonal: one end of the scale where both put the trials in the same order."""
    below = np.where(np.tri(len(data.names), k=-1, dtype=bool), data.rho, np.nan)
    if not np.isfinite(below).any():
        return empty(OVER[over], "", "", f"This needs {FEWEST} finished {over}")
    titles = [BRACKETS.sub("", column(name).title) for name in data.names]  # Each still its own: they are categories.
    signs = [-1 if column(name).mode == "min" else 1 for name in data.names]
    followed = {"scores": data.names, "signs": signs, "over": over, "fewest": FEWEST}
    text = [["" if np.isnan(r) else f"{r:.2f}".replace("-", "−") for r in row] for row in below]
    tiles = go.Heatmap(
        x=titles[:-1],
        y=titles[1:],
        z=below[1:, :-1],
        text=[row[:-1] for row in text[1:]],
        texttemplate="%{text}",
        customdata=data.counts[1:, :-1],
        hovertemplate=f"%{{y}}<br>%{{x}}<br>ρ = %{{text}} over %{{customdata}} {over}<extra></extra>",
        colorscale=DIVERGING,
        zmin=-1,
        zmax=1,
        showscale=False,
        xgap=2,
        ygap=2,
        hoverongaps=False,
        meta={"scale": "diverging", "agreement": followed},
    )
    shared = {"type": "category", "showgrid": False, "tickfont": {"size": 10}, "dtick": 1}
    x, y = axis("", tickangle=-40, **shared), axis("", autorange="reversed", **shared)
    return go.Figure(tiles, layout(OVER[over], xaxis=x, yaxis=y))
