"""The null and ceiling rows of a study, measured once, by a task of their own beside the trials."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import ray
import torch
from ray.exceptions import RayError
from ray.tune import Callback
from ray.tune.experiment import Trial
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from analysis.metrics import score_rows
from analysis.storage import on_storage
from analysis.yardsticks import stored, write_yardsticks
from bvae import data
from bvae.batches import load_images
from bvae.config import TrialConfig
from bvae.model import VAE
from bvae.training import encode
from study.lanes import Lanes
from study.scoring import scored_indices, with_factors
from study.space import Settings

MOST_SIZES = 4  # latent sizes that are measured; the others lie between them
FITTED_IMAGES = 5_000  # training images that the principal components are fitted to
CHUNK = 1_000

log = logging.getLogger(__name__)


def asked(trials: Sequence[TrialConfig], settings: Settings) -> dict[str, Any]:
    """What is to be measured for these trials: the file's fields but its rows."""
    sizes = sorted({trial.latent_dim for trial in trials})
    chosen = np.unique(np.linspace(0, len(sizes) - 1, MOST_SIZES).round().astype(int))
    return {
        "budget": settings.final_scores,
        "images": settings.score_images,
        "latent_dims": [sizes[i] for i in chosen],
        "architectures": sorted({trial.architecture for trial in trials}),
    }


def measure(store: data.ImageStore, trial: TrialConfig, wanted: dict[str, Any]) -> dict[str, Any]:
    """The file's content: `wanted` and the rows, scored as the trials' codes of the validation images are.

    Args:
        store: the images.
        trial: any of the study; what it does not say itself about an untrained encoder is taken from it.
        wanted: as `asked` gives it.
    """
    validation, _ = scored_indices(store, trial, wanted["images"])
    factors, names = store.factors(validation), store.space.names
    components = principal_components(store, trial, validation, max(wanted["latent_dims"]), wanted["images"])
    rows: list[dict[str, Any]] = []

    def add(row: str, scores: dict[str, float], size: int | None = None, architecture: str | None = None) -> None:
        rows.append({"row": row, "latent_dim": size, "architecture": architecture, "scores": with_factors(scores)})

    for size in wanted["latent_dims"]:
        chosen = ["mean", "shuffled_factors"]
        found = score_rows(components[:, :size], factors, budget=wanted["budget"], factor_names=names, rows=chosen)
        add("shuffled_factors", found["shuffled_factors"], size)
        add("pca", found["mean"], size)
        for architecture in wanted["architectures"]:
            untrained = TrialConfig(**asdict(trial) | {"latent_dim": size, "architecture": architecture})
            posterior = encode(VAE(untrained), store, validation)
            codes, logvar = posterior.mean.numpy(), posterior.logvar.numpy()
            found = score_rows(
                codes, factors, budget=wanted["budget"], logvar=logvar, factor_names=names, rows=["mean"]
            )
            add("untrained_encoder", found["mean"], size, architecture)
    found = score_rows(components, factors, budget=wanted["budget"], factor_names=names, rows=["true_factors"])
    add("true_factors", found["true_factors"])
    return {**wanted, "rows": rows}


def principal_components(
    store: data.ImageStore, trial: TrialConfig, indices: npt.NDArray[np.int64], count: int, images: int
) -> npt.NDArray[np.float32]:
    """The first principal components of images, (n, count); fewer where the data have fewer. Fitted to images of the
    training part."""
    from sklearn.decomposition import PCA

    train = data.split(len(store), trial.split, trial.split_seed).train
    generator = np.random.default_rng(trial.split_seed)
    fitted_to = generator.choice(train, min(images, FITTED_IMAGES, len(train)), replace=False)
    pixels = load_images(store, fitted_to).flatten(1).numpy()
    with threadpool_limits(limits=1):  # Sums that are split between threads round differently.
        pca = PCA(min(count, *pixels.shape), svd_solver="randomized", random_state=0).fit(pixels)
        parts = [
            pca.transform(load_images(store, indices[start : start + CHUNK]).flatten(1).numpy())
            for start in range(0, len(indices), CHUNK)
        ]
    return np.concatenate(parts).astype(np.float32)


def settle(directory: Path, store: data.ImageStore, trials: Sequence[TrialConfig], settings: Settings) -> None:
    """Measure here and write what a run directory lacks: a study's that had ended before it was there."""
    wanted = asked(trials, settings)
    if not is_settled(directory, wanted):
        write_yardsticks(measure(store, trials[0], wanted), directory)


def is_settled(directory: Path, wanted: dict[str, Any]) -> bool:
    """Whether the rows that are wanted are in the run directory already."""
    there = stored(directory) or {}
    return {key: there.get(key) for key in wanted} == json.loads(json.dumps(wanted))


class YardstickCallback(Callback):
    """Starts the task when the trials start and writes what it gives when it is done; waits for it at their end.

    Whether that is their end, or a person has interrupted them, is known to `lanes`: to Tune all have ended then.

    The task needs no core of its own: it would hold one that a trial could train on.
    """

    def __init__(
        self, directory: Path, source: str | None, trials: Sequence[TrialConfig], settings: Settings, lanes: Lanes
    ) -> None:
        self._directory = directory
        self._source = source
        self._trial = trials[0]
        self._wanted = asked(trials, settings)
        self._lanes = lanes
        self._task: ray.ObjectRef | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a restore of its own, which this project goes without."""
        return {}

    def setup(self, *_: Any, **info: Any) -> None:
        """Start the task, where there is something to measure."""
        if not is_settled(self._directory, self._wanted):
            task = ray.remote(num_cpus=0)(_measured)
            self._task = task.remote(self._source, asdict(self._trial), self._wanted)

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Write the rows as soon as they are there."""
        if self._task is not None and ray.wait([self._task], timeout=0)[0]:
            self._write(self._task)

    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:
        """Wait for the rows where the study is finished; drop them where it was interrupted."""
        if self._task is None:
            return
        if self._lanes.through:
            self._write(self._task)
        else:
            ray.cancel(self._task, force=True)

    def _write(self, task: ray.ObjectRef) -> None:
        self._task = None
        try:
            measured = ray.get(task)
            with on_storage(self._directory):
                write_yardsticks(measured, self._directory)
        except RayError as error:
            log.warning("The null and ceiling rows could not be measured: %s", str(error).strip().splitlines()[-1])


def _measured(source: str | None, trial: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    torch.set_num_threads(1)
    return measure(data.load(source), TrialConfig.from_dict(trial), wanted)
