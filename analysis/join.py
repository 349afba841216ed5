"""Several studies as one: more seeds of the same cells, more cells of the same grid, in one ranking.

Numbers are comparable only if the studies looked at the same images, trained as long, and were scored on as many; what
must agree and does not is refused. A trial that two studies share (the same settings and seed) is one trial.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.events import ENDED, RunDirectoryError
from analysis.ranking import BOOKKEEPING
from analysis.trials import Study

# What numbers depend on although it is no setting of a cell: a title and its place in study.json.
MUST_AGREE = {
    "data": ("data", "sha256"),
    "images": ("data", "images"),
    "objectives": ("objectives",),
    "steps": ("steps",),
    "split": ("asked", "split"),
    "split_seed": ("asked", "split_seed"),
    "score_images": ("asked", "score_images"),
}


def join(studies: Sequence[Study], directory: Path) -> tuple[Study, list[str]]:
    """One study of the trials of several, each with the name of its own in a `study` column.

    Args:
        studies: at least one with a trial.
        directory: where the joined report goes; checkpoints are given relative to it.

    Returns:
        the study, and sentences about what was joined and left out.

    Raises:
        RunDirectoryError: two studies differ in something that makes their numbers incomparable.
    """
    for other in studies[1:]:
        _refuse_difference(studies[0], other)
    names = _names(studies)
    trials = pd.concat([_named(s, name, directory) for s, name in zip(studies, names, strict=True)], ignore_index=True)
    whole = len(trials)
    trials = _unique(trials)
    kept = {str(name): set(of["trial_id"]) for name, of in trials.groupby("study")}
    shared = set(trials["trial_id"][trials["trial_id"].duplicated()])
    scores, decisions = (
        pd.concat(
            [_of(kept.get(name, set()), table, name) for name, table in zip(names, tables, strict=True)],
            ignore_index=True,
        )
        for tables in ([s.scores for s in studies], [s.decisions for s in studies])
    )
    for table in (trials, scores, decisions):
        own = table["study"] + "/" + table["trial_id"]
        table["trial_id"] = own.where(table["trial_id"].isin(shared), table["trial_id"])
    rows = pd.concat([s.yardsticks for s in studies], ignore_index=True)
    yardsticks = rows.drop_duplicates([c for c in ("row", "latent_dim", "architecture") if c in rows])
    counts = ", ".join(f"{name} ({len(of)} trial{'' if len(of) == 1 else 's'})" for name, of in kept.items())
    notes = [f"Joined from {counts}."]
    if twice := whole - len(trials):
        notes.append(f"{twice} {'trial is' if twice == 1 else 'trials are'} in two studies and counted once.")
    info = _info(studies, names, trials["trial_id"].tolist())
    return Study(directory, info, trials, scores, decisions, yardsticks), notes


def _refuse_difference(first: Study, other: Study) -> None:
    for title, place in MUST_AGREE.items():
        values = []
        for study in (first, other):
            value: Any = study.info
            for key in place:
                value = value.get(key) if isinstance(value, dict) else None
            values.append(value)
        if values[0] != values[1]:
            raise RunDirectoryError(
                f"{first.directory} and {other.directory} can't be joined, their numbers are not comparable: "
                f"{title} is {_short(values[0])} in the first, {_short(values[1])} in the second; report each by itself"
            )


def _names(studies: Sequence[Study]) -> list[str]:
    """The studies' names; their folders where two have the same name."""
    names = [str(s.info["name"]) for s in studies]
    return names if len(set(names)) == len(names) else [str(s.directory) for s in studies]


def _named(study: Study, name: str, directory: Path) -> pd.DataFrame:
    """A study's trials with its name, their checkpoints relative to another directory."""
    if study.trials.empty:
        return study.trials
    found = [
        os.path.relpath(study.directory / path, directory) if isinstance(path, str) else None
        for path in study.trials["checkpoint"]
    ]
    return study.trials.assign(study=name, checkpoint=pd.Series(found, study.trials.index, dtype=object))


def _unique(trials: pd.DataFrame) -> pd.DataFrame:
    """One row for trials of equal settings and seed: that which came furthest."""
    config = [c for c in trials if c not in BOOKKEEPING]
    order = trials["status"].map({status: i for i, status in enumerate(ENDED)}).fillna(len(ENDED))
    ordered = trials.assign(order=order).sort_values(["order", "step"], ascending=[True, False], kind="stable")
    same = ordered[config].astype(str).agg("\0".join, axis=1)
    return ordered[~same.duplicated()].sort_index().drop(columns="order").reset_index(drop=True)


def _of(trial_ids: set[str], table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows of some trials, with the name of their study."""
    return table[table["trial_id"].isin(trial_ids)].assign(study=name)


def _info(studies: Sequence[Study], names: Sequence[str], planned: list[str]) -> dict[str, Any]:
    """study.json of the whole: what all agree in once, the rest by study."""
    asked: dict[str, Any] = {}
    for key in dict.fromkeys(key for s in studies for key in s.info.get("asked", {})):
        values = {name: s.info.get("asked", {}).get(key) for s, name in zip(studies, names, strict=True)}
        same = len({json.dumps(value, sort_keys=True) for value in values.values()}) == 1
        asked[key] = next(iter(values.values())) if same else values
    rungs = sorted({rung for s in studies for rung in s.info.get("rungs", [])})
    return {**studies[0].info, "name": " + ".join(names), "asked": asked, "rungs": rungs, "planned": planned}


def _short(value: Any) -> str:
    text = json.dumps(value) if isinstance(value, (dict, list)) else str(value)
    return text if len(text) <= 40 else f"{text[:12]}…"
