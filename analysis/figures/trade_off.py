"""The trade-off: what each cell and seed gives in the two things that pull against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns import Column, column, measured
from analysis.figures.style import INK, QUIET, WEBGL_FROM, BetaScale, axis, empty, layout, scatter, symbols
from analysis.front import on_front
from analysis.ranking import Ranking

TITLE = "Trade-off"


@dataclass(frozen=True)
class TradeOff:
    """What the figure shows.

    Attributes:
        x, y: the meaning of the axes.
        trials: trial_id, x, y, beta, latent_dim, scored, status, step, hover; those with both numbers only.
        cells: rank, x, y, x_std, y_std, beta, latent_dim, front, hover; scored cells only, `front` is that of these two
            axes.
    """

    x: Column
    y: Column
    trials: pd.DataFrame
    cells: pd.DataFrame


def trade_off_data(ranking: Ranking, x: str = "reconstruction", y: str = "mig") -> TradeOff:
    """The trials' and cells' values of two scores on the validation split.

    Raises:
        KeyError: the ranking has no such score.
    """
    trials = ranking.trials
    seeds = pd.DataFrame({"trial_id": trials["trial_id"], "x": pd.to_numeric(trials[x]), "y": pd.to_numeric(trials[y])})
    seeds = seeds.join(trials[["beta", "latent_dim", "scored", "status", "step"]])
    seeds["hover"] = [_trial_hover(t, x, y) for t in trials.to_dict("records")]
    seeds = seeds[np.isfinite(seeds[["x", "y"]]).all(axis=1)]
    scored = ranking.cells[ranking.cells["scored"] > 0]
    cells = scored[["rank", "beta", "latent_dim"]].copy()
    for name, score in (("x", x), ("y", y)):
        cells[name], cells[f"{name}_std"] = scored[f"{score}_mean"], scored[f"{score}_std"]
    modes = [column(x).mode or "min", column(y).mode or "max"]
    cells["front"] = on_front(cells[["x", "y"]].to_numpy(float), modes)
    cells["hover"] = [_cell_hover(c, x, y) for c in scored.to_dict("records")]
    return TradeOff(column(x), column(y), seeds.reset_index(drop=True), cells.reset_index(drop=True))


def trade_off_figure(data: TradeOff) -> go.Figure:
    """Seeds small, hollow where they did not finish; cell means large with their spread; the line the front attains."""
    titles = [
        f"{c.axis} {arrow}" for c, arrow in ((data.x, _better(data.x, "←", "→")), (data.y, _better(data.y, "↓", "↑")))
    ]
    if data.trials.empty:
        return empty(TITLE, titles[0], titles[1], "No trial has reported both scores yet")
    scale = BetaScale(data.trials["beta"])
    figure = go.Figure(layout=layout(TITLE, coloraxis=scale.axis(), xaxis=axis(titles[0]), yaxis=axis(titles[1])))
    symbol = symbols(data.trials["latent_dim"])
    trace = scatter(len(data.trials))
    for scored, name, suffix in ((False, "not finished", "-open"), (True, "seeds", "")):
        some = data.trials[data.trials["scored"] == scored]
        marker = {"size": 7, "opacity": 0.65, "color": np.log10(some["beta"]), "coloraxis": "coloraxis"}
        marker["symbol"] = [symbol[size] + suffix for size in some["latent_dim"]]
        points = {"x": some["x"], "y": some["y"], "customdata": some["trial_id"].tolist(), "hovertext": some["hover"]}
        figure.add_trace(
            trace(name=name, mode="markers", marker=marker, hoverinfo="text", meta={"trials": 1}, **points)
        )
    front = data.cells[data.cells["front"]].sort_values("x", ascending=data.x.mode != "max")
    line = {"color": INK, "width": 1.5, "dash": "dot", "shape": "hv"}
    steps = {"x": front["x"], "y": front["y"], "mode": "lines", "line": line, "hoverinfo": "skip"}
    figure.add_trace(go.Scatter(name="front", meta={"ink": 1}, **steps))
    figure.add_trace(_cell_trace(data.cells, symbol))
    figure.update_xaxes(range=_span(data, "x")).update_yaxes(range=_span(data, "y"))
    return figure


def _cell_trace(cells: pd.DataFrame, symbol: dict[float, str]) -> go.Scatter | go.Scattergl:
    marker = {
        "size": 15 if len(cells) < WEBGL_FROM else 8,
        "color": np.log10(cells["beta"]),
        "coloraxis": "coloraxis",
        "line": {"width": 1.2, "color": INK},
    }
    marker["symbol"] = [symbol.get(size, "circle") for size in cells["latent_dim"]]
    look = {"color": QUIET, "thickness": 1.2, "width": 0}
    bars = {f"error_{a}": {"array": s.fillna(0), **look} for a in "xy" if (s := cells[f"{a}_std"]).notna().any()}
    points = {
        "x": cells["x"],
        "y": cells["y"],
        "hovertext": cells["hover"],
        "hoverinfo": "text",
        "customdata": cells["rank"].tolist(),
    }
    look = {"marker": marker, "meta": {"cells": 1}, "mode": "markers"}
    return scatter(len(cells))(name="cell mean ± std", **look, **bars, **points)


def _span(data: TradeOff, name: str) -> list[float] | None:
    """The range that holds what finished; trials stopped far outside it must not squeeze the rest."""
    seeds = data.trials.loc[data.trials["scored"], name]
    if seeds.empty:
        return None
    spread = data.cells[f"{name}_std"].fillna(0)
    low = min(seeds.min(), (data.cells[name] - spread).min())
    high = max(seeds.max(), (data.cells[name] + spread).max())
    pad = 0.07 * (high - low) or 0.1 * abs(high) or 0.1
    return [float(low - pad), float(high + pad)]


def _better(of: Column, less: str, more: str) -> str:
    """An arrow that points to the better side, for an axis whose small end is left or below."""
    return {"min": f"  {less} better", "max": f"  better {more}", None: ""}[of.mode]


def _trial_hover(trial: Mapping[Any, Any], x: str, y: str) -> str:
    values = "".join(f"<br>{column(c).title} {measured(trial[c])} {column(c).unit}" for c in (x, y))
    where = "" if trial["scored"] else f"<br>{trial['status']} at step {trial['step']:,}"
    name = f"<b>{escape(str(trial['trial_id']))}</b> · seed {trial.get('seed', '–')}"
    return f"{name}<br>{escape(trial['label'])}{values}{where}"


def _cell_hover(cell: Mapping[Any, Any], x: str, y: str) -> str:
    lines = [f"<b>#{cell['rank']} {escape(cell['label'])}</b>"]
    for name in (x, y):
        lines.append(f"{column(name).title} {measured(cell[f'{name}_mean'], cell[f'{name}_std'])} {column(name).unit}")
        if pd.notna(cell[f"{name}_low"]):
            lines.append(
                f"   95 % interval of the mean {measured(cell[f'{name}_low'])} to {measured(cell[f'{name}_high'])}"
            )
    lines.append(f"{cell['scored']} of {cell['trials']} seeds finished")
    return "<br>".join(lines)
