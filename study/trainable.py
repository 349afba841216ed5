"""A trial as Tune runs it, or a pack of them: resume, train, encode, score, keep a checkpoint, report."""

from __future__ import annotations

import logging
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import ray
import torch
from ray import tune

from analysis.codes import CODES_FILE, Codes, write_codes
from analysis.storage import Folder, on_storage
from bvae import checkpoint, data
from bvae.config import TrialConfig
from bvae.memory import give_freed_memory_back, keep_freed_memory
from bvae.packing import train_packed
from bvae.training import NonFiniteLoss, TrainReport
from study.packs import judged, members_of
from study.scoring import compared_codes, measure, scored_indices

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
        pack: the name of the pack that the trial is in, where it is not alone.
        others: the further trials of the pack: trial_id, trial and resume of each.
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
    pack: str | None = None
    others: tuple[dict[str, Any], ...] = ()


def run_trial(config: dict[str, Any]) -> None:
    """Tune's function trainable; the Assignment's fields lie under one key, so that Tune searches nothing in it.

    Raises:
        StorageFailedError: a checkpoint can't be kept: no fault of the trial.
    """
    assignment, members = Assignment(**config["assignment"]), members_of(config["assignment"])
    torch.set_num_threads(assignment.threads)
    keep_freed_memory()
    device, folder = assigned_device(), Folder(assignment.folder)
    trials = [TrialConfig.from_dict(member["trial"]) for member in members]
    store = data.load(assignment.data)
    parts = scored_indices(store, trials[0], assignment.score_images)
    resume = [load_checkpoint(folder, member["resume"]) for member in members if member["resume"]]
    names = [str(member["trial_id"]) for member in members]
    reports: dict[str, dict[str, Any]] = {}
    for outcomes in train_packed(trials, store, assignment.report_at, resume, device):
        for name, outcome in zip(names, outcomes, strict=True):
            if not reports.get(name, {}).get("diverged"):
                reports[name] = _reported(assignment, name, outcome, store, parts, folder)
        give_freed_memory_back()
        told = list(reports.values())
        tune.report((told[0] if len(told) == 1 else judged(told) | {"reports": told}) | {"device": device})
        if all(report.get("diverged") for report in told):
            return


def _reported(
    assignment: Assignment, name: str, outcome: TrainReport | NonFiniteLoss, store: data.ImageStore,
    parts: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]], folder: Folder,
) -> dict[str, Any]:  # fmt: skip
    """A trial's scores after its checkpoint has been kept, or that it diverged."""
    try:
        if isinstance(outcome, NonFiniteLoss):
            raise outcome
        final = outcome.step == outcome.vae.config.steps
        metrics = measure(outcome, store, parts, assignment.final_scores if final else None)
    except NonFiniteLoss as error:
        log.warning("%s: %s", name, error)
        return {"step": error.step, "reconstruction": math.nan, "mig": math.nan, "diverged": True}
    with on_storage(folder.location):
        kept = keep_checkpoint(folder, name, outcome.checkpoint())
        if final:
            keep_codes(folder, name, compared_codes(outcome.vae, store, parts[0]))
    return metrics | {"checkpoint": kept}


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
        try:
            return checkpoint.load(path)
        except checkpoint.CheckpointError as error:
            raise checkpoint.CheckpointError(str(error).replace(str(path), f"{folder.location}/{name}")) from None
