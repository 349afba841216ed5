"""Null and ceiling rows: what codes that know nothing score, and what the true factors score, on a study's images.

A score means little by itself: MIG 0.03 is much where codes that never saw the images get 0.001, and nothing where an
untrained encoder gets as much. A study measures these rows once, with the images and metrics of its trials, and keeps
them in `yardsticks.json` of its run directory:

    budget         of metrics: "cheap" or "full", as the trials' last report
    images         of the validation split that were scored
    latent_dims    sizes that were measured, at most four of the study's
    architectures  of the untrained encoders
    rows           row (a key of TITLES), latent_dim and architecture where the row depends on them, else null;
                   scores {metric, or metric/factor: number}
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from analysis.columns import Column

FILE = "yardsticks.json"
CEILING = "true_factors"
TITLES = {
    "shuffled_factors": "shuffled factors",
    "untrained_encoder": "untrained encoder",
    "pca": "PCA of the images",
    CEILING: "true factors",
}
COLUMNS = ["row", "kind", "latent_dim", "architecture"]

log = logging.getLogger(__name__)


class Yardstick(NamedTuple):
    """One row's value of one score; of a null row the best over its latent sizes, which is the value to beat."""

    title: str
    kind: str
    value: float


def write_yardsticks(content: Mapping[str, Any], directory: Path) -> None:
    """Write the file, whole or not at all."""
    temporary = directory / f".{FILE}.{os.getpid()}"
    temporary.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
    os.replace(temporary, directory / FILE)


def stored(directory: Path) -> dict[str, Any] | None:
    """The file's content; None where there is no whole one."""
    path = directory / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not all({"row", "latent_dim", "architecture", "scores"} <= set(row) for row in content["rows"]):
            raise KeyError("a field of a row")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s is left out: it can't be read (%s)", path, error)
        return None
    return dict(content)


def read_yardsticks(directory: Path) -> pd.DataFrame:
    """One row per null or ceiling row: row, kind ("null" or "ceiling"), latent_dim, architecture, then the scores."""
    rows = [
        {
            "row": row["row"],
            "kind": "ceiling" if row["row"] == CEILING else "null",
            **{key: row[key] for key in ("latent_dim", "architecture")},
            **row["scores"],
        }
        for row in (stored(directory) or {"rows": []})["rows"]
        if row["row"] in TITLES
    ]
    return pd.DataFrame(rows, columns=None if rows else COLUMNS)


def write_csv(yardsticks: pd.DataFrame, path: Path) -> None:
    """Write the rows as CSV, atomically."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    yardsticks.to_csv(temporary, index=False, float_format="%.6g")
    os.replace(temporary, path)


def of_score(yardsticks: pd.DataFrame, score: Column) -> list[Yardstick]:
    """The rows' values of a score in the order of TITLES; none for a score that they lack or that has no better side.

    A score of sampled codes, or of codes without the repeated orientation, is held against the same rows.
    """
    if score.score not in yardsticks or score.mode is None:
        return []
    found = []
    for row, title in TITLES.items():
        values = pd.to_numeric(yardsticks.loc[yardsticks["row"] == row, score.score]).dropna()
        if len(values):
            best = values.max() if score.mode == "max" else values.min()
            found.append(Yardstick(title, "ceiling" if row == CEILING else "null", float(best)))
    return [y for y in found if np.isfinite(y.value)]
