"""KL per latent: how many latents a trial uses, and how much each carries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from analysis.figures.style import MAP, axis, empty, layout
from analysis.ranking import Ranking
from analysis.trials import Study

TITLE = "KL per latent"
MOST_TRIALS, MOST_LATENTS = 60, 32


@dataclass(frozen=True)
class Latents:
    """What the figure shows: for each trial, best first, the KL of its latents, falling; NaN beyond its latent size."""

    trial_ids: list[str]
    names: list[str]
    kl: NDArray[np.float64]  # (trials, latents), nats


def latents_data(study: Study, ranking: Ranking) -> Latents:
    """The last reported KL per latent of the first scored trials."""
    trials = ranking.trials[ranking.trials["scored"]]
    if "kl_per_latent" not in trials:
        return Latents([], [], np.empty((0, 0)))
    rows = [(t, t["kl_per_latent"]) for _, t in trials.iterrows() if isinstance(t["kl_per_latent"], (list, np.ndarray))]
    rows = [(t, kl) for t, kl in rows if any(v is not None for v in kl)][:MOST_TRIALS]
    width = min(MOST_LATENTS, max((len(kl) for _, kl in rows), default=0))
    table = np.full((len(rows), width), np.nan)
    for i, (_, kl) in enumerate(rows):
        falling = -np.sort(-np.array([np.nan if v is None else v for v in kl], dtype=float))[:width]
        table[i, : len(falling)] = falling
    names = [f"{t['rank']}. {t['label']}, seed {t.get('seed', '–')}" for t, _ in rows]
    return Latents([str(t["trial_id"]) for t, _ in rows], names, table)


def latents_figure(data: Latents) -> go.Figure:
    """A row per trial, a tile per latent; dark means that the latent carries much."""
    x = "latents, the strongest first"
    if not data.trial_ids:
        return empty(TITLE, x, "trial", "No finished trial reported its KL per latent")
    tiles = go.Heatmap(
        x=[str(i + 1) for i in range(data.kl.shape[1])],
        y=data.names,
        z=data.kl,
        customdata=[[trial_id] * data.kl.shape[1] for trial_id in data.trial_ids],
        hovertemplate="%{y}<br>latent %{x} by strength: %{z:.3g} nats<extra></extra>",
        colorscale=MAP,
        xgap=2,
        ygap=1,
        colorbar={"title": {"text": "nats"}, "thickness": 8, "outlinewidth": 0},
        meta={"scale": "map", "rows": 1},
    )
    y = axis("", type="category", autorange="reversed", showgrid=False, tickfont={"size": 10})
    return go.Figure(tiles, layout(TITLE, xaxis=axis(x, type="category", showgrid=False), yaxis=y))
