"""The atlas: one factor across the trials of a study. β along one axis, latent size and seed along the other; each tile
is the latent that a trial has for the factor, moved from the same test image and turned the same way.

It is laid out and drawn from the sheets of frames alone; no model is opened. Measured with 16 trials of 6 and 10
latents: 104 kB for the largest GIF.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from analysis.columns import label, number
from analysis.pictures import LINE, PAPER, QUIET, Frames, Side, save_gif, sheet, there_and_back, written
from analysis.ranking import Ranking

MOST = 12  # columns, and rows, at most
EMPTY = 238  # the grey of a tile without a picture


class Tile(NamedTuple):
    """One trial's place: what is written there, and the row of its sheet (None: it has nothing to show)."""

    words: str = ""
    trial_id: str | None = None
    row: int | None = None


@dataclass(frozen=True)
class Atlas:
    """One factor's page.

    Attributes:
        factor: its name.
        betas: of the columns, rising.
        rows: the lines of words that name each row.
        tiles: a row of them per row.
    """

    factor: str
    betas: tuple[float, ...]
    rows: tuple[tuple[str, ...], ...]
    tiles: tuple[tuple[Tile, ...], ...]


def atlases(ranking: Ranking, sheets: Mapping[str, Mapping[str, Any]], factors: Sequence[str]) -> list[Atlas]:
    """A page for each factor that at least two trials have a latent for.

    Of more than MOST values of β, as many are taken evenly spread over those with a picture; of more than MOST rows,
    those with the most pictures.

    Args:
        ranking: of the study.
        sheets: what `read_sheets` returned.
        factors: names, in the order of the pages.
    """
    trials = ranking.trials.to_dict("records")
    others = [s for s in ranking.settings if s != "beta"]
    made = []
    for factor in factors:
        row_of = {i: _row(sheet, factor) for i, sheet in sheets.items()}
        shown = {i for i, row in row_of.items() if row is not None}
        if len(shown) < 2:
            continue
        places = {(t["beta"], *(t[s] for s in others), t["seed"]): t for t in reversed(trials)}
        betas = sorted({t["beta"] for t in trials})
        if len(betas) > MOST:
            betas = _spread(sorted({t["beta"] for t in trials if t["trial_id"] in shown}))
        pictures: dict[tuple[Any, ...], int] = {}
        for (beta, *rest), t in places.items():
            pictures[tuple(rest)] = pictures.get(tuple(rest), 0) + (beta in betas and t["trial_id"] in shown)
        keys = sorted(sorted(sorted(pictures), key=lambda key: -pictures[key])[:MOST])
        lines = [_lines(dict(zip(others, key, strict=False)), key[-1]) for key in keys]
        tiles = [tuple(_tile(places.get((beta, *key)), row_of, sheets) for beta in betas) for key in keys]
        made.append(Atlas(factor, tuple(betas), tuple(lines), tuple(tiles)))
    return made


def write_atlases(report: Path, pages: Sequence[Atlas], sheets: Mapping[str, Mapping[str, Any]]) -> list[Path]:
    """Write report/atlas/<factor>.gif for each page; one that lies there and shows just this is left as it is.

    Returns:
        the files, in the order of the pages.
    """
    folder = report / "atlas"
    paths: list[Path] = []
    for page in pages:
        name = re.sub(r"[^\w-]+", "_", page.factor)
        while folder / f"{name}.gif" in paths:
            name += "_"
        path = folder / f"{name}.gif"
        folder.mkdir(exist_ok=True)
        used = [sheets[t.trial_id]["src"] for row in page.tiles for t in row if t.trial_id and t.row is not None]
        state = hashlib.sha256(repr((page, used)).encode()).hexdigest()
        if not _shows(path, state):
            save_gif(path, there_and_back(atlas_frames(page, sheets)), comment=state)
        paths.append(path)
    for old in set(folder.glob("*.gif")) - set(paths):
        old.unlink()
    return paths


def atlas_frames(page: Atlas, sheets: Mapping[str, Mapping[str, Any]]) -> Frames:
    """A page as frames (V, C, height, width), from what `read_sheets` returned."""
    opened = [[_opened(tile, sheets) for tile in row] for row in page.tiles]
    count, channels, height, width = next(frames.shape for row in opened for frames in row if frames is not None)
    grid = np.full((len(opened), len(page.betas), count, channels, height + LINE, width), PAPER, np.uint8)
    for row, line in enumerate(opened):
        for column, frames in enumerate(line):
            words = page.tiles[row][column].words
            if frames is not None:
                grid[row, column, ..., :height, :] = frames
                grid[row, column, ..., height:, :] = written(words, width, LINE)
            elif words:
                grid[row, column, ..., :height, :] = written(words, width, height, QUIET, EMPTY)
    heads, sides = [[f"beta {number(beta)}" for beta in page.betas]], [Side(lines) for lines in page.rows]
    return np.stack([sheet(grid[:, :, v], heads, sides, corner=page.factor) for v in range(count)])


def _row(sheet: Mapping[str, Any], factor: str) -> int | None:
    return next((row for row, of in enumerate(sheet["latents"]) if of["factor"] == factor), None)


def _spread(betas: list[float]) -> list[float]:
    return [betas[i] for i in np.linspace(0, len(betas) - 1, min(MOST, len(betas))).round().astype(int)]


def _lines(settings: Mapping[str, Any], seed: int) -> tuple[str, ...]:
    """A row in words: latent size, what else differs between the trials, seed."""
    parts = (label(settings, ["latent_dim"]), label(settings, [s for s in settings if s != "latent_dim"]))
    return (*filter(None, parts), f"seed {seed}")


def _tile(
    trial: Mapping[Any, Any] | None, row_of: Mapping[str, int | None], sheets: Mapping[str, Mapping[str, Any]]
) -> Tile:
    """What stands at a place: its trial's latent, or why there is none."""
    if trial is None:
        return Tile()
    name = str(trial["trial_id"])
    if name in sheets:
        row = row_of[name]
        of = {} if row is None else sheets[name]["latents"][row]
        return Tile(f"{of['symbol']}  {of['kl']:.1f} nats" if of else "no latent", name, row)
    if trial["status"] == "stopped":
        return Tile(f"stopped, {trial['step']:,}", name)
    return Tile("not drawn" if trial["status"] == "finished" else str(trial["status"]), name)


def _opened(tile: Tile, sheets: Mapping[str, Mapping[str, Any]]) -> Frames | None:
    """The frames (V, C, H, W) of a tile, from its trial's sheet."""
    if tile.trial_id is None or tile.row is None:
        return None
    sheet = sheets[tile.trial_id]
    with Image.open(io.BytesIO(base64.b64decode(sheet["src"].partition(",")[2]))) as png:
        pixels = np.asarray(png.convert("RGB"))
    if (pixels == pixels[..., :1]).all():
        pixels = pixels[..., :1]
    height, width = pixels.shape[0] // (len(sheet["latents"]) + 1), pixels.shape[1] // sheet["columns"]
    row = pixels[tile.row * height : (tile.row + 1) * height]
    return row.reshape(height, sheet["columns"], width, -1).transpose(1, 3, 0, 2)


def _shows(path: Path, state: str) -> bool:
    """Whether the GIF that lies there was made from just this."""
    try:
        with Image.open(path) as gif:
            return gif.info.get("comment") == state.encode()
    except OSError:
        return False
