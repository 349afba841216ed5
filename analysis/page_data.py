"""What the page's scripts read: the study's numbers, figures and traversals as one JSON block that stays small.

Ten thousand trials have to fit, so nothing is said twice: trials and cells are columns, not rows, settings that never
differ stand once, and a mark in a figure refers to its trial by row; the page gives it its name, colour and symbol.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from analysis.atlas import Atlas
from analysis.audit import verdicts
from analysis.columns import column
from analysis.figures import FIGURES
from analysis.figures.information import information_table
from analysis.figures.marks import cell_names, trial_names
from analysis.figures.style import DARK_DIVERGING, DARK_MAP, DARK_RAMP, DIVERGING, MAP, RAMP, key
from analysis.ranking import BOOKKEEPING, Ranking
from analysis.trials import Study, last_line

CURVES = ("reconstruction", "kl", "mig")
DETAILED_TRIALS = 2000  # Studies of more trials keep no curves and no mutual information per trial in the page.
TABLE_SCORES = 4
MOST_BETTERS = 4  # who dominated a trial that was not let on
DIGITS = 5  # of a number in the page
PACKED = 50  # Figures keep arrays of so many numbers as packed single-precision floats.


def page_data(
    study: Study,
    ranking: Ranking,
    panels: Mapping[str, Mapping[str, Any]],
    sheets: Mapping[str, Any],
    pages: Sequence[Atlas],
) -> dict[str, Any]:
    """Everything that the page's scripts read, as one JSON-able dictionary."""
    scores = [m for m in ranking.metrics if ranking.trials[m].notna().any()]
    rows = {trial_id: row for row, trial_id in enumerate(ranking.trials["trial_id"])}
    figures = {
        f.name: {
            "menu": f.menu,
            "panels": [
                {"name": n, "title": title(n) if f.menu else p.layout.title.text, **_plain(p, rows)}
                for n, p in panels[f.name].items()
            ],
        }
        for f in FIGURES
        if panels[f.name]
    }
    scale, symbol = key(ranking)
    return {
        "ramps": {
            "beta": {"light": RAMP, "dark": DARK_RAMP},
            "map": {"light": MAP, "dark": DARK_MAP},
            "diverging": {"light": DIVERGING, "dark": DARK_DIVERGING},
        },
        "scale": [scale.low, scale.high],
        "symbols": {f"{size:g}": name for size, name in symbol.items()},
        "settings": [[s, column(s).title] for s in ranking.settings if s in ranking.trials],
        "scores": [[s, column(s).title] for s in scores[:TABLE_SCORES]],
        "columns": {n: {"title": column(n).title, "unit": column(n).unit} for n in dict.fromkeys((*scores, *CURVES))},
        "trials": _trials(study, ranking, scores),
        "cells": {
            "name": cell_names(ranking.cells),
            **{k: ranking.cells[k].tolist() for k in ("label", "beta", "latent_dim")},
        },
        "curves": {m: {"title": title(m), "axis": column(m).axis, "values": _curves(study, m)} for m in CURVES},
        "figures": figures,
        "sheets": sheets,
        "atlas": [asdict(page) for page in pages],
    }


def detailed(study: Study) -> bool:
    """Whether the page has room for the curves and the mutual information of every trial."""
    return len(study.trials) <= DETAILED_TRIALS


def title(name: str) -> str:
    """A column's axis title as a heading."""
    words = column(name).axis
    return words[0].upper() + words[1:]


