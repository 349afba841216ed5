"""What a trial reports: scores of encoded images, likelihoods, speed."""

from __future__ import annotations

import time
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from analysis.codes import CODED_IMAGES, Codes
from analysis.metrics import METRICS, distinct, information_matrix, sampled, score
from bvae import data
from bvae.config import TrialConfig
from bvae.model import VAE
from bvae.objective import kl_per_latent
from bvae.training import Likelihood, NonFiniteLoss, TrainReport, encode, evaluate, finite

# Decoding costs as much as encoding, and the likelihood needs fewer images than the scores: a quarter of them.
DECODED_SHARE = 4


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
    final: Literal["cheap", "full"] | None = None,
) -> dict[str, Any]:
    """Everything a report says: likelihoods in nats per image, scores, speed; `analysis.events` lists the keys.

    Args:
        report: the trial at this step.
        store: the images.
        parts: as `scored_indices` gives them.
        final: the budget of metrics, at the trial's last step; it also brings parts by factor, the test split, sampled
            codes, and codes without the repeated orientation.

    Raises:
        NonFiniteLoss: the likelihood of the validation images is not finite.
    """
    started = time.perf_counter()
    validation, test = parts
    metrics = {f"train_{name}": value for name, value in report.train._asdict().items()}
    metrics |= _scores(report, store, validation, final, other_codes=final is not None)
    if final:
        left_out = ("loss", "kl_per_latent", "mutual_information")
        scores = _scores(report, store, test, final)
        metrics |= {f"test_{name}": value for name, value in scores.items() if name not in left_out}
    return metrics | {
        "step": report.step,
        "images_per_second": report.images_per_second,
        "seconds": report.seconds,
        "scoring_seconds": time.perf_counter() - started,
    }


def _scores(
    report: TrainReport,
    store: data.ImageStore,
    indices: npt.NDArray[np.int64],
    final: Literal["cheap", "full"] | None,
    other_codes: bool = False,
) -> dict[str, Any]:
    posterior = encode(report.vae, store, indices)
    decoded = indices[: max(1, len(indices) // DECODED_SHARE)]
    likelihood: Likelihood = evaluate(report.vae, store, decoded, posterior, report.step)
    if not finite(likelihood):
        raise NonFiniteLoss(report.step, report.vae.config)
    codes, logvar, factors = posterior.mean.numpy(), posterior.logvar.numpy(), store.factors(indices)
    names = store.space.names
    scores = with_factors(score(codes, factors, budget=final or "cheap", logvar=logvar, factor_names=names))
    if not final:
        scores = {name: value for name, value in scores.items() if "/" not in name or name.startswith("mig/")}
    if other_codes:
        drawn = score(sampled(codes, logvar), factors, budget=final or "cheap", factor_names=names)
        scores |= {f"sampled_{name}": value for name, value in with_factors(drawn).items()}
        if (kept := distinct(factors, names)) is not None:
            once = score(codes[kept], factors[kept], budget="cheap", logvar=logvar[kept], factor_names=names)
            scores |= {f"without_duplicate_{name}": value for name, value in with_factors(once).items()}
    return {
        **likelihood._asdict(),
        **scores,
        "kl_per_latent": kl_per_latent(posterior).tolist(),
        "mutual_information": np.round(information_matrix(codes, factors), 3).tolist(),
    }


def with_factors(scores: dict[str, float]) -> dict[str, float]:
    """Scores and their parts by factor; without those by latent, which are as many as a trial has latents."""

    def kept(name: str) -> bool:
        metric, _, part = name.partition("/")
        details = METRICS[metric].details
        return not part or (details is not None and details[1] == "factor")

    return {name: value for name, value in scores.items() if kept(name)}
