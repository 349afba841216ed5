"""The ranking in the page: cells with their spread, yardsticks under them, and which to take. Every text is escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd

from analysis.columns import column, measured, number
from analysis.figures.style import BetaScale, Key, key
from analysis.markup import mark
from analysis.ranking import Ranking, preferences, separation
from analysis.yardsticks import TITLES, of_score


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
    knee = '<i class="knee">knee</i>' if cell["rank"] == ranking.knee else ""
    tds = [f"<td>{'★' if cell['front'] else ''} {cell['rank']}{knee}</td>"]
    for setting, text in zip(ranking.settings, texts, strict=True):
        tds.append(f"<td>{mark(cell, marks) if setting == 'beta' else ''}{escape(text)}</td>")
    for name in ranking.objectives:
        value = measured(cell[f"{name}_mean"], cell[f"{name}_std"])
        tds += [f"<td>{_whisker(cell, shown, name)}</td>", f"<td>{value}</td>"]
        tds.append(f'<td class="quiet">{measured(cell.get(f"test_{name}_mean", np.nan))}</td>')
    tds += [extra(measured(cell[f"{m}_mean"], cell[f"{m}_std"])) for m in others]
    tds.append(f'<td class="words ends">{cell["scored"]}/{cell["trials"]}{_other_ends(cell)}</td>')
    tds.append(f"<td>{_chance(cell['front_probability'])}</td>")
    return f'<tr data-cell="{cell["rank"]}" class="{"front" if cell["front"] else ""}">{"".join(tds)}</tr>'


def _other_ends(cell: pd.Series) -> str:
    """How the seeds that don't count ended: "3 stopped at 220, 660 (2) · 1 failed"."""
    parts = [f"{cell[status]} {status}" for status in ("stopped", "failed", "diverged", "unfinished") if cell[status]]
    if cell["stopped"]:
        steps = Counter(cell["stopped_at"]).items()
        parts[0] += " at " + ", ".join(f"{s:,}{f' ({n})' if 1 < n < cell['stopped'] else ''}" for s, n in steps)
    return f'<span class="quiet">{" · ".join(parts)}</span>' if parts else ""


def extra(text: str) -> str:
    """A table cell that a narrow page goes without."""
    return f'<td class="extra">{text}</td>'


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
    about = f"{float(f'{needed:.2g}'):,.0f}"
    text = f"It takes about {about} seeds of each to tell cells 1 and 2 apart by the distance that ranks them"
    text += f"; {have} of each finished."
    return f'<p class="caption" title="95 % confidence, 80 % power, normal approximation">{escape(text)}</p>'


def preference_bar(ranking: Ranking) -> str:
    """Which cell to take, for every weight of the first objective against the second; a slider picks one weight."""
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
        scores = ", ".join(
            f"{column(o).title} {measured(cell[f'{o}_mean'], cell[f'{o}_std'])} {column(o).unit}".strip()
            for o in ranking.objectives
        )
        take = f'data-to="{s["high"]}" data-cell="{int(s["rank"])}" data-take="{name}: {escape(scores)}"'
        parts.append(f'<div style="{share}" data-fill="{place:.4f}" {take} title="{name}"><span>{name}</span></div>')
        words.append(f"{name} for w from {s['low']:.2g} to {s['high']:.2g}")
    ends = f"<span>only {escape(second)} counts</span><span>only {escape(first)} counts</span>"
    weigh = f'I value {escape(first)} at <input id="weight" type="range" min="0" max="1" step="0.01" value="0.5">'
    inside = f'<div class="stretches">{"".join(parts)}</div><div class="scale">{ends}</div>'
    inside += f'<label class="weigh">{weigh}</label><output id="take" for="weight"></output>'
    inside += f'<p class="caption">w, the weight of {escape(first)}: {"; ".join(words)}.</p>'
    return f'<div class="preferences"><h3>Which cell to take, by what counts for you</h3>{inside}</div>'
