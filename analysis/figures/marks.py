"""Marks: the trials and cells of a study as points of a figure, and what they say; every name is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns import Column, measured
from analysis.figures.style import Key, scatter


def trial_names(trials: pd.DataFrame) -> list[str]:
    """Who each trial is, and where it ended if it did not finish: all that does not depend on what is drawn."""
    seeds = trials["seed"] if "seed" in trials else ["–"] * len(trials)
    columns = (trials["trial_id"], seeds, trials["label"], trials["scored"], trials["status"], trials["step"])
    return [
        f"<b>{escape(str(trial_id))}</b> · seed {seed}<br>{escape(label)}"
        + ("" if scored else f"<br>{status} at step {step:,}")
        for trial_id, seed, label, scored, status, step in zip(*columns, strict=True)
    ]


def trial_trace(
    table: pd.DataFrame, key: Key, x: Column, y: Column, *, size: int, name: str = "trials", suffix: str = ""
) -> go.Scatter | go.Scattergl:
    """A mark per trial, which the page filters and opens.

    Args:
        table: trial_id, x, y, beta, latent_dim, name.
        key: to the marks.
        x, y: the meaning of the places.
        size: of a mark, in pixels.
        name: of the trace.
        suffix: "-open" for hollow marks.
    """
    marker = {"size": size, "opacity": 0.75, "color": np.log10(table["beta"]), "coloraxis": "coloraxis"}
    marker["symbol"] = [key.symbol[latents] + suffix for latents in table["latent_dim"]]
    lines = "".join(f"<br>{c.title} %{{{a}:.4g}} {c.unit}" for a, c in (("x", x), ("y", y)))
    points = {
        "x": table["x"],
        "y": table["y"],
        "customdata": table["trial_id"].tolist(),
        "text": table["name"].tolist(),
    }
    hover = {"hovertemplate": f"%{{text}}{lines}<extra></extra>", "meta": {"trials": 1}}
    return scatter(len(table))(name=name, mode="markers", marker=marker, **points, **hover)


def cell_names(cells: pd.DataFrame) -> list[str]:
    """Which cell each is, and how many of its seeds finished."""
    columns = (cells["rank"], cells["label"], cells["scored"], cells["trials"])
    return [
        f"<b>#{rank} {escape(label)}</b><br>{scored} of {trials} seed{'' if trials == 1 else 's'} finished"
        for rank, label, scored, trials in zip(*columns, strict=True)
    ]


def cell_words(cell: Mapping[Any, Any], score: str) -> str:
    """A cell's score in words: mean ± standard deviation, and the interval of the mean where there is one."""
    words = measured(cell[f"{score}_mean"], cell[f"{score}_std"])
    if pd.isna(cell[f"{score}_low"]):
        return words
    return f"{words}; mean in {measured(cell[f'{score}_low'])} to {measured(cell[f'{score}_high'])} (95 %)"


def cell_template(x: Column, y: Column) -> str:
    """The hover template of a cell; customdata is (rank, words of x, words of y)."""
    lines = "".join(f"<br>{c.title} %{{customdata[{i}]}}" for i, c in ((1, x), (2, y)))
    return f"%{{text}}{lines}<extra></extra>"
