"""The page's parts that need no script: facts, ranking, what was asked. Every text from a study is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from analysis.columns import column, measured, number
from analysis.figures.style import BetaScale, Key, key
from analysis.ranking import Ranking, front_hypervolume, preferences, separation
from analysis.summary import COUNTED
from analysis.trials import Study
from analysis.yardsticks import TITLES, of_score

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
        spent, saved = of["device_seconds"].sum(), of["saved_device_seconds"].sum()
        more = f"{_duration(saved)} saved by stopping early" if saved > 0 else "nothing was stopped early"
        if of["cost"].notna().any():
            more += f" · cost {of['cost'].sum():.2f}, saved {of['saved_cost'].sum():.2f}"
        if spent > 0:
            items.append((_duration(spent), f"of {'GPU' if lane == 'gpu' else 'core'} time, all trials", more))
    return items


def _duration(seconds: float) -> str:
    """ "42 s", "12 min", "3.4 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"


def ranking_table(ranking: Ranking, rows: int = 40) -> str:
    """The first cells, best first: mean ± std on validation with the 95 % interval drawn, the test mean beside it."""
    cells = ranking.cells.head(rows)
    others = [m for m in ranking.metrics if m not in ranking.objectives][:2]
    head = [("#", ""), *((column(s).title, "") for s in ranking.settings)]
    for name in ranking.objectives:
        head += [(column(name).axis, ' colspan="2"'), ("test", "")]
    head += [*((column(m).title, ' class="extra"') for m in others), ("seeds", ' class="words"'), ("on the front", "")]
    keys = key(ranking)
    body = "".join(_ranking_row(cell, ranking, cells, others, keys) for _, cell in cells.iterrows())
    hidden = len(ranking.cells) - len(cells)
    more = f'<p class="caption">{hidden:,} more cells are in ranking.csv.</p>' if hidden else ""
    headers = "".join(f'<th scope="col"{more}>{escape(h)}</th>' for h, more in head)
    against = _yardstick_rows(ranking, others)
    table = f"<table><thead><tr>{headers}</tr></thead><tbody>{body}</tbody>{against}</table>"
    return f'<div class="scroll">{table}</div>{more}'


def _yardstick_rows(ranking: Ranking, others: Sequence[str]) -> str:
    """The null and ceiling rows under the cells, each with its value of every score that has one."""
    values = {m: {y.title: y for y in of_score(ranking.yardsticks, column(m))} for m in (*ranking.objectives, *others)}
    rows = []
    for title in TITLES.values():
        kind = next((found[title].kind for found in values.values() if title in found), None)
        if kind is None:
            continue
        tds = [f'<th scope="row" colspan="{1 + len(ranking.settings)}">{escape(title)} <i>{kind}</i></th>']
        for m, found in values.items():
            value = measured(found[title].value) if title in found else "–"
            tds += ["<td></td>", f"<td>{value}</td>", "<td></td>"] if m in ranking.objectives else [extra(value)]
        rows.append(f"<tr>{''.join(tds)}<td></td><td></td></tr>")
    return f'<tbody class="yardsticks">{"".join(rows)}</tbody>' if rows else ""


def _ranking_row(cell: pd.Series, ranking: Ranking, shown: pd.DataFrame, others: Sequence[str], marks: Key) -> str:
    texts = [number(v) if isinstance(v := cell[s], (int, float)) else str(v) for s in ranking.settings]
    tds = [f"<td>{'★' if cell['front'] else ''} {cell['rank']}</td>"]
    for setting, text in zip(ranking.settings, texts, strict=True):
        tds.append(f"<td>{mark(cell, marks) if setting == 'beta' else ''}{escape(text)}</td>")
    for name in ranking.objectives:
        value = measured(cell[f"{name}_mean"], cell[f"{name}_std"])
        tds += [f"<td>{_whisker(cell, shown, name)}</td>", f"<td>{value}</td>"]
        tds.append(f'<td class="quiet">{measured(cell.get(f"test_{name}_mean", np.nan))}</td>')
    tds += [extra(measured(cell[f"{m}_mean"], cell[f"{m}_std"])) for m in others]
    stopped = f'<span class="quiet"> · {cell["stopped"]} stopped</span>' if cell["stopped"] else ""
    tds.append(f'<td class="words">{cell["scored"]}/{cell["trials"]}{stopped}</td>')
    tds.append(f"<td>{_chance(cell['front_probability'])}</td>")
    return f'<tr data-cell="{cell["rank"]}" class="{"front" if cell["front"] else ""}">{"".join(tds)}</tr>'


