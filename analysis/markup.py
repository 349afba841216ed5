"""The page's parts that need no script: facts, marks, what was asked. Every text from a study is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd

from analysis.columns import column, measured, number
from analysis.figures.style import Key
from analysis.ranking import Ranking, front_hypervolume
from analysis.summary import COUNTED
from analysis.trials import Study

# Marks in a box from -10 to 10, drawn once and referred to by name; the names are Plotly's.
MARKS = {
    "circle": '<circle r="9"/>',
    "square": '<rect x="-8" y="-8" width="16" height="16"/>',
    "diamond": '<path d="M0-11 11 0 0 11-11 0z"/>',
    "triangle-up": '<path d="M0-10 10 8H-10z"/>',
    "cross": '<path d="M-3.5-10h7v6.5H10v7H3.5V10h-7V3.5H-10v-7h6.5z"/>',
    "star": '<path d="M0-11 3-3.5 11-3 5 2 7 10 0 5.5-7 10-5 2-11-3-3-3.5z"/>',
    "hexagon": '<path d="M0-10 9-5V5L0 10-9 5V-5z"/>',
    "triangle-down": '<path d="M0 10-10-8H10z"/>',
    "pentagon": '<path d="M0-10 10-3 6 9H-6L-10-3z"/>',
    "bowtie": '<path d="M-10-9 10 9V-9L-10 9z"/>',
}


def marks() -> str:
    """The definitions of all marks, for `<use href="#mark-...">`."""
    shapes = "".join(f'<g id="mark-{name}" fill="currentColor">{shape}</g>' for name, shape in MARKS.items())
    return f'<svg width="0" height="0" style="position:absolute" aria-hidden="true"><defs>{shapes}</defs></svg>'


def facts(study: Study, ranking: Ranking) -> str:
    """The summary numbers as list items."""
    trials = ranking.trials
    ended = trials["status"].value_counts()
    how = " · ".join(f"{ended[s]} {COUNTED.get(s, s)}" for s in (*COUNTED, "unfinished") if s in ended)
    planned = len(study.info.get("planned", []))
    started = f"{len(trials)}" if planned <= len(trials) else f"{len(trials)}<small> of {planned}</small>"
    items = [(started, "trial" if len(trials) == 1 else "trials", how)]
    items.append((str(len(ranking.cells)), "cells", f"{int(ranking.cells['front'].sum())} on the front"))
    scored = trials[trials["scored"]]
    for name, mode in ranking.objectives.items():
        if len(scored):
            best = scored.loc[scored[name].idxmax() if mode == "max" else scored[name].idxmin()]
            unit = f"<small> {column(name).unit.replace(' per image', '')}</small>" if column(name).unit else ""
            items.append((measured(best[name]) + unit, f"best {column(name).title}", best["label"]))
    items.extend(_cost(study))
    volume = front_hypervolume(ranking)
    if volume > 0:
        items.append((number(volume), "hypervolume", "of the front, against the worst cell in each objective"))
    rows = (f"<li><b>{big}</b><span>{escape(what)}</span><span>{escape(more)}</span></li>" for big, what, more in items)
    return "".join(rows)


def _cost(study: Study) -> list[tuple[str, str, str]]:
    """Device time spent on each lane, what it cost, and what stopping saved, as `analysis.spending` counts them."""
    items: list[tuple[str, str, str]] = []
    for lane, of in study.trials.groupby("lane") if len(study.trials) else ():
        spent, saved, audit = (of[f"{what}device_seconds"].sum() for what in ("", "saved_", "audit_"))
        more = f"{_duration(saved)} saved by stopping early" if saved > 0 else "nothing was stopped early"
        if audit > 0:
            more += f" · {_duration(audit)} of it for the audit"
        if of["cost"].notna().any():
            more += f" · cost {_price(of['cost'].sum())}, saved {_price(of['saved_cost'].sum())}"
        if spent > 0:
            items.append((_duration(spent), f"of {'GPU' if lane == 'gpu' else 'core'} time, all trials", more))
    return items


def _price(amount: float) -> str:
    """ "12.40", "0.0012": in whatever currency the prices were given."""
    return f"{amount:.2f}" if amount >= 0.1 or amount == 0 else f"{amount:.2g}"


def _duration(seconds: float) -> str:
    """ "42 s", "12 min", "3.4 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"


def mark(row: Mapping[Any, Any] | pd.Series, marks: Key) -> str:
    """The mark that a cell or trial has in the figures; the page colours it by `data-ramp`."""
    place = marks.scale.place(row["beta"])
    use = f'<use href="#mark-{marks.symbol[row["latent_dim"]]}"/>'
    return f'<svg class="mark" viewBox="-10 -10 20 20" data-ramp="{place:.4f}" aria-hidden="true">{use}</svg>'


def asked(info: Mapping[str, Any]) -> str:
    """What was asked, the data, the machine and the versions, as lists of definitions."""
    study = {k: info.get(k) for k in ("created", "objectives", "rungs", "steps", "reduction_factor", "git_commit")}
    groups = {"Settings": info.get("asked", {}), "Study": study, "Data": info.get("data", {})}
    groups |= {"Hardware": info.get("hardware", {}), "Versions": info.get("versions", {})}
    lists = "".join(f"<div><h3>{title}</h3>{_definitions(values)}</div>" for title, values in groups.items() if values)
    return f'<div class="columns">{lists}</div>'


def _definitions(values: Any) -> str:
    pairs = values.items() if isinstance(values, Mapping) else [("", values)]
    shown = ((str(k).replace("_", " "), _words(v)) for k, v in pairs if v not in (None, "", [], {}))
    return f"<dl>{''.join(f'<dt>{escape(k)}</dt><dd>{escape(v)}</dd>' for k, v in shown)}</dl>"


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_words(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_words(v) for v in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
