"""Run directories whose every number is known, for the tests of what reads them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from analysis.codes import CODES_FILE, Codes, write_codes
from analysis.events import append, event
from bvae.data import FactorSpace

RUNGS = (100, 300, 900)
STEPS = 2700


@dataclass
class MadeTrial:
    """One trial of a made study; `last` is the last step it reports at, None when it never reported."""

    trial_id: str
    beta: float = 4.0
    latent_dim: int = 4
    seed: int = 0
    status: str = "finished"
    last: int | None = STEPS
    reconstruction: float = 40.0
    mig: float = 0.2
    metrics: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    checkpoint: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def config(self) -> dict[str, Any]:
        fixed = {
            "architecture": "conv256",
            "objective": "beta",
            "learning_rate": 1e-3,
            "batch_size": 64,
            "steps": STEPS,
        }
        return {"beta": self.beta, "latent_dim": self.latent_dim, "seed": self.seed, **fixed, **self.settings}

    def report(self, step: int) -> dict[str, Any]:
        """Metrics that fall towards the trial's own at its last step."""
        late = step / (self.last or STEPS)
        kl = [8.0 * self.beta**-0.4 / (i + 1) if i < 3 else 0.001 for i in range(self.latent_dim)]
        validation = {
            "reconstruction": self.reconstruction + 30 * (1 - late),
            "kl": sum(kl),
            "mig": self.mig * late,
            "mig/scale": self.mig * late / 2,
            "active_latents": min(3, self.latent_dim),
            "kl_per_latent": kl,
            "mutual_information": [
                [round(self.mig * late + v / (1 + abs(i - k)), 3) for k in range(5)] for i, v in enumerate(kl)
            ],
            "loss": self.reconstruction + 30 * (1 - late) + self.beta * sum(kl),
        }
        test = {}
        if step in RUNGS or step == self.last:
            test = {f"test_{k}": validation[k] * 1.01 for k in ("reconstruction", "kl", "mig", "active_latents")}
        train = {"train_loss": validation["loss"] - 1, "train_reconstruction": validation["reconstruction"] - 1}
        speed = {"images_per_second": 1000.0, "seconds": step / 100}
        return {**validation, **test, **train, **speed, **self.metrics}


YARDSTICKS = {
    "budget": "cheap",
    "images": 3000,
    "latent_dims": [4, 10],
    "architectures": ["burgess"],
    "rows": [
        {"row": "shuffled_factors", "latent_dim": 4, "architecture": None, "scores": {"mig": 0.001}},
        {"row": "shuffled_factors", "latent_dim": 10, "architecture": None, "scores": {"mig": 0.002}},
        {"row": "untrained_encoder", "latent_dim": 4, "architecture": "burgess", "scores": {"mig": 0.007}},
        {"row": "pca", "latent_dim": 4, "architecture": None, "scores": {"mig": 0.025, "mig/shape": 0.01}},
        {"row": "true_factors", "latent_dim": None, "architecture": None, "scores": {"mig": 0.88, "sap": 0.25}},
    ],
}


def write_study(directory: Path, trials: list[MadeTrial], name: str = "made") -> Path:
    """A run directory with these trials, reporting at every third of a rung."""
    directory.mkdir(parents=True, exist_ok=True)
    info = {
        "schema": 1,
        "name": name,
        "created": "2026-01-02T03:04:05+00:00",
        "asked": {"preset": "quick", "betas": [1.0, 4.0], "latent_dims": [4, 10], "seeds": 2},
        "data": {
            "source": "dsprites",
            "factor_names": ["shape", "scale", "orientation", "x", "y"],
            "factor_sizes": [3, 6, 40, 32, 32],
            "images": 737280,
            "channels": 1,
        },
        "objectives": {"reconstruction": "min", "mig": "max"},
        "rungs": list(RUNGS),
        "steps": STEPS,
        "reduction_factor": 3,
        "planned": [t.trial_id for t in trials],
        "versions": {"python": "3.11"},
        "hardware": {"cpus": 2},
        "git_commit": None,
    }
    (directory / "study.json").write_text(json.dumps(info))
    (directory / "ledger.jsonl").touch()
    append(directory / "ledger.jsonl", (e for t in trials for e in _events(t)))
    return directory


def write_study_with_codes(directory: Path, trials: list[MadeTrial]) -> Path:
    """The same, every trial with the place of a checkpoint, though no file, and with codes that are noise beside it."""
    random = np.random.default_rng(0)
    for trial in trials:
        trial.checkpoint = f"tune/{trial.trial_id}/checkpoint.safetensors"
        folder = directory / "tune" / trial.trial_id
        folder.mkdir(parents=True)
        mean = random.normal(size=(100, trial.latent_dim))
        write_codes(folder / CODES_FILE, Codes(mean, np.ones(trial.latent_dim), np.arange(100)))
    return write_study(directory, trials)


