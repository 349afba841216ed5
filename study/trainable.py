"""A trial as Tune runs it: resume, train, encode, score, keep a checkpoint, report."""

from __future__ import annotations

import logging
import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import ray
import torch
from ray import tune

from analysis.codes import CODED_IMAGES, CODES_FILE, Codes, write_codes
from analysis.metrics import METRICS, score
from analysis.storage import Folder
from bvae import checkpoint, data
from bvae.config import TrialConfig
from bvae.fast import keep_freed_memory
from bvae.model import VAE
from bvae.objective import kl_per_latent
from bvae.training import Likelihood, NonFiniteLoss, TrainReport, encode, evaluate, finite, train

# Decoding costs as much as encoding, and the likelihood needs fewer images than the scores: a quarter of them.
DECODED_SHARE = 4

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Assignment:
    """What a trial is given, as plain values that travel in Tune's config.

    Attributes:
        trial_id: the trial's name in the ledger.
        trial: the fields of its TrialConfig.
        folder: the run directory, path or URI; the same for all nodes.
        data: what `bvae.data.load` opens.
        report_at: steps at which it reports; at its last step the test split is scored too.
        score_images: images encoded per split.
        final_scores: "cheap" or "full": the budget of metrics at its last step; every other report gets the cheap ones.
        threads: CPU threads that torch may use; the lane says how many.
        resume: the checkpoint in `folder` to go on from, if any.
    """

    trial_id: str
    trial: dict[str, Any]
    folder: str
    data: str | None
    report_at: tuple[int, ...]
    score_images: int
    final_scores: Literal["cheap", "full"]
    threads: int = 1
    resume: str | None = None


def run_trial(config: dict[str, Any]) -> None:
    """Tune's function trainable; the Assignment's fields lie under one key, so that Tune searches nothing in it."""
    assignment = Assignment(**config["assignment"])
    torch.set_num_threads(assignment.threads)
    keep_freed_memory()
    device, folder = assigned_device(), Folder(assignment.folder)
    trial = TrialConfig.from_dict(assignment.trial)
    store = data.load(assignment.data)
    parts = scored_indices(store, trial, assignment.score_images)
    resume = load_checkpoint(folder, assignment.resume) if assignment.resume else None
    try:
        for report in train(trial, store, assignment.report_at, resume, device):
            final = report.step == trial.steps
            metrics = measure(report, store, parts, assignment.final_scores if final else "cheap", with_test=final)
            kept = keep_checkpoint(folder, assignment.trial_id, report.checkpoint())
            if final:
                keep_codes(folder, assignment.trial_id, compared_codes(report.vae, store, parts[0]))
            tune.report(metrics | {"device": device, "checkpoint": kept})
    except NonFiniteLoss as error:
        log.warning("%s: %s", assignment.trial_id, error)
        tune.report({"step": error.step, "reconstruction": math.nan, "mig": math.nan, "diverged": True})


def assigned_device() -> str:
    """Where this trial trains. What was assigned decides, not what can be seen: Ray shows every GPU of a node to a
    trial that asked for none. Where torch can't use the GPU that was assigned, "cpu": the trial is slow but not lost,
    and its reports say so."""
    return "cuda" if ray.get_gpu_ids() and torch.cuda.is_available() else "cpu"


def keep_checkpoint(folder: Folder, trial_id: str, point: checkpoint.Checkpoint) -> str:
    """Write a checkpoint to the run directory and return its name there.

    Raises:
        OSError: it can't be written.
    """
    name = f"checkpoints/{trial_id}/{point.step:08d}.safetensors"
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "checkpoint"
        checkpoint.save(path, point)
        folder.write(name, path.read_bytes())
    return name


def keep_codes(folder: Folder, trial_id: str, codes: Codes) -> None:
    """Write a trial's codes beside its checkpoints.

    Raises:
        OSError: they can't be written.
    """
    with tempfile.TemporaryDirectory() as scratch:
        write_codes(Path(scratch) / CODES_FILE, codes)
        folder.write(f"checkpoints/{trial_id}/{CODES_FILE}", (Path(scratch) / CODES_FILE).read_bytes())


