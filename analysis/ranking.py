"""Which settings are best, and how sure that is: cells over seeds, their Pareto front, their order.

The rule. Only trials that finished with finite objectives count: one that was stopped at a rung is never compared as if
it had finished. Trials that differ in nothing but their seed form a cell, judged by its mean on the validation split;
the test split is reported beside it and picks nothing. Cells are ordered by Pareto layer (the front first) and inside a
layer by the distance to the ideal point, with every objective scaled to the front's own range: first comes the cell
that gives up the least of everything (the front's knee), not an end of the front, which is best at one thing because it
ignores the other. Trials are ordered by the same rule on their own values. Cells without a scored trial come last,
those that got furthest first.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.columns import column, label
from analysis.events import ENDED
from analysis.front import costs, front_scale, hypervolume, ideal_distance, layers, preferred
from analysis.label_free import udr_scores
from analysis.spending import COLUMNS
from analysis.trials import Study
from analysis.uncertainty import bootstrap_means, front_probability, seeds_to_separate

BOOKKEEPING = (
    "trial_id",
    "study",
    "status",
    "step",
    "attempts",
    "lane",
    "device",
    "node",
    "started",
    "error",
    "checkpoint",
    "resumed_step",
    *COLUMNS,
)
STATUSES = (*ENDED, "unfinished")
DRAWS = 1000


@dataclass(frozen=True)
class Ranking:
    """The cells and trials of a study in their order.

    Attributes:
        objectives: name of the score -> "min" or "max".
        settings: the config columns that differ between cells; always β and the latent size.
        metrics: the validation scores that the trials have, the objectives first.
        cells: one row per cell, best first: rank (from 1), the config without the seed, trials, scored, the number per
            status, stopped_at (a list of steps), `<score>_mean`, `_std`, `_median`, `_low`, `_high` (of the 95 %
            bootstrap interval of the mean), `test_<score>_mean`, `_std`, layer, front, front_probability, distance,
            trial_ids, label (in words).
        trials: one row per trial with its scores at its last report: rank (from 1; NA where not scored), cell (the rank
            of its cell), layer, distance, label.
        yardsticks: the null and ceiling rows that the scores are held against; those of the study.
    """

    objectives: dict[str, str]
    settings: tuple[str, ...]
    metrics: tuple[str, ...]
    cells: pd.DataFrame
    trials: pd.DataFrame
    yardsticks: pd.DataFrame

    @property
    def front(self) -> pd.DataFrame:
        """The cells on the front, from the best of the first objective to its worst."""
        first, mode = next(iter(self.objectives.items()))
        return self.cells[self.cells["front"]].sort_values(f"{first}_mean", ascending=mode == "min")

    @property
    def knee(self) -> int | None:
        """The rank of the cell on the front that gives up the least of everything; None where only ends come first."""
        first, bends = self.cells.iloc[0], len(self.objectives) > 1 and self.cells["front"].sum() > 2
        return int(first["rank"]) if bends and first["distance"] < 1 else None


def rank(study: Study, draws: int = DRAWS, seed: int = 0) -> Ranking:
    """Rank the cells and trials of a study.

    Args:
        study: what `read_study` returned; may hold no finished trial, then no cell is on the front.
        draws: bootstrap draws over seeds.
        seed: of the bootstrap.

    Raises:
        ValueError: the study has no trials.
    """
    if study.trials.empty:
        raise ValueError(f"the study {study.info['name']!r} has no trials yet, so there is nothing to rank")
    objectives: dict[str, str] = dict(study.info["objectives"])
    trials = _last_scores(study, objectives)
    config = [c for c in study.trials.columns if c not in BOOKKEEPING and c != "seed"]
    number = trials.groupby(config, dropna=False, sort=True).ngroup() if config else trials["step"] * 0
    udr = udr_scores(study.directory, trials[trials["scored"]], number)
    if udr.notna().any():
        trials["udr"] = udr
    metrics = (*objectives, *(m for m in _metric_columns(trials, config) if m not in objectives))
    cells = _cells(trials, number, config, metrics)
    scored = trials[trials["scored"]]
    values = scored[list(metrics)].to_numpy(float)
    samples = [np.empty((0, len(metrics)))] * len(cells)
    for i, rows in scored.groupby(number[scored.index]).indices.items():
        samples[int(i)] = values[rows]
    means = bootstrap_means(samples, draws, seed)  # (draws, cells, metrics)
    with np.errstate(all="ignore"):
        low, high = np.quantile(means, (0.025, 0.975), axis=0)
    # A draw moves a mean by the distances of the cell's seeds from it, also past what the score can be.
    least, most = np.array([column(metric).bounds or (-np.inf, np.inf) for metric in metrics]).T
    low, high = low.clip(least, most), high.clip(least, most)
    ends = {
        f"{metric}_{end}": of[:, i] for i, metric in enumerate(metrics) for end, of in (("low", low), ("high", high))
    }
    cells = pd.concat([cells, pd.DataFrame(ends, index=cells.index)], axis=1)
    cells["front_probability"] = front_probability(means[:, :, : len(objectives)], list(objectives.values()))
    cells = _ordered(cells, objectives, "_mean")
    cells["front"] = cells["layer"] == 0
    cells["rank"] = np.arange(1, len(cells) + 1)
    trials = _ordered(trials, objectives)
    trials["rank"] = pd.array([i + 1 if scored else None for i, scored in enumerate(trials["scored"])], dtype="Int64")
    of = {trial_id: cell for cell, ids in zip(cells["rank"], cells["trial_ids"], strict=True) for trial_id in ids}
    trials["cell"] = trials["trial_id"].map(of)
    varying = [c for c in config if c in ("beta", "latent_dim") or trials[c].astype(str).nunique() > 1]
    for rows in (cells, trials):
        rows["label"] = [label(row, varying) for row in rows[varying].to_dict("records")]
    return Ranking(objectives, tuple(varying), metrics, cells, trials, study.yardsticks)


def best_trials(ranking: Ranking, count: int) -> pd.DataFrame:
    """The first `count` scored trials, best first; fewer where fewer were scored."""
    return ranking.trials[ranking.trials["scored"]].head(count)


def preferences(ranking: Ranking, points: int = 201) -> pd.DataFrame:
    """Which cell is best for somebody to whom the first objective counts w and the second 1 - w, for every w.

    Returns:
        one row per stretch of w, rising: low, high, rank (of the cell). Empty without a front, or with other than two
        objectives.
    """
    rows = []
    front = ranking.front
    if len(front) and len(ranking.objectives) == 2:
        values = front[[f"{o}_mean" for o in ranking.objectives]].to_numpy(float)
        w = np.linspace(0, 1, points)
        choice = preferred(values, list(ranking.objectives.values()), np.stack([w, 1 - w], axis=1))
        edges = [0, *(np.flatnonzero(np.diff(choice)) + 1), points]
        cuts = [0.0, *((w[i - 1] + w[i]) / 2 for i in edges[1:-1]), 1.0]
        rows = [(cuts[i], cuts[i + 1], front["rank"].iloc[choice[edges[i]]]) for i in range(len(edges) - 1)]
    return pd.DataFrame(rows, columns=["low", "high", "rank"])


def separation(ranking: Ranking) -> int | None:
    """How many seeds each of the first two cells would need to be told apart by the distance that ranks them.

    None where it can't be told: fewer than two cells with two scored seeds each, or no difference at all.
    """
    names, modes = list(ranking.objectives), list(ranking.objectives.values())
    scale = front_scale(ranking.cells[[f"{o}_mean" for o in names]].to_numpy(float), modes)
    if scale is None:
        return None
    seeds = ranking.trials[ranking.trials["scored"]]
    ideal, width = scale
    distances = [
        np.linalg.norm((costs(seeds.loc[seeds["cell"] == cell, names].to_numpy(float), modes) - ideal) / width, axis=1)
        for cell in (1, 2)
    ]
    return seeds_to_separate(*distances)


def front_hypervolume(ranking: Ranking) -> float:
    """The hypervolume of the cells' front, in the product of the objectives' units; NaN without a front.

    The reference is the worst mean among all scored cells in every objective: it grows with what a study dared to try,
        so
    it compares fronts inside one study.
    """
    names, modes = [f"{o}_mean" for o in ranking.objectives], list(ranking.objectives.values())
    scored = ranking.cells.loc[ranking.cells["layer"] >= 0, names].to_numpy(float)
    if not len(scored):
        return float("nan")
    reference = [scored[:, i].max() if mode == "min" else scored[:, i].min() for i, mode in enumerate(modes)]
    return hypervolume(scored, modes, reference)


def write_ranking(ranking: Ranking, path: Path) -> None:
    """Write the cells as CSV, best first, atomically."""
    lists = {c: ranking.cells[c].map(lambda of: " ".join(map(str, of))) for c in ("trial_ids", "stopped_at")}
    cells = ranking.cells.assign(**lists)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    cells.to_csv(temporary, index=False, float_format="%.6g")
    os.replace(temporary, path)


def _last_scores(study: Study, objectives: Mapping[str, str]) -> pd.DataFrame:
    """One row per trial with its scores at its last report; `scored` where it finished with finite objectives."""
    last = study.scores.sort_values("step", kind="stable").groupby("trial_id").tail(1)
    known = [c for c in last.columns if c in study.trials.columns and c != "trial_id"]
    trials = study.trials.merge(last.drop(columns=known), on="trial_id", how="left")
    for name in objectives:
        trials[name] = pd.to_numeric(trials[name], errors="coerce") if name in trials else np.nan
    trials["scored"] = (trials["status"] == "finished") & np.isfinite(trials[list(objectives)]).all(axis=1)
    return trials


def _metric_columns(trials: pd.DataFrame, config: list[str]) -> list[str]:
    """The validation scores among the columns: numbers that are not settings, bookkeeping, or of another split."""
    others = {*config, *BOOKKEEPING, "seed", "scored", "seconds", "scoring_seconds", "images_per_second", "loss"}
    last = ("sampled_", "without_duplicate_", "elbo")  # Other codes; and ELBO, which is reconstruction and KL again.
    names = [
        str(c)
        for c in trials.columns
        if c not in others
        and not str(c).startswith(("test_", "train_"))
        and "/" not in str(c)
        and pd.api.types.is_numeric_dtype(trials[c])
    ]
    return sorted(names, key=lambda name: next((1 + i for i, of in enumerate(last) if name.startswith(of)), 0))


def _cells(trials: pd.DataFrame, number: pd.Series, config: list[str], metrics: tuple[str, ...]) -> pd.DataFrame:
    """One row per cell, in the order of `number`: settings, counts, scores over the seeds that were scored."""
    cells = trials.assign(cell=number).drop_duplicates("cell").set_index("cell").sort_index()[config]
    groups, scored = trials.groupby(number), trials[trials["scored"]]
    cells["trials"], cells["scored"] = groups.size(), groups["scored"].sum()
    cells = cells.join(pd.crosstab(number, trials["status"]).reindex(columns=list(STATUSES), fill_value=0))
    stops = trials["step"].where(trials["status"] == "stopped").groupby(number)
    cells["stopped_at"] = stops.agg(lambda steps: sorted(int(step) for step in steps.dropna()))
    cells["furthest_step"] = groups["step"].max()
    tests = [f"test_{m}" for m in metrics if f"test_{m}" in trials]
    over = scored[[*metrics, *tests]].apply(pd.to_numeric).groupby(number[scored.index])
    for part, values in (("mean", over.mean()), ("std", over.std()), ("median", over.median()[list(metrics)])):
        cells = cells.join(values.add_suffix(f"_{part}"))
    if "study" in trials:
        cells["study"] = groups["study"].agg(lambda names: " + ".join(dict.fromkeys(names)))
    cells["trial_ids"] = groups["trial_id"].agg(list)
    return cells


def _ordered(rows: pd.DataFrame, objectives: Mapping[str, str], suffix: str = "") -> pd.DataFrame:
    """The rows with `layer` and `distance`, best first; what was not scored comes last."""
    values = rows[[f"{o}{suffix}" for o in objectives]].to_numpy(float).copy()
    values[rows["scored"].to_numpy() == 0] = np.nan
    modes = list(objectives.values())
    furthest = "furthest_step" if "furthest_step" in rows else "step"
    rows = rows.assign(
        layer=layers(values, modes), distance=ideal_distance(values, modes), unscored=rows["scored"] == 0
    )
    keys = ["unscored", "layer", "distance", furthest]
    ordered = rows.sort_values(keys, ascending=[True, True, True, False], kind="stable").drop(columns="unscored")
    return ordered.reset_index(drop=True)
