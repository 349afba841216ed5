"""Training as a generator: gradient steps between the steps at which the caller wants to look.

Every random draw comes from the trial's seed: weights (bvae.model), order of the images (bvae.batches, a function of
seed and step) and the noise of z (a generator whose state is in the checkpoint). So stopping at a step and going on
gives bit for bit what never stopping gives, on one device with one number of threads.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bvae import fast, objective
from bvae.batches import image_order, load_images, mean_intensity
from bvae.checkpoint import Checkpoint, moments_of, restore_moments
from bvae.config import TrialConfig
from bvae.data import ImageStore, split
from bvae.model import VAE, Posterior

CHECK_EVERY = 100  # steps between looks at whether the loss is finite: each look waits for the device
ENCODE_BATCH = 512  # images encoded at a time


class NonFiniteLoss(ArithmeticError):  # noqa: N818 (the interface's name)
    """The loss is no longer finite; `step` is the step at which that was seen."""

    def __init__(self, step: int, config: TrialConfig) -> None:
        super().__init__(f"the loss is not finite at step {step} (learning_rate {config.learning_rate:g})")
        self.step = step


class Likelihood(NamedTuple):
    """Means over images, in nats per image; `loss` is the trial's objective, the only one that knows β."""

    loss: float
    elbo: float
    reconstruction: float
    kl: float


@dataclass(frozen=True)
class TrainReport:
    """The run at a step that was asked for. `vae` goes on training when the generator is resumed: use it before that.

    Attributes:
        step: gradient steps done.
        vae: the model.
        train: means over the training batches since the last report.
        images_per_second: of the gradient steps since the last report.
        seconds: spent on gradient steps since step 1, resumed ones included.
    """

    step: int
    vae: VAE
    train: Likelihood
    images_per_second: float
    seconds: float
    _optimizer: torch.optim.Adam
    _noise: torch.Generator

    def checkpoint(self) -> Checkpoint:
        """Everything that is needed to go on from here."""
        return Checkpoint(
            config=self.vae.config,
            step=self.step,
            weights=self.vae.state_dict(),
            moments=moments_of(self._optimizer, self.vae),
            noise_state=self._noise.get_state(),
            device=self._noise.device.type,
            seconds=self.seconds,
        )


def train(
    config: TrialConfig,
    store: ImageStore,
    report_at: Collection[int],
    resume: Checkpoint | None = None,
    device: str | torch.device = "cpu",
) -> Iterator[TrainReport]:
    """Train a VAE and yield at each step in `report_at`, up to the last of them or `config.steps`.

    Args:
        config: the trial.
        store: the images; its channels must be the config's.
        report_at: steps (1-based) at which to yield; others are passed without stopping.
        resume: go on after this checkpoint's step.
        device: where to train; never guessed.

    Raises:
        ValueError: `store` has other channels than the config, or `resume` belongs to another config.
        NonFiniteLoss: the loss became NaN or infinite; nothing is yielded for that step.
    """
    run = begin(config, store, resume, torch.device(device))
    optimizer = adam_of([run], [resume])
    for stop in run.stops(report_at):
        started = time.perf_counter()
        sums = torch.zeros(3, dtype=torch.float64, device=device)
        for step in range(run.done + 1, stop + 1):
            images = load_images(store, next(run.order), device)
            sums += _gradient_step(run.vae, optimizer, images, run.noise, step)
            if (step % CHECK_EVERY == 0 or step == stop) and not torch.isfinite(sums[0]):
                raise NonFiniteLoss(step, config)
        yield run.report(stop, sums.tolist(), time.perf_counter() - started, optimizer)


@dataclass
class Run:
    """A trial in training: its model, what it draws from, how many steps are done and what they took."""

    vae: VAE
    noise: torch.Generator
    order: Iterator[npt.NDArray[np.int64]]
    done: int
    seconds: float

    def stops(self, report_at: Collection[int]) -> list[int]:
        """Which steps of these are still to come."""
        return sorted(step for step in set(report_at) if self.done < step <= self.vae.config.steps)

    def report(self, step: int, sums: Sequence[float], elapsed: float, optimizer: torch.optim.Adam) -> TrainReport:
        """At this step, after so many seconds since the last one, in which loss, reconstruction and KL added up to
        `sums`."""
        steps = step - self.done
        loss, reconstruction, kl = (total / steps for total in sums)
        self.done, self.seconds = step, self.seconds + elapsed
        rate = steps * self.vae.config.batch_size / elapsed
        likelihood = Likelihood(loss, -reconstruction - kl, reconstruction, kl)
        return TrainReport(step, self.vae, likelihood, rate, self.seconds, optimizer, self.noise)


