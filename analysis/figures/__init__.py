"""The figures of a study, in the order of the page. A figure is two functions: table -> typed data, data -> go.Figure.

A new one is a file with these two functions and one line in FIGURES. Neither function shows nor writes anything;
without numbers the figure is empty, has its title and axes, and says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import plotly.graph_objects as go

from analysis.audit import audited
from analysis.columns import column
from analysis.figures.agreement import OVER, agreement_data, agreement_figure
from analysis.figures.audit import foresight_data, foresight_figure, survival_data, survival_figure, wrong_figure
from analysis.figures.curves import curves_data, curves_figure
from analysis.figures.information import best_informed, factor_words, information_figure, information_table
from analysis.figures.label_free import label_free_data, label_free_figure
from analysis.figures.latents import latents_data, latents_figure
from analysis.figures.maps import has_map, map_data, map_figure
from analysis.figures.moved import coordinates_data, moved_data, moved_figure
from analysis.figures.parallel import parallel_data, parallel_figure
from analysis.figures.rate_distortion import rate_distortion_data, rate_distortion_figure
from analysis.figures.style import BetaScale
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
    del study
    first, *_ = ranking.objectives
    others = [m for m in ranking.metrics if m != first]
    return {m: trade_off_figure(trade_off_data(ranking, first, m)) for m in others}


def _maps(study: Study, ranking: Ranking) -> dict[str, go.Figure]:
    del study
    return {m: map_figure(map_data(ranking, m)) for m in ranking.metrics[:6]} if has_map(ranking) else {}


def _moved(study: Study, ranking: Ranking) -> dict[str, go.Figure]:
    del study
    splits = {m: moved_data(ranking, m) for m in ranking.metrics[:4]}
    return {m: moved_figure(data) for m, data in splits.items() if len(data.shares)}


def _coordinates(study: Study, ranking: Ranking) -> dict[str, go.Figure]:
    del study
    found = {m: coordinates_data(ranking, m) for m in ranking.metrics[:4] if m not in ("kl", "active_latents")}
    return {m: moved_figure(data) for m, data in found.items() if len(data.shares)}


def _emergence(study: Study, ranking: Ranking) -> dict[str, go.Figure]:
    """A panel per factor, where the trials report the parts of MIG."""
    parts = [c for c in study.scores.columns if str(c).startswith("mig/")]
    return {c: curves_figure(curves_data(study, ranking, c)) for c in parts}


def _agreement(study: Study, ranking: Ranking) -> dict[str, go.Figure]:
    del study
    return {over: agreement_figure(agreement_data(ranking, over), over) for over in OVER}


def _label_free(study: Study, ranking: Ranking) -> dict[str, go.Figure]:
    """The objectives first, then the other scores for which more or less is better."""
    del study
    names = [m for m in ranking.metrics if column(m).mode and m not in ("udr", "elbo")][:4]
    found = {m: data for m in names if (data := label_free_data(ranking, m))}
    return {m: label_free_figure(data) for m, data in found.items()}


def _information(study: Study, ranking: Ranking) -> dict[str, go.Figure]:
    best = best_informed(ranking)
    found = zip(best["trial_id"], best["label"], best["seed"], information_table(best), strict=True)
    factors = factor_words(study)
    return {i: information_figure(i, of, f"{label}, seed {seed}", factors) for i, label, seed, of in found if of}


def _audit(study: Study, ranking: Ranking) -> dict[str, go.Figure]:
    panels = {
        "survival": survival_figure(survival_data(study, ranking)),
        "foresight": foresight_figure(foresight_data(study, ranking)),
    }
    rows = audited(study, ranking)
    return panels | ({"wrong": wrong_figure(rows, BetaScale(ranking.trials["beta"]))} if len(rows) else {})


def _curves(*metrics: str) -> Callable[[Study, Ranking], dict[str, go.Figure]]:
    return lambda study, ranking: {m: curves_figure(curves_data(study, ranking, m)) for m in metrics}


FIGURES: tuple[Figure, ...] = (
    Figure(
        "trade-off",
        "The trade-off",
        "Large marks are cells, the mean over the seeds that finished, with their standard deviation as bars; small "
        "ones are single seeds, hollow where the trial did not finish. The dotted line is what the front attains, "
        "dashed ones what codes that know nothing score, and the true factors. Click a seed to open it, a "
        "cell to see it alone.",
        _trade_offs,
        menu=True,
    ),
    Figure(
        "maps",
        "β against latent size",
        "Means over the trials that finished. The stronger the colour, the better; where neither is better, the more.",
        _maps,
    ),
    Figure(
        "moved",
        "What moved the outcome",
        "The variance between the finished trials, split between the settings, β and latent size together beyond their "
        "sum, and the seed, with 95 % bootstrap intervals. A setting is credited with what the others can't explain.",
        _moved,
    ),
    Figure(
        "coordinates",
        "By what came of it",
        "How much of the variance one coordinate explains by itself, by a parabola in it, with 95 % bootstrap "
        "intervals. β·M/N is β normalised by latents and pixels; rate and active latents are what a trial did with its "
        "settings.",
        _coordinates,
    ),
    Figure(
        "agreement",
        "Do the scores agree?",
        "Spearman’s ρ between every two scores, each turned so that more is better where a direction is: 1 where they "
        "put the finished trials in the same order, −1 where they contradict each other.",
        _agreement,
    ),
    Figure(
        "label-free",
        "Choosing without labels",
        "UDR asks whether a trial’s latents are found again by the other seeds of its cell, and needs no labels. The "
        "ring is the trial it picks, several where they tie; the regret is what that pick lacks to the best, blindly "
        "what a random pick lacks.",
        _label_free,
    ),
    Figure(
        "rate-distortion",
        "Rate and distortion",
        "What the codes spend (KL) and what it buys. Along a dotted line the ELBO is equal. ln N nats are enough to "
        "name each of the N images: a rate beyond the dashed line is spent on what the data do not hold.",
        lambda study, ranking: {"rate-distortion": rate_distortion_figure(rate_distortion_data(study, ranking))},
    ),
    Figure(
        "learning-curves",
        "Learning curves",
        "Scores on the validation split. Dotted lines are rungs; a line ends filled where the trial finished and "
        "hollow where it was stopped or broke off.",
        _curves("reconstruction", "kl", "mig"),
    ),
    Figure(
        "emergence",
        "When each factor emerges",
        "The part of MIG that each factor has, over the steps: which factors a trial tells apart, and since when.",
        _emergence,
    ),
    Figure(
        "loss-curves",
        "Loss curves",
        "What each trial minimises. It contains β, so only lines of one colour can be compared.",
        _curves("train_loss", "loss"),
    ),
    Figure(
        "latents",
        "KL per latent",
        "Each row is a finished trial, the best on top, each tile one of its latents, the strongest first: where a row "
        "turns pale, the rest has collapsed to the prior.",
        lambda study, ranking: {"latents": latents_figure(latents_data(study, ranking))},
    ),
    Figure(
        "information",
        "What each latent says of each factor",
        "Mutual information in nats between the posterior means and the factors, for the best cell’s seeds, or for the "
        "best trials that are picked; each trial’s own is in its details. The strongest latent is on top. Under each "
        "factor stands the most that can be said of it. A dead latent is grey: its means hardly move, yet binned they "
        "can seem to know a factor.",
        _information,
    ),
    Figure(
        "audit",
        "The scheduler, audited",
        "First: which share of the trials of each β trained past each rung. Then: how well the order of the trials at "
        "a rung agrees with their order at the end, over those that finished. Those are the good ones, so ρ is, if "
        "anything, too low. Where --audit let some run on that were to be stopped: how many of them nobody beats who "
        "went on by right.",
        _audit,
    ),
    Figure(
        "parallel",
        "Settings and scores",
        "A line per trial, for the best 1,000. Drag along an axis to keep only the trials that pass there: everything "
        "on the page follows.",
        lambda study, ranking: {"parallel": parallel_figure(parallel_data(ranking))},
    ),
)
