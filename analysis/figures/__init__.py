"""The figures of a study, in the order of the page. A figure is two functions: table -> typed data, data -> go.Figure.

A new one is a file with these two functions and one line in FIGURES. Neither function shows nor writes anything;
without numbers the figure is empty, has its title and axes, and says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import plotly.graph_objects as go

from analysis.figures.curves import curves_data, curves_figure
from analysis.figures.trade_off import trade_off_data, trade_off_figure
from analysis.ranking import Ranking
from analysis.trials import Study

__all__ = ["FIGURES", "Figure"]


@dataclass(frozen=True)
class Figure:
    """One place on the page.

    Attributes:
        name: its anchor in the page.
        title: its heading.
        caption: how to read it; one or two sentences.
        panels: the study's panels by name, in order; no panel means that the study has nothing for this figure.
        menu: whether one panel is shown at a time, picked from a menu, or all side by side.
    """

    name: str
    title: str
    caption: str
    panels: Callable[[Study, Ranking], dict[str, go.Figure]]
    menu: bool = False


def _trade_offs(study: Study, ranking: Ranking) -> dict[str, go.Figure]:
    first, *_ = ranking.objectives
    others = [m for m in ranking.metrics if m != first]
    return {m: trade_off_figure(trade_off_data(ranking, first, m)) for m in others}


def _curves(*metrics: str) -> Callable[[Study, Ranking], dict[str, go.Figure]]:
    return lambda study, ranking: {m: curves_figure(curves_data(study, ranking, m)) for m in metrics}


FIGURES: tuple[Figure, ...] = (
    Figure(
        "trade-off",
        "The trade-off",
        "Large marks are cells, the mean over the seeds that finished, with their standard deviation as bars; small "
        "ones are single seeds, hollow where the trial did not finish. The dotted line is what the front attains. "
        "Click a seed to open it, a cell to see it alone.",
        _trade_offs,
        menu=True,
    ),
    Figure(
        "learning-curves",
        "Learning curves",
        "Scores on the validation split. Dotted lines are rungs; a line ends filled where the trial finished and "
        "hollow where it was stopped or broke off.",
        _curves("reconstruction", "kl", "mig"),
    ),
    Figure(
        "loss-curves",
        "Loss curves",
        "What each trial minimises. It contains β, so only lines of one colour can be compared.",
        _curves("train_loss", "loss"),
    ),
)