def _trials(study: Study, ranking: Ranking, scores: Sequence[str]) -> dict[str, Any]:
    """Columns of the trials, best first; `fixed` holds the settings in which all are equal."""
    trials = ranking.trials
    config = [c for c in study.trials.columns if c not in BOOKKEEPING and c != "seed"]
    varying = [c for c in config if c in ranking.settings]
    kept = ("study", "rank", "cell", "beta", "latent_dim", "seed", "status", "step", "checkpoint")
    decisions = _decisions(study, {trial_id: row for row, trial_id in enumerate(trials["trial_id"])})
    wrong = dict(verdicts(study, ranking)[["trial_id", "wrong"]].itertuples(index=False))
    return {
        "id": trials["trial_id"].astype(str).tolist(),
        "name": trial_names(trials),
        **{c: trials[c].tolist() for c in kept if c in trials},
        "error": [last_line(error) for error in trials["error"]],
        "decisions": [decisions.get(trial_id, []) for trial_id in trials["trial_id"]],
        "wrong": [wrong.get(trial_id) for trial_id in trials["trial_id"]],
        "scores": {m: _rounded(trials[m]) for m in scores},
        "test": {m: _rounded(trials[f"test_{m}"]) for m in scores if f"test_{m}" in trials},
        "information": [of and asdict(of) for of in information_table(trials)] if detailed(study) else [],
        "settings": {c: trials[c].tolist() for c in varying},
        "fixed": {c: trials[c].iloc[0] for c in config if c not in varying},
    }


def _decisions(study: Study, rows: Mapping[str, int]) -> dict[str, list[list[Any]]]:
    """trial_id -> what was decided: step, keep, reason; where it was not kept, audited and the rows of its betters."""
    decisions: dict[str, list[list[Any]]] = {}
    columns = (study.decisions[c] for c in ("trial_id", "step", "keep", "reason", "audited", "dominated_by"))
    for trial_id, step, keep, reason, audited, betters in zip(*columns, strict=True):
        known = [rows[i] for i in betters[:MOST_BETTERS] if i in rows]
        decisions.setdefault(trial_id, []).append([step, keep, reason, *([] if keep else [audited, known])])
    return decisions


def _curves(study: Study, metric: str) -> dict[str, list[list[float]]]:
    """trial_id -> [steps, values]."""
    if metric not in study.scores or not detailed(study):
        return {}
    values = pd.to_numeric(study.scores[metric], errors="coerce")
    known = study.scores.assign(value=values)[np.isfinite(values)].sort_values("step")
    return {str(t): [g["step"].tolist(), _rounded(g["value"])] for t, g in known.groupby("trial_id")}


def _rounded(values: pd.Series) -> list[float]:
    return [float(f"{v:.{DIGITS}g}") for v in pd.to_numeric(values, errors="coerce")]


def _plain(figure: Any, rows: Mapping[str, int]) -> dict[str, Any]:
    """A figure as Plotly's own dictionary, without the template, its marks referring to trials by row."""
    plain: dict[str, Any] = figure.to_plotly_json()
    plain["layout"].pop("template", None)
    for trace in plain["data"]:
        meta = trace.get("meta") or {}
        if meta.get("trials"):
            trace["customdata"] = [rows[trial_id] for trial_id in trace["customdata"]]
        if meta.get("trials") or meta.get("cells"):
            trace.pop("text")
            trace["marker"] = {k: v for k, v in trace["marker"].items() if k not in ("color", "symbol")}
    return plain


def safe_json(value: Any) -> str:
    """JSON that can stand inside a script element: no tag can open or close in it, no number that JSON lacks."""
    text = json.dumps(_json_able(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _json_able(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _repacked(value) if "bdata" in value else {str(k): _json_able(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_json_able(v) for v in value]
    if value is pd.NA:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _repacked(packed: Mapping[str, Any]) -> Any:
    """Plotly's typed array in single precision where it holds many numbers, as a list where it holds few."""
    values = np.frombuffer(base64.b64decode(packed["bdata"]), packed["dtype"])
    if "shape" in packed:
        return _json_able(values.reshape([int(n) for n in packed["shape"].split(",")]).tolist())
    if len(values) < PACKED:
        return _json_able(values.tolist())
    return {"dtype": "f4", "bdata": base64.b64encode(values.astype("<f4").tobytes()).decode()}
