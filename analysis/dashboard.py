"""The dashboard: one self-contained HTML file that opens from disk and asks no other host for anything.

The page (analysis/page/) is a template, a style sheet and plain scripts; Plotly's own script is inlined once. A content
security policy in its head forbids every request, so that what is not in the file can't be shown. The study's numbers
are one JSON block; whatever a person chose as a name is escaped there and in the markup.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from plotly.offline import get_plotlyjs

from analysis import markup, ranking_markup
from analysis.atlas import Atlas, atlases
from analysis.figures import FIGURES
from analysis.page_data import DETAILED_TRIALS, detailed, page_data, safe_json
from analysis.ranking import Ranking
from analysis.summary import front_sentence
from analysis.trials import Study

SCRIPTS = (
    "state.js",
    "selection.js",
    "follow.js",
    "dress.js",
    "figures.js",
    "traversals.js",
    "atlas.js",
    "trials.js",
    "audit.js",
    "weight.js",
    "start.js",
)
MEGABYTE = 1_000_000
SHEET_BUDGET = 15 * MEGABYTE  # Of base64 text; Plotly takes 5 MB and 100 trials' numbers less than 2: 25 MB in all.
RANKED = (
    "A cell is the trials that differ only in their seed, judged by the mean over those that finished; ★ marks the "
    "Pareto front. The order is front first, then the distance to the ideal point: where the front bends, its knee "
    "comes first. ± is the standard deviation over seeds, the whisker a 95 % bootstrap interval of the mean, “on the "
    "front” the share of bootstrap draws in which the cell is on it. Validation values pick; test values are reported. "
    "Under the cells stands what to hold a score against: the best that codes without knowledge reach on the same "
    "images, and the true factors taken as codes."
)


def write_dashboard(
    study: Study,
    ranking: Ranking,
    path: Path,
    sheets: Mapping[str, Mapping[str, Any]] | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """Write the page, atomically.

    Args:
        study: the tables.
        ranking: of that study.
        path: where to write; replaced as a whole.
        sheets: trial_id -> what sheets.read_sheets returned for it, best first; those past the size budget are left
            out, and the page says so.
        notes: sentences shown at the top: what is missing, and why.
    """
    kept, left_out = within_budget(sheets or {})
    if left_out:
        notes = [
            *notes,
            f"The traversals of {left_out} trials are left out to keep this file small; their GIFs are beside it.",
        ]
    html = render(study, ranking, kept, notes)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(html, encoding="utf-8")
    os.replace(temporary, path)
    return path


def render(study: Study, ranking: Ranking, sheets: Mapping[str, Mapping[str, Any]], notes: Sequence[str]) -> str:
    """The page as text."""
    page = files("analysis") / "page"
    panels = {f.name: f.panels(study, ranking) for f in FIGURES}
    pages = atlases(ranking, sheets, study.info["data"]["factor_names"])
    sections = [_section(f, panels[f.name]) for f in FIGURES if panels[f.name]]
    scripts = "\n".join((page / name).read_text(encoding="utf-8") for name in SCRIPTS)
    built = datetime.now(timezone.utc).astimezone().strftime("%A %d %B %Y, %H:%M:%S %Z")
    news = [*_unfinished(study, ranking, built), *_left_out(study)]
    return Template((page / "dashboard.html").read_text(encoding="utf-8")).substitute(
        title=escape(f"{study.info['name']} · β-VAE study"),
        css=(page / "dashboard.css").read_text(encoding="utf-8"),
        name=escape(str(study.info["name"])),
        sentence=escape(front_sentence(ranking)).replace(" ± ", "\u00a0±\u00a0").replace(" %", "\u00a0%"),
        notes=markup.marks() + "".join(f'<p class="note">{escape(n)}</p>' for n in [*news, *notes]),
        facts=markup.facts(study, ranking),
        ranking_caption=escape(RANKED),
        ranking=ranking_markup.ranking_table(ranking) + ranking_markup.separation_note(ranking),
        preferences=ranking_markup.preference_bar(ranking),
        figures="".join(sections),
        traversals=_gallery(sheets) + _atlas(pages),
        asked=markup.asked(study.info),
        built=escape(f"Built on {built} from the ledger of {study.info['name']}."),
        data=safe_json(page_data(study, ranking, panels, sheets, pages)),
        plotly=get_plotlyjs(),
        javascript=scripts,
    )


def _unfinished(study: Study, ranking: Ranking, built: str) -> list[str]:
    """A sentence at the top of a page whose study has trials that have not ended."""
    ended = int((ranking.trials["status"] != "unfinished").sum())
    planned = max(len(ranking.trials), len(study.info.get("planned", [])))
    if ended == planned:
        return []
    have = "has" if ended == 1 else "have"
    return [
        f"The study is unfinished: {ended:,} of {planned:,} trials {have} ended. This page was built on {built}; while "
        "the study runs it is built again as trials reach rungs, so reload it to see the news."
    ]


def _left_out(study: Study) -> list[str]:
    if detailed(study):
        return []
    return [
        f"Of more than {DETAILED_TRIALS:,} trials this page keeps no curves and no mutual information of single ones; "
        "scores.parquet has them."
    ]


def within_budget(sheets: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Mapping[str, Any]], int]:
    """The first sheets that together stay within SHEET_BUDGET, and how many are left out."""
    sizes = np.cumsum([len(s["src"]) for s in sheets.values()])
    kept = int(np.searchsorted(sizes, SHEET_BUDGET, side="right"))
    return dict(list(sheets.items())[:kept]), len(sheets) - kept


def _section(figure: Any, panels: Mapping[str, Any]) -> str:
    kind = "menu" if figure.menu else "single" if len(panels) == 1 else ""
    metas = [trace.meta or {} for panel in panels.values() for trace in panel.data]
    beyond = " ".join(dict.fromkeys(meta["beyond"] for meta in metas if "beyond" in meta))
    head = f"<h2>{escape(figure.title)}</h2><p class='caption'>{escape(figure.caption)}</p>"
    head += f'<p class="beyond" hidden>{escape(beyond)}</p>' if beyond else ""
    after = '<div id="stopped"></div>' if figure.name == "audit" else ""
    return f'<section id="{figure.name}">{head}<div class="panels {kind}"></div>{after}</section>'


def _gallery(sheets: Mapping[str, Mapping[str, Any]]) -> str:
    if not sheets:
        return ""
    ends = {
        "prior": "−3 to 3",
        "posterior": "the 1 % to the 99 % quantile of its aggregate posterior",
    }[next(iter(sheets.values())).get("range", "prior")]
    words = (
        f"The best trials on one test image: every tile moves one latent from {ends} and back, the others stay at "
        "the image's posterior mean. Latents are sorted by their KL and called after the factor that they are matched "
        "to; −z5 is z5 turned round, so that its factor rises as in every other trial. One that carries less than 0.01 "
        "nats is dead."
    )
    head = f'<h2>Traversals</h2><p class="caption">{words}</p>'
    return f'<section id="traversals">{head}<div class="gallery"></div></section>'


def _atlas(pages: Sequence[Atlas]) -> str:
    if not pages:
        return ""
    words = (
        "One factor across the trials that finished: each tile moves the latent that a trial has for it, all from the "
        "same test image and turned the same way, by one slider. Click a tile to open its trial. The same as GIFs: "
        "atlas/<factor>.gif beside this file."
    )
    head = f"<h2>Atlas</h2><p class='caption'>{escape(words)}</p>"
    return f'<section id="atlas">{head}<div class="atlas"></div></section>'
