"""Mutual information: what each latent of a trial says of each factor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from analysis.figures.style import MAP, QUIET, axis, layout
from analysis.latents import Latent
from analysis.ranking import Ranking
from analysis.trials import Study

MOST_LATENTS = 32
MOST_PANELS = 4
DEAD = "rgba(128,128,128,0.14)"


@dataclass(frozen=True)
class Information:
    """One trial's latents, the strongest first.

    Attributes:
        latents: in words: "z3 · 2.61 nats" of KL.
        nats: (D, K), the mutual information between each latent's mean and each factor.
        dead: how many of them, the last ones, carry next to nothing.
    """

    latents: list[str]
    nats: NDArray[np.float64]
    dead: int


def information_of(matrix: Any, kl: Any) -> Information | None:
    """From a report's `mutual_information` and `kl_per_latent`; None where it has not both."""
    if not isinstance(matrix, (list, np.ndarray)) or not isinstance(kl, (list, np.ndarray)) or len(kl) != len(matrix):
        return None
    strength = np.array([np.nan if v is None else v for v in kl], float)
    order = np.argsort(-np.nan_to_num(strength, nan=np.inf), kind="stable")[:MOST_LATENTS]
    latents = [Latent(int(d), float(strength[d])) for d in order]
    words = [f"{of.symbol} · {'dead' if of.dead else of.amount if of.kl == of.kl else 'KL unknown'}" for of in latents]
    nats = np.array([matrix[latent.latent] for latent in latents], float)
    return Information(words, nats, sum(latent.dead for latent in latents))


def information_table(trials: pd.DataFrame) -> list[Information | None]:
    """That of each trial of a ranking, at its last report."""
    if not {"mutual_information", "kl_per_latent"} <= set(trials):
        return [None] * len(trials)
    return [information_of(*of) for of in zip(trials["mutual_information"], trials["kl_per_latent"], strict=True)]


def best_informed(ranking: Ranking) -> pd.DataFrame:
    """The finished trials of the best cell, as many as have room; before any has finished, those of the first cell."""
    trials = ranking.trials
    if "mutual_information" not in trials:
        return trials.head(0)
    known = trials[trials["mutual_information"].map(lambda matrix: isinstance(matrix, (list, np.ndarray)))]
    if known.empty:
        return known
    first = known.sort_values(["scored", "cell"], ascending=[False, True], kind="stable").iloc[0]
    return known[(known["cell"] == first["cell"]) & (known["scored"] == first["scored"])].head(MOST_PANELS)


def information_figure(trial_id: str, data: Information, title: str, factors: Sequence[str]) -> go.Figure:
    """A row per latent, a column per factor, the nats in each tile; dead latents without a colour.

    Args:
        trial_id, data: the trial.
        title: who it is.
        factors: (K,) in words.
    """
    living = np.arange(len(data.latents)) < len(data.latents) - data.dead
    meta: dict[str, Any] = {"trial": trial_id}
    tiles = [
        _tiles(data, living, factors, colorscale=MAP, zmin=0, meta=meta | {"scale": "map"}),
        _tiles(data, ~living, factors, colorscale=[[0, DEAD], [1, DEAD]], textfont={"color": QUIET}, meta=meta),
    ]
    x = axis("", type="category", showgrid=False, tickfont={"size": 11})
    y = axis("", type="category", showgrid=False, tickfont={"size": 11}, autorange="reversed", categoryorder="array")
    return go.Figure(tiles, layout(title, xaxis=x, yaxis=y | {"categoryarray": data.latents}))


def _tiles(data: Information, rows: NDArray[np.bool_], factors: Sequence[str], **look: Any) -> go.Heatmap:
    return go.Heatmap(
        x=list(factors),
        y=data.latents,
        z=np.where(rows[:, None], data.nats, np.nan),
        texttemplate="%{z:.2f}",
        hovertemplate="%{y} of KL<br>%{x}: %{z:.3f} nats<extra></extra>",
        hoverongaps=False,
        showscale=False,
        xgap=2,
        ygap=2,
        **look,
    )


def factor_words(study: Study) -> list[str]:
    """The factors with the most that anything can say of each: the logarithm of its number of values, in nats."""
    of = study.info["data"]
    return [f"{n}<br>≤ {log(size):.2f}" for n, size in zip(of["factor_names"], of["factor_sizes"], strict=True)]
