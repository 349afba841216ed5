"""The trade-off: what each cell and seed gives in the two things that pull against each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns import Column, column, measured
from analysis.figures.marks import cell_names, cell_template, cell_words, trial_names, trial_trace
from analysis.figures.style import INK, QUIET, WEBGL_FROM, Key, axis, empty, key, layout, scatter
from analysis.front import on_front
from analysis.ranking import Ranking
from analysis.yardsticks import Yardstick, of_score

TITLE = "Trade-off"
BEYOND = "A cell stays lit where all its trials that finished are picked; the dotted line is the front of all trials."


@dataclass(frozen=True)
class TradeOff:
    """What the figure shows.

    Attributes:
        x, y: the meaning of the axes.
        trials: trial_id, x, y, beta, latent_dim, scored, name (in words); those with both numbers only.
        cells: rank, x, y, x_std, y_std, x_words, y_words, beta, latent_dim, front, knee, name; scored cells only; the
            front is that of these two axes, the knee the ranking's, if they are the objectives.
        key: to the marks.
        yardsticks: null and ceiling rows of y.
    """

    x: Column
    y: Column
    trials: pd.DataFrame
    cells: pd.DataFrame
    key: Key
    yardsticks: list[Yardstick]


def trade_off_data(ranking: Ranking, x: str = "reconstruction", y: str = "mig") -> TradeOff:
    """The trials' and cells' values of two scores on the validation split.

    Raises:
        KeyError: the ranking has no such score.
    """
    trials = ranking.trials
    seeds = pd.DataFrame({"trial_id": trials["trial_id"], "x": pd.to_numeric(trials[x]), "y": pd.to_numeric(trials[y])})
    seeds = seeds.join(trials[["beta", "latent_dim", "scored"]]).assign(name=trial_names(trials))
    seeds = seeds[np.isfinite(seeds[["x", "y"]]).all(axis=1)]
    scored = ranking.cells[ranking.cells["scored"] > 0]
    cells = scored[["rank", "beta", "latent_dim"]].assign(name=cell_names(scored))
    for name, score in (("x", x), ("y", y)):
        cells[name], cells[f"{name}_std"] = scored[f"{score}_mean"], scored[f"{score}_std"]
        parts = scored[[f"{score}_{part}" for part in ("mean", "std", "low", "high")]].to_dict("records")
        cells[f"{name}_words"] = [cell_words(part, score) for part in parts]
    modes = [column(x).mode or "min", column(y).mode or "max"]
    cells["knee"] = (cells["rank"] == ranking.knee) & ([x, y] == list(ranking.objectives))
    cells["front"] = on_front(cells[["x", "y"]].to_numpy(float), modes)
    seeds, cells = seeds.reset_index(drop=True), cells.reset_index(drop=True)
    return TradeOff(column(x), column(y), seeds, cells, key(ranking), of_score(ranking.yardsticks, column(y)))


def trade_off_figure(data: TradeOff) -> go.Figure:
    """Seeds small, hollow where they did not finish; cell means large with their spread; the line the front attains."""
    titles = [
        f"{c.axis} {arrow}" for c, arrow in ((data.x, _better(data.x, "←", "→")), (data.y, _better(data.y, "↓", "↑")))
    ]
    if data.trials.empty:
        return empty(TITLE, titles[0], titles[1], "No trial has reported both scores yet")
    axes = {"coloraxis": data.key.scale.axis(), "xaxis": axis(titles[0]), "yaxis": axis(titles[1])}
    figure = go.Figure(layout=layout(TITLE, **axes))
    for scored, name, suffix in ((False, "not finished", "-open"), (True, "seeds", "")):
        some = data.trials[data.trials["scored"] == scored]
        figure.add_trace(trial_trace(some, data.key, data.x, data.y, size=7, name=name, suffix=suffix))
    front = data.cells[data.cells["front"]].sort_values("x", ascending=data.x.mode != "max")
    line = {"color": INK, "width": 1.5, "dash": "dot", "shape": "hv"}
    steps = {"x": front["x"], "y": front["y"], "mode": "lines", "line": line, "hoverinfo": "skip"}
    figure.add_trace(go.Scatter(name="front", meta={"ink": 1, "beyond": BEYOND}, **steps))
    figure.add_trace(_cell_trace(data))
    figure.update_xaxes(range=_span(data, "x")).update_yaxes(range=_span(data, "y"))
    _add_yardsticks(figure, data.yardsticks)
    for _, cell in data.cells[data.cells["knee"]].iterrows():
        place = {"x": cell["x"], "y": cell["y"], "xanchor": "left", "xshift": 12, "yshift": 10, "showarrow": False}
        figure.add_annotation(text="knee", font={"size": 12, "color": QUIET}, **place)
    return figure


def _add_yardsticks(figure: go.Figure, yardsticks: list[Yardstick]) -> None:
    """A dashed line across for each null and ceiling row, named on it; what lies above the axis is named at its end."""
    drawn = figure.layout.yaxis.range
    for i, y in enumerate(yardsticks):
        beyond = drawn is not None and y.value > drawn[1]
        text = f"{'↑ ' if beyond else ''}{y.title} {measured(y.value)}"
        place = {"y": 1, "yref": "paper", "yanchor": "top"} if beyond else {"y": y.value, "yanchor": "bottom"}
        place |= {"x": 1 if beyond else 1 - 0.2 * i, "xref": "paper", "xanchor": "right", "showarrow": False}
        figure.add_annotation(text=text, font={"size": 11, "color": QUIET}, **place)
        if not beyond:
            figure.add_hline(y.value, line={"color": QUIET, "width": 1, "dash": "dash"}, layer="below")


def _cell_trace(data: TradeOff) -> go.Scatter | go.Scattergl:
    cells, few = data.cells, len(data.cells) < WEBGL_FROM
    marker = {"size": 15 if few else 8, "color": np.log10(cells["beta"]), "coloraxis": "coloraxis"}
    marker |= {"line": {"width": 1.2, "color": INK}, "symbol": [data.key.symbol[size] for size in cells["latent_dim"]]}
    look = {"color": QUIET, "thickness": 1.2, "width": 0}
    bars = {f"error_{a}": {"array": s.fillna(0), **look} for a in "xy" if (s := cells[f"{a}_std"]).notna().any()}
    points = {"x": cells["x"], "y": cells["y"], "text": cells["name"].tolist(), "meta": {"cells": 1}}
    points |= {"customdata": [*zip(cells["rank"], cells["x_words"], cells["y_words"], strict=True)]}
    hover = {"hovertemplate": cell_template(data.x, data.y)}
    return scatter(len(cells))(name="cell mean ± std", mode="markers", marker=marker, **points, **hover, **bars)


def _span(data: TradeOff, name: str) -> list[float] | None:
    """The range that holds what finished and the null rows; what lies far outside it must not squeeze the rest."""
    seeds = data.trials.loc[data.trials["scored"], name]
    if seeds.empty:
        return None
    spread = data.cells[f"{name}_std"].fillna(0)
    nulls = [y.value for y in data.yardsticks if y.kind == "null"] if name == "y" else []
    low = min(seeds.min(), (data.cells[name] - spread).min(), *nulls)
    high = max(seeds.max(), (data.cells[name] + spread).max(), *nulls)
    pad = 0.07 * (high - low) or 0.1 * abs(high) or 0.1
    return [float(low - pad), float(high + pad)]


def _better(of: Column, less: str, more: str) -> str:
    """An arrow that points to the better side, for an axis whose small end is left or below."""
    return {"min": f"  {less} better", "max": f"  better {more}", None: ""}[of.mode]
