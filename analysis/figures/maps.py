"""Maps: a score over β and latent size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from analysis.columns import Column, column, measured, number
from analysis.figures.style import MAP, axis, empty, layout
from analysis.ranking import Ranking

MOST = 24  # β values or latent sizes that a map has room for


@dataclass(frozen=True)
class Map:
    """What the figure shows: means over finished trials (latent sizes, betas), NaN where none; their number."""

    column: Column
    betas: list[float]
    latent_dims: list[int]
    means: NDArray[np.float64]
    seeds: NDArray[np.int64]


def map_data(ranking: Ranking, metric: str) -> Map:
    """The mean of a score for each β and latent size, over the seeds and all other settings."""
    trials = ranking.trials
    betas, sizes = sorted(trials["beta"].unique()), sorted(trials["latent_dim"].unique())
    scored = trials[trials["scored"]].assign(value=lambda t: pd.to_numeric(t[metric]))
    groups = scored.groupby(["latent_dim", "beta"])["value"]
    grid = pd.MultiIndex.from_product([sizes, betas])
    means = groups.mean().reindex(grid).to_numpy(float).reshape(len(sizes), len(betas))
    seeds = groups.count().reindex(grid, fill_value=0).to_numpy(int).reshape(len(sizes), len(betas))
    return Map(column(metric), [float(b) for b in betas], [int(s) for s in sizes], means, seeds)


def map_figure(data: Map) -> go.Figure:
    """A tile for each β and latent size, with its mean; the stronger the colour, the better."""
    title = data.column.axis[0].upper() + data.column.axis[1:]
    if not np.isfinite(data.means).any():
        return empty(title, "β", "latent size", "No trial has finished yet")
    betas, sizes = [number(b) for b in data.betas], [str(s) for s in data.latent_dims]
    text = [[measured(v) if np.isfinite(v) else "" for v in row] for row in data.means]
    tiles = go.Heatmap(
        x=betas,
        y=sizes,
        z=data.means,
        text=text,
        texttemplate="%{text}",
        customdata=data.seeds,
        hovertemplate="β = %{x}, %{y} latents<br>%{text} over %{customdata} trials<extra></extra>",
        colorscale=MAP,
        reversescale=data.column.mode == "min",
        showscale=False,
        xgap=2,
        ygap=2,
        meta={"scale": "map", "map": {"score": data.column.name, "betas": data.betas, "sizes": data.latent_dims}},
    )
    x, y = axis("β", type="category", showgrid=False), axis("latent size", type="category", showgrid=False)
    return go.Figure(tiles, layout(title, xaxis=x, yaxis=y))


def has_map(ranking: Ranking) -> bool:
    """Whether the study is a grid that a map can show: more than one β or latent size, and not too many."""
    betas, sizes = ranking.trials["beta"].nunique(), ranking.trials["latent_dim"].nunique()
    return bool(betas * sizes > 1 and betas <= MOST and sizes <= MOST)
