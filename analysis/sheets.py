"""Sheets of frames: what the dashboard plays of the best trials. What costs time, encoding, is done once per trial and
kept beside the pictures; a report that is built again draws only trials it has not seen.

A sheet is one PNG with a row per latent and a column per value, and a JSON that says what they are. Measured on 16
trials on dSprites after 1,980 steps: 12 kB of PNG for 6 latents and 17 kB for 10 in the mean, 19 kB at most.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.album import write_album
from analysis.latents import Latent
from analysis.pictures import Frames, save_png, tiled
from analysis.portraits import Portrait, check_images, images_of, portrait
from analysis.ranking import Ranking, best_trials
from analysis.traversals import Range
from analysis.trials import Study

if TYPE_CHECKING:
    from bvae.data import ImageStore

ROWS = 24  # latents at most in a sheet of frames

log = logging.getLogger(__name__)


def write_portraits(
    study: Study,
    ranking: Ranking,
    report: Path,
    store: ImageStore | None,
    gifs: int,
    sheets: int,
    span: Range = "prior",
    fetch: Callable[[Path], None] | None = None,
) -> list[str]:
    """Write the albums of the best trials and the sheets of frames of more of them.

    Args:
        study, ranking: the tables.
        report: the report's folder; gets gif/<rank>/ and sheets/.
        store: the study's images; None loads them by the source that the study names.
        gifs: how many of the best trials get an album.
        sheets: how many get a sheet of frames, which the dashboard plays.
        span: how far the latents are moved.
        fetch: has a checkpoint at hand, where the study is kept elsewhere than in the run directory.

    Returns:
        sentences about what could not be drawn; empty when all could.

    Raises:
        DataError: the images can't be read, or are not the study's.
        CacheError: the image cache can't be written.
    """
    from bvae.memory import keep_freed_memory

    trials = best_trials(ranking, max(gifs, sheets))
    _remove_ranks_after(report / "gif", min(gifs, len(trials)))
    if store is not None:
        check_images(study.info, store)
    keep_freed_memory()  # Encoding on a CPU takes half the time.
    missing = []
    for place, trial in enumerate(trials.to_dict("records"), start=1):
        about = {"trial_id": trial["trial_id"], "step": int(trial["step"]), "checkpoint": str(trial["checkpoint"])}
        about["range"] = span
        folder, path = report / "gif" / str(place), sheet_path(report, trial["trial_id"])
        done = place > gifs or _is_of(folder / "trial.json", about)
        if done and _is_of(path.with_suffix(".json"), about):
            continue
        if fetch:
            fetch(study.directory / about["checkpoint"])
        if not (study.directory / about["checkpoint"]).is_file():
            missing.append(str(trial["trial_id"]))
            continue
        store = store or images_of(study.info)
        if not _drawn(study.directory / about["checkpoint"], store, about, path, None if done else folder):
            missing.append(str(trial["trial_id"]))
    if not missing:
        return []
    named = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
    return [f"No traversals of {len(missing)} of {len(trials)} trials: no whole checkpoint of {named}."]


def read_sheets(report: Path, ranking: Ranking) -> dict[str, dict[str, Any]]:
    """The sheets of frames in a report, best first: trial_id -> what the page needs, the picture as a data URI."""
    sheets = {}
    for trial_id in best_trials(ranking, len(ranking.trials))["trial_id"]:
        path = sheet_path(report, trial_id)
        if path.is_file() and path.with_suffix(".json").is_file():
            about = json.loads(path.with_suffix(".json").read_text())
            sheets[trial_id] = about | {"src": "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()}
    return sheets


def sheet_path(report: Path, trial_id: str) -> Path:
    """Where a trial's sheet of frames lies; a trial's name is hashed, because it may hold what a file's name can't."""
    return report / "sheets" / f"{hashlib.sha256(str(trial_id).encode()).hexdigest()[:16]}.png"


def write_sheet(path: Path, drawn: Portrait, about: Mapping[str, Any]) -> None:
    """Write a model's sheet, of the first sample and its ROWS strongest latents, and the JSON beside it.

    The JSON holds what the page and the atlas need: `about`, columns, pairs, and per row the latent with its symbol and
    the values it goes from and to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, columns = drawn.latents[:ROWS], drawn.values.shape[1]
    save_png(path, frame_sheet(drawn.frames[0], rows, drawn.images, drawn.reconstructions))
    latents = []
    for of in rows:
        low, high = of.sign * drawn.values[of.latent, [0, -1]]
        ends = {"low": round(float(low), 3), "high": round(float(high), 3)}
        latents.append({**of._asdict(), "symbol": of.symbol, "dead": of.dead, **ends})
    shown = {"columns": columns, "pairs": min(len(drawn.images), columns // 2), "latents": latents}
    path.with_suffix(".json").write_text(json.dumps({**about, **shown}))


def frame_sheet(frames: Frames, latents: Sequence[Latent], images: Frames, back: Frames) -> Frames:
    """A row per latent, a column per value; the last row holds image, reconstruction, image, ...

    Args:
        frames: (D, V, C, H, W), with the latents in their own order.
        latents: in the order of the rows.
        images, back: (P, C, H, W), images and their reconstructions; as many pairs as fit into V columns are shown.

    Returns:
        (C, rows · H, V · W) uint8.
    """
    grid = frames[[of.latent for of in latents]]
    last = np.zeros_like(grid[:1])
    pairs = np.stack([images, back], axis=1).reshape(-1, *images.shape[1:])[: grid.shape[1]]
    last[0, : len(pairs)] = pairs
    return tiled(np.concatenate([grid, last]))


def _drawn(checkpoint: Path, store: ImageStore, about: dict[str, Any], sheet: Path, folder: Path | None) -> bool:
    """Open a checkpoint, write its sheet of frames and, where a folder is given, its album; False if it isn't whole."""
    from bvae.checkpoint import CheckpointError, load_model

    try:
        drawn = portrait(load_model(checkpoint), store, about["range"])
    except CheckpointError as error:
        log.warning("%s", error)
        return False
    write_sheet(sheet, drawn, about)
    if folder is not None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_album(folder, drawn, about)
    return True


def _is_of(path: Path, about: Mapping[str, Any]) -> bool:
    """Whether a description that lies there is of this very checkpoint, drawn in this very way."""
    try:
        lies = json.loads(path.read_text())
    except (OSError, ValueError):
        return False
    return all(lies.get(k) == v for k, v in about.items())


def _remove_ranks_after(folder: Path, last: int) -> None:
    """Remove the albums of ranks that no longer exist."""
    for old in folder.glob("*"):
        if old.name.isdigit() and int(old.name) > last:
            shutil.rmtree(old)