def adam_of(runs: Sequence[Run], resume: Sequence[Checkpoint | None]) -> torch.optim.Adam:
    """One Adam for the weights of trials, each with its own settings and, after a checkpoint, its moments."""
    groups = [
        {
            "params": list(run.vae.parameters()),
            "lr": run.vae.config.learning_rate,
        }
        for run in runs
    ]
    optimizer = torch.optim.Adam(groups, fused=True)
    for run, point in zip(runs, resume, strict=True):
        if point:
            restore_moments(optimizer, run.vae, point)
    return optimizer


def begin(config: TrialConfig, store: ImageStore, resume: Checkpoint | None, device: torch.device) -> Run:
    """A trial before its next step: the first one, or that after a checkpoint.

    Raises:
        ValueError: as `train`.
    """
    if store.image_shape[0] != config.channels:
        raise ValueError(f"channels is {config.channels}, but the images of {store.name} have {store.image_shape[0]}")
    if resume and resume.config != config:
        raise ValueError("the checkpoint belongs to a trial with other settings")
    trained_on = split(len(store), config.split, config.split_seed).train
    vae = VAE(config).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    noise = torch.Generator(device).manual_seed(config.seed)
    vae.start_at(mean_intensity(store, trained_on))
    if resume:
        vae.load_state_dict(resume.weights)
        if resume.device == device.type:
            noise.set_state(resume.noise_state)
        else:  # A generator's state belongs to its kind of device: on another, draw anew from seed and step.
            noise.manual_seed(config.seed + resume.step)
    done, seconds = (resume.step, resume.seconds) if resume else (0, 0.0)
    return Run(vae, noise, image_order(trained_on, config, first_step=done + 1), done, seconds)


def _gradient_step(vae: VAE, optimizer: torch.optim.Adam, images: Tensor, noise: torch.Generator, step: int) -> Tensor:
    """One step of Adam; returns (loss, reconstruction, kl) as a tensor (3,) that stays on the device."""
    config = vae.config
    draws = torch.randn(len(images), config.latent_dim, generator=noise, device=images.device)
    posterior, logits = fast.forward(vae, images, draws)
    reconstruction = objective.reconstruction(logits, images)
    kl = objective.kl_per_latent(posterior).sum()
    loss = reconstruction + objective.OBJECTIVES[config.objective](kl, step, config)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return torch.stack((loss.detach(), reconstruction.detach(), kl.detach()))


@torch.no_grad()
def encode(vae: VAE, store: ImageStore, indices: npt.NDArray[np.int64]) -> Posterior:
    """Posteriors of many images: mean and logvar, both (n, D) float32 on the CPU."""
    device = next(vae.parameters()).device
    parts = [
        vae.encode(load_images(store, indices[start : start + ENCODE_BATCH], device))
        for start in range(0, len(indices), ENCODE_BATCH)
    ]
    return Posterior(torch.cat([p.mean for p in parts]).cpu(), torch.cat([p.logvar for p in parts]).cpu())


@torch.no_grad()
def evaluate(
    vae: VAE, store: ImageStore, indices: npt.NDArray[np.int64], posterior: Posterior, step: int
) -> Likelihood:
    """Likelihood of images held out, with one seeded sample of z each.

    Args:
        vae: the model.
        store: the images.
        indices: (n,) images to decode.
        posterior: of at least those images, in the same order, as `encode` gives it; `kl` is the mean over all of it.
        step: the step, for objectives that change with it.
    """
    device = next(vae.parameters()).device
    noise = torch.randn(posterior.mean.shape, generator=torch.Generator().manual_seed(vae.config.seed))
    z = posterior.sample(noise)[: len(indices)]
    total = 0.0
    for start in range(0, len(indices), ENCODE_BATCH):
        part = slice(start, start + ENCODE_BATCH)
        images = load_images(store, indices[part], device)
        total += float(objective.reconstruction(fast.decode(vae, z[part].to(device)), images)) * len(images)
    reconstruction = total / len(indices)
    kl = objective.kl_per_latent(posterior).sum()
    loss = reconstruction + float(objective.OBJECTIVES[vae.config.objective](kl, step, vae.config))
    return Likelihood(loss, -reconstruction - float(kl), reconstruction, float(kl))


def finite(likelihood: Likelihood) -> bool:
    """Whether every number of it is finite."""
    return all(math.isfinite(value) for value in likelihood)