def _events(trial: MadeTrial) -> Iterator[dict[str, Any]]:
    made = {"attempt": 1, "config": trial.config(), "device": "cpu", "node": "node-1", "resumed_step": 0}
    yield event("trial_started", trial.trial_id, **made)
    for step in range(100, (trial.last or 0) + 1, 100):
        yield event("report", trial.trial_id, step=step, metrics=trial.report(step))
        if step in RUNGS:
            keep = not (trial.status == "stopped" and step == trial.last)
            reason = (
                "in the top third of those that reached the rung"
                if keep
                else "4 of 5 at this rung are on better fronts"
            )
            judged = {
                "rung": step,
                "keep": keep,
                "rank": 0 if keep else 4,
                "front": 0 if keep else 2,
                "size": 5,
            }
            yield event(
                "decision", trial.trial_id, step=step, reason=reason, dominated_by=[] if keep else ["t0"], **judged
            )
    if trial.error:
        yield event("failure", trial.trial_id, step=trial.last or 0, attempt=1, error=trial.error)
    if trial.checkpoint:
        yield event("checkpoint", trial.trial_id, step=trial.last, path=trial.checkpoint)
    if trial.status != "unfinished":
        yield event("trial_ended", trial.trial_id, step=trial.last or 0, status=trial.status)


def grid(
    betas: tuple[float, ...] = (1, 2, 4, 8), latents: tuple[int, ...] = (4, 10), seeds: int = 3
) -> list[MadeTrial]:
    """A plausible study: more β, worse reconstruction and better MIG; one seed in three is stopped early."""
    random = np.random.default_rng(0)
    trials = []
    for beta in betas:
        for latent_dim in latents:
            for seed in range(seeds):
                stopped = bool(random.random() < 1 / 3) and seed > 0
                trials.append(
                    MadeTrial(
                        trial_id=f"t{len(trials)}",
                        beta=float(beta),
                        latent_dim=latent_dim,
                        seed=seed,
                        status="stopped" if stopped else "finished",
                        last=int(random.choice(RUNGS)) if stopped else STEPS,
                        reconstruction=float(18 + 12 * np.log2(beta) + random.normal(0, 1.5) - 0.2 * latent_dim),
                        mig=float(
                            np.clip(
                                0.08 + 0.09 * np.log2(beta) - 0.02 * np.log2(beta) ** 2 + random.normal(0, 0.03), 0, 1
                            )
                        ),
                    )
                )
    return trials


ODD = {
    "one trial": [MadeTrial("a")],
    "all failed": [
        MadeTrial("a", status="failed", last=None, error="boom"),
        MadeTrial("b", status="failed", last=None),
    ],
    "none finished": [MadeTrial("a", status="stopped", last=100), MadeTrial("b", status="unfinished", last=200)],
    "only NaN": [MadeTrial("a", metrics={"mig": None, "reconstruction": None})],
    "no KL": [MadeTrial("a", metrics={"kl": None, "kl_per_latent": [None] * 4}), MadeTrial("b", beta=1.0)],
    "diverged": [MadeTrial("a"), MadeTrial("b", beta=1.0, status="diverged", last=300, metrics={"mig": None})],
    "one latent": [MadeTrial("a", latent_dim=1), MadeTrial("b", latent_dim=1, beta=1.0)],
    "one seed": grid(seeds=1),
    "a grid": grid(),
}


class FakeStore:
    """Four factors' worth of grey images with as many test images as a portrait asks for."""

    name, sha256 = "fake", "of fake"
    white = 255
    image_shape = (1, 64, 64)
    space = FactorSpace(("side", "shade"), (2, 4))

    def __len__(self) -> int:
        return 400

    def factors(self, indices: np.ndarray) -> np.ndarray:
        return np.stack([np.asarray(indices) % 2, np.asarray(indices) // 2 % 4], axis=1)

    def images(self, indices: np.ndarray) -> np.ndarray:
        images = np.zeros((len(indices), 1, 64, 64), np.uint8)
        for image, (side, shade) in zip(images, self.factors(indices), strict=True):
            image[0, :, 32 * side : 32 * side + 32] = 60 * (shade + 1)
        return images


CONFIG = {"beta": 1.0, "latent_dim": 4, "seed": 0}


def started(name: str, attempt: int = 1) -> dict[str, Any]:
    return event("trial_started", name, attempt=attempt, config=CONFIG, device="cpu", node="here", resumed_step=0)


def reported(
    name: str, step: int, reconstruction: float | None = 50.0, mig: float | None = 0.1, **more: Any
) -> dict[str, Any]:
    return event("report", name, step=step, metrics={"reconstruction": reconstruction, "mig": mig, **more})


def decided(name: str, step: int, keep: bool = True) -> dict[str, Any]:
    return event(
        "decision", name, step=step, rung=step, keep=keep, rank=0, front=0, size=1, reason="because", dominated_by=[]
    )  # fmt: skip