def load_checkpoint(folder: Folder, name: str) -> checkpoint.Checkpoint:
    """Read a checkpoint from the run directory.

    Raises:
        CheckpointError: it is missing, truncated, or not one of this project's.
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / Path(name).name
        try:
            path.write_bytes(folder.read(name))
        except FileNotFoundError:
            raise checkpoint.CheckpointError(f"checkpoint {folder.location}/{name} does not exist") from None
        return checkpoint.load(path)


def scored_indices(
    store: data.ImageStore, trial: TrialConfig, count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The validation and test images that are scored: the same for all trials of a study, for fair comparison."""
    split = data.split(len(store), trial.split, trial.split_seed)
    generator = np.random.default_rng(trial.split_seed)
    validation, test = (
        generator.choice(part, min(count, len(part)), replace=False) for part in (split.validation, split.test)
    )
    return validation, test


def compared_codes(vae: VAE, store: data.ImageStore, validation: npt.NDArray[np.int64]) -> Codes:
    """The model's codes of the first validation images, which the report compares with those of other seeds."""
    images = validation[:CODED_IMAGES]
    posterior = encode(vae, store, images)
    return Codes(posterior.mean.numpy(), kl_per_latent(posterior).numpy(), images)


def check_scorable(store: data.ImageStore, trial: TrialConfig, count: int) -> None:
    """Refuse images whose scores would be undefined: a factor must vary among those that are scored.

    Raises:
        DataError: a factor has a single value among them.
    """
    for name, indices in zip(("validation", "test"), scored_indices(store, trial, count), strict=True):
        factors = store.factors(indices)
        for k in np.flatnonzero((factors == factors[:1]).all(axis=0)):
            raise data.DataError(
                f"factor {store.space.names[k]!r} of {store.name} has one value among the {len(indices)} {name} images "
                "that are scored; leave it out of the file, or score more images"
            )


def measure(
    report: TrainReport,
    store: data.ImageStore,
    parts: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    budget: Literal["cheap", "full"] = "cheap",
    with_test: bool = False,
) -> dict[str, Any]:
    """Everything a report says: likelihoods in nats per image, scores, speed. Test values only where asked for.

    Raises:
        NonFiniteLoss: the likelihood of the validation images is not finite.
    """
    started = time.perf_counter()
    validation, test = parts
    metrics = {f"train_{name}": value for name, value in report.train._asdict().items()}
    metrics |= _scores(report, store, validation, budget)
    if with_test:
        scores = _scores(report, store, test, budget)
        metrics |= {f"test_{name}": value for name, value in scores.items() if name not in ("loss", "kl_per_latent")}
    return metrics | {
        "step": report.step,
        "images_per_second": report.images_per_second,
        "seconds": report.seconds,
        "scoring_seconds": time.perf_counter() - started,
    }


def _scores(
    report: TrainReport, store: data.ImageStore, indices: npt.NDArray[np.int64], budget: Literal["cheap", "full"]
) -> dict[str, Any]:
    posterior = encode(report.vae, store, indices)
    decoded = indices[: max(1, len(indices) // DECODED_SHARE)]
    likelihood: Likelihood = evaluate(report.vae, store, decoded, posterior, report.step)
    if not finite(likelihood):
        raise NonFiniteLoss(report.step, report.vae.config)
    scores = score(
        posterior.mean.numpy(),
        store.factors(indices),
        budget=budget,
        logvar=posterior.logvar.numpy(),
        factor_names=store.space.names,
    )
    whole = {name: value for name, value in scores.items() if "/" not in name}
    return {**likelihood._asdict(), **whole, "kl_per_latent": kl_per_latent(posterior).tolist()}


def with_factors(scores: dict[str, float]) -> dict[str, float]:
    """Scores and their parts by factor; without those by latent, which are as many as a trial has latents."""

    def kept(name: str) -> bool:
        metric, _, part = name.partition("/")
        details = METRICS[metric].details
        return not part or (details is not None and details[1] == "factor")

    return {name: value for name, value in scores.items() if kept(name)}