def extra(text: str) -> str:
    """A table cell that a narrow page goes without."""
    return f'<td class="extra">{text}</td>'


def mark(row: Mapping[Any, Any] | pd.Series, marks: Key) -> str:
    """The mark that a cell or trial has in the figures; the page colours it by `data-ramp`."""
    place = marks.scale.place(row["beta"])
    use = f'<use href="#mark-{marks.symbol[row["latent_dim"]]}"/>'
    return f'<svg class="mark" viewBox="-10 -10 20 20" data-ramp="{place:.4f}" aria-hidden="true">{use}</svg>'


def _whisker(cell: pd.Series, shown: pd.DataFrame, name: str) -> str:
    """The mean as a dot on the 95 % interval, on one scale for the whole column."""
    mean, low, high = (cell[f"{name}_{part}"] for part in ("mean", "low", "high"))
    least = shown[[f"{name}_mean", f"{name}_low"]].min(axis=None)
    most = shown[[f"{name}_mean", f"{name}_high"]].max(axis=None)
    if pd.isna(mean) or not most > least:
        return '<svg class="whisker"></svg>'
    x = [f"{2 + 96 * (v - least) / (most - least):.1f}%" for v in (mean, low, high) if pd.notna(v)]
    line = f'<line x1="{x[1]}" x2="{x[2]}" y1="50%" y2="50%"/>' if len(x) == 3 else ""
    return f'<svg class="whisker" aria-hidden="true">{line}<circle cx="{x[0]}" cy="50%" r="3"/></svg>'


def _chance(probability: float) -> str:
    if pd.isna(probability):
        return "–"
    return f'{100 * probability:.0f} %<span class="bar"><i style="width:{100 * probability:.0f}%"></i></span>'


def separation_note(ranking: Ranking) -> str:
    """How many seeds would tell the first two cells apart; nothing where that can't be said."""
    needed = separation(ranking)
    if needed is None:
        return ""
    have = int(ranking.cells["scored"].head(2).min())
    text = f"It takes about {needed:,} seeds of each to tell cells 1 and 2 apart by the distance that ranks them"
    text += f"; {have} of each finished."
    return f'<p class="caption" title="95 % confidence, 80 % power, normal approximation">{escape(text)}</p>'


def preference_bar(ranking: Ranking) -> str:
    """Which cell to take, for every weight of the first objective against the second."""
    stretches = preferences(ranking)
    if len(stretches) < 2:
        return ""
    first, second = (column(o).title for o in ranking.objectives)
    cells = ranking.cells.set_index("rank")
    scale = BetaScale(ranking.trials["beta"])
    parts = []
    words = []
    for _, s in stretches.iterrows():
        cell = cells.loc[int(s["rank"])]
        name = escape(cell["label"])
        place = scale.place(cell["beta"])
        share = f"flex:{s['high'] - s['low']:.4f} 1 0"
        parts.append(f'<div style="{share}" data-fill="{place:.4f}" title="{name}"><span>{name}</span></div>')
        words.append(f"{name} for w from {s['low']:.2g} to {s['high']:.2g}")
    ends = f"<span>only {escape(second)} counts</span><span>only {escape(first)} counts</span>"
    inside = f'<div class="stretches">{"".join(parts)}</div><div class="scale">{ends}</div>'
    inside += f'<p class="caption">w, the weight of {escape(first)}: {"; ".join(words)}.</p>'
    return f'<div class="preferences"><h3>Which cell to take, by what counts for you</h3>{inside}</div>'


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
