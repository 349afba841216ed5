"""How every figure looks: colours that survive colour blindness and both themes, symbols, axes, the empty figure.

β is a colour on a log scale: the plasma ramp, cut at both ends so that it stands out on paper and on a dark page,
rising in lightness all the way, so that it also reads in grey. The latent size is a symbol. Anything that is not β is
ink. The page restyles for its theme by what a trace says of itself in `meta`: {"ramp": 0..1}, {"ink": 1}, {"scale":
"map"}. How it shows what is picked on the page stands there too, under one of these:

    trial     one trial's: hidden with it; the panels of mutual information make room for those that are picked
    trials    marks of trials, their ids in customdata: the others fade
    cells     marks of cells, their ranks first in customdata: those of a trial that is not picked fade
    rows      tiles of trials, their ids in customdata: the rows of the others go
    parallel  the ids of its lines: the others go
    map, agreement, survival: what the page needs to compute it again, from the trials that are picked
    beyond    a sentence for people: it can't follow, and says what it shows instead
    scenery   it shows no trials
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from analysis.ranking import Ranking

RAMP = ["#2c0594", "#6300a7", "#8f0da4", "#b5308b", "#d5546e", "#ec7853", "#f89f3f"]  # plasma from 0.05 to 0.80
DARK_RAMP = ["#8b0aa5", "#ab2494", "#c73e7e", "#de5f65", "#f07f4f", "#fba238", "#fcce25"]  # plasma from 0.33 to 0.90
MAP = ["#eef1ec", "#bcd6d0", "#7fb5b0", "#3f8d8c", "#0e5d63"]  # a score's size: never mistaken for β
DARK_MAP = ["#1d2a2b", "#24494a", "#2f6f6e", "#4d9c97", "#9ad7cd"]
DIVERGING = ["#a34a0c", "#e0a065", "#f4f1ea", "#86a9cf", "#2c5c99"]  # disagreement, nothing, agreement
DARK_DIVERGING = ["#e08b4a", "#7a4a28", "#222226", "#34557d", "#7fb0e8"]
INK = "#3b3a36"
QUIET = "#8a877f"
SYMBOLS = (
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "cross",
    "star",
    "hexagon",
    "triangle-down",
    "pentagon",
    "bowtie",
)
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
FEW_BETAS = 12  # So many have a chip each to filter by.
BETA_BINS = 8
WEBGL_FROM = 1500  # Points from which a scatter is drawn by WebGL.


class BetaScale:
    """Where each β lies on the ramp, by its logarithm."""

    def __init__(self, betas: Iterable[float]) -> None:
        self.betas = sorted({float(b) for b in betas if pd.notna(b) and b > 0})
        ends = (self.betas[0], self.betas[-1]) if self.betas else (1.0, 10.0)
        self.low, self.high = float(np.log10(ends[0])), float(np.log10(ends[1]))

    def place(self, beta: float) -> float:
        """0 for the smallest β, 1 for the largest; a single β lies in the middle."""
        return float((np.log10(beta) - self.low) / (self.high - self.low)) if self.high > self.low else 0.5

    def color(self, beta: float) -> str:
        """The colour of a line on a light page."""
        return str(sample_colorscale(RAMP, [self.place(beta)])[0])

    def axis(self) -> dict[str, Any]:
        """The colour axis for markers whose colour is log10 β."""
        ticks = (
            self.betas
            if len(self.betas) <= 8
            else [self.betas[i] for i in np.linspace(0, len(self.betas) - 1, 6).astype(int)]
        )
        pad = 0 if self.high > self.low else 1
        bar = {"title": {"text": "β"}, "tickvals": np.log10(ticks).tolist(), "ticktext": [f"{b:g}" for b in ticks]}
        bar |= {"thickness": 10, "len": 0.7, "outlinewidth": 0}
        return {"colorscale": _scale(RAMP), "cmin": self.low - pad, "cmax": self.high + pad, "colorbar": bar}


class Key(NamedTuple):
    """How a study's β and latent sizes are shown: of all its trials, so that every figure shows them alike."""

    scale: BetaScale
    symbol: dict[float, str]


def key(ranking: Ranking) -> Key:
    """The key to the marks of a study."""
    return Key(BetaScale(ranking.trials["beta"]), symbols(ranking.trials["latent_dim"]))


def beta_groups(table: pd.DataFrame) -> list[tuple[str, float, pd.DataFrame]]:
    """A table's rows by β: one group per β up to FEW_BETAS, else BETA_BINS groups of equal width in log β.

    Returns:
        name ("β = 4", "β from 2 to 5"), the geometric mean of its β, its rows; by rising β.
    """
    logs = np.log10(table["beta"].astype(float))
    keys = table["beta"] if table["beta"].nunique() <= FEW_BETAS else pd.cut(logs, BETA_BINS, labels=False)
    groups = []
    for _, rows in table.groupby(keys):
        low, high = float(rows["beta"].min()), float(rows["beta"].max())
        name = f"β = {low:.3g}" if low == high else f"β from {low:.3g} to {high:.3g}"
        groups.append((name, low if low == high else float(10 ** logs[rows.index].mean()), rows))
    return groups


def symbols(latents: Iterable[float]) -> dict[float, str]:
    """A symbol for each latent size, in rising order; they repeat after ten."""
    return {size: SYMBOLS[i % len(SYMBOLS)] for i, size in enumerate(sorted(set(latents)))}


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis with a title, quiet lines and no box."""
    title_font = {"size": 13}
    line = {
        "gridcolor": "rgba(128,128,128,0.18)",
        "zeroline": False,
        "linecolor": QUIET,
        "ticks": "outside",
        "ticklen": 4,
    }
    return {
        "title": {"text": title, "font": title_font, "standoff": 8},
        "tickcolor": QUIET,
        "automargin": True,
        **line,
        **more,
    }


def layout(title: str, **more: Any) -> go.Layout:
    """The layout all figures share; transparent, so that the page's colour shows."""
    shared: dict[str, Any] = {
        "title": {"text": title, "font": {"size": 15}, "x": 0, "xref": "paper", "xanchor": "left"},
        "font": {"family": FONT, "size": 12, "color": INK},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 56, "r": 16, "t": 44, "b": 48},
        "hoverlabel": {"font": {"family": FONT, "size": 12}, "align": "left"},
        "hovermode": "closest",
        "dragmode": "zoom",
        "legend": {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 1, "xanchor": "right"},
        "template": "none",
    }
    return go.Layout(**shared | more)


def empty(title: str, x: str, y: str, why: str = "No numbers yet") -> go.Figure:
    """A titled figure with axes and no data, hence without ticks, that says why."""
    note = {
        "text": why,
        "showarrow": False,
        "xref": "paper",
        "yref": "paper",
        "x": 0.5,
        "y": 0.5,
        "font": {"size": 14, "color": QUIET},
    }
    bare = {"showticklabels": False, "showgrid": False, "ticks": ""}
    return go.Figure(layout=layout(title, xaxis=axis(x, **bare), yaxis=axis(y, **bare), annotations=[note]))


def scatter(points: int) -> type[go.Scatter] | type[go.Scattergl]:
    """The trace class for this many points: SVG is crisp and printable, WebGL is fast."""
    return go.Scattergl if points >= WEBGL_FROM else go.Scatter


def _scale(colors: Sequence[str]) -> list[list[Any]]:
    return [[i / (len(colors) - 1), c] for i, c in enumerate(colors)]
