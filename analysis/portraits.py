"""Portraits of trials: a checkpoint opened, its latents described, its traversals written. Needs torch and bvae.

What costs time, encoding, is done once per trial and kept beside the pictures; a report that is built again draws only
trials it has not seen.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from analysis.metrics.mutual_information import factor_entropy, mutual_information
from analysis.ranking import Ranking, best_trials
from analysis.traversals import DEAD, VALUES, Frames, Latent, frame_sheet, save_png, traverse_all, write_gifs
from analysis.trials import Study

if TYPE_CHECKING:
    from bvae.data import ImageStore
    from bvae.model import VAE

SAMPLES = 4  # test images whose codes are moved; the same for every trial with the same split
DESCRIBED = 4000  # test images from which KL and factors of the latents are measured
ROWS = 24  # latents at most in a sheet of frames
MATCHED = 0.1  # of a factor's entropy a latent must hold to be called by its name

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Portrait:
    """What a trained model shows of itself.

    Attributes:
        latents: sorted by KL, the strongest first.
        frames: (S, D, V, C, H, W) uint8, in the latents' own order.
        images, reconstructions: (S, C, H, W) uint8.
    """

    latents: list[Latent]
    frames: Frames
    images: Frames
    reconstructions: Frames


def portrait(vae: VAE, store: ImageStore) -> Portrait:
    """Describe a model's latents and traverse them from the first of its shuffled test images."""
    from bvae.data import split
    from bvae.objective import kl_per_latent
    from bvae.training import encode

    test = split(len(store), vae.config.split, vae.config.split_seed).test
    chosen = np.random.default_rng(0).permutation(test)[: max(SAMPLES, DESCRIBED)]
    posterior = encode(vae, store, chosen)
    mean, kl = posterior.mean.float().numpy(), kl_per_latent(posterior).numpy()
    factors = matched(mean, store.factors(chosen), store.space.names)
    latents = [
        Latent(int(d), float(kl[d]), factors.get(int(d)) if kl[d] >= DEAD else None)
        for d in np.argsort(-kl, kind="stable")
    ]
    decode = decoder(vae)
    codes = mean[:SAMPLES]
    images = np.round(store.images(chosen[:SAMPLES]) * (255 / store.white)).astype(np.uint8)
    reconstructions = np.round(decode(codes) * 255).astype(np.uint8)
    return Portrait(latents, traverse_all(decode, codes, VALUES), images, reconstructions)


def decoder(vae: VAE) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """A model's decoder as a function of arrays: (n, D) codes -> (n, C, H, W) probabilities."""
    import torch

    def decode(codes: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(torch.sigmoid(vae.decode(torch.from_numpy(codes)).float()).numpy())

    return decode


def matched(codes: NDArray[np.floating], factors: NDArray[np.integer], names: tuple[str, ...]) -> dict[int, str]:
    """Which latent is called after which factor: the assignment of one latent to each factor that holds the most
    information.

    Pairs that share less than MATCHED of the factor's entropy stay nameless.

    Returns:
        latent -> name of its factor.
    """
    entropy = factor_entropy(factors)
    share = mutual_information(codes, factors) / np.where(entropy > 0, entropy, np.inf)  # (D, K)
    pairs = zip(*linear_sum_assignment(-share), strict=True)
    return {int(d): names[k] for d, k in pairs if share[d, k] >= MATCHED}


def write_portraits(
    study: Study, ranking: Ranking, report: Path, store: ImageStore | None, gifs: int, sheets: int
) -> list[str]:
    """Write the GIFs of the best trials and the sheets of frames of more of them.

    Args:
        study, ranking: the tables.
        report: the report's folder; gets gif/<rank>/ and sheets/.
        store: the study's images; None loads them by the source that the study names.
        gifs: how many of the best trials get GIFs.
        sheets: how many get a sheet of frames, which the dashboard plays.

    Returns:
        sentences about what could not be drawn; empty when all could.
    """
    trials = best_trials(ranking, max(gifs, sheets))
    _remove_ranks_after(report / "gif", min(gifs, len(trials)))
    missing = []
    for place, trial in enumerate(trials.to_dict("records"), start=1):
        about = {"trial_id": trial["trial_id"], "step": int(trial["step"]), "checkpoint": str(trial["checkpoint"])}
        folder, sheet = report / "gif" / str(place), sheet_path(report, trial["trial_id"])
        done = place > gifs or _is_of(folder / "trial.json", about)
        if done and _is_of(sheet.with_suffix(".json"), about):
            continue
        if not (study.directory / about["checkpoint"]).is_file():
            missing.append(str(trial["trial_id"]))
            continue
        store = store or study_images(study)
        if not _drawn(study.directory / about["checkpoint"], store, about, sheet, None if done else folder):
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


def study_images(study: Study) -> ImageStore:
    """The images of the study, loaded by the source that it names."""
    from bvae.data import load

    source = study.info["data"]["source"]
    return load(None if source == "dsprites" else source)


def _drawn(checkpoint: Path, store: ImageStore, about: dict[str, Any], sheet: Path, folder: Path | None) -> bool:
    """Open a checkpoint, write its sheet of frames and, where a folder is given, its GIFs; False if it isn't whole."""
    from bvae.checkpoint import CheckpointError, load_model

    try:
        drawn = portrait(load_model(checkpoint), store)
    except CheckpointError as error:
        log.warning("%s", error)
        return False
    sheet.parent.mkdir(parents=True, exist_ok=True)
    rows = drawn.latents[:ROWS]
    save_png(sheet, frame_sheet(drawn.frames[0], rows, drawn.images, drawn.reconstructions))
    latents = [{**of._asdict(), "dead": of.dead} for of in rows]
    shown = {"values": VALUES.tolist(), "latents": latents, "pairs": len(drawn.images)}
    sheet.with_suffix(".json").write_text(json.dumps(about | shown))
    if folder is not None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_gifs(folder, drawn.frames, drawn.images, drawn.latents, about)
    return True


def _is_of(path: Path, about: dict[str, Any]) -> bool:
    """Whether a description that lies there is of this very checkpoint."""
    try:
        lies = json.loads(path.read_text())
    except (OSError, ValueError):
        return False
    return all(lies.get(k) == v for k, v in about.items())


def _remove_ranks_after(folder: Path, last: int) -> None:
    """Remove the GIFs of ranks that no longer exist."""
    for old in folder.glob("*"):
        if old.name.isdigit() and int(old.name) > last:
            shutil.rmtree(old)
