"""What a mark in a figure says when it is pointed at; every name is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd

from analysis.columns import Column, measured


def trial_names(trials: pd.DataFrame) -> list[str]:
    """Who each trial is, and where it ended if it did not finish: all that does not depend on what is drawn."""
    seeds = trials["seed"] if "seed" in trials else ["–"] * len(trials)
    columns = (trials["trial_id"], seeds, trials["label"], trials["scored"], trials["status"], trials["step"])
    return [
        f"<b>{escape(str(trial_id))}</b> · seed {seed}<br>{escape(label)}"
        + ("" if scored else f"<br>{status} at step {step:,}")
        for trial_id, seed, label, scored, status, step in zip(*columns, strict=True)
    ]


def point_template(x: Column, y: Column) -> str:
    """The hover template of a mark whose `text` says who it is and whose place says the rest."""
    lines = "".join(f"<br>{c.title} %{{{a}:.4g}} {c.unit}" for a, c in (("x", x), ("y", y)))
    return f"%{{text}}{lines}<extra></extra>"


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
