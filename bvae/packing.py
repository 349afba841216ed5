"""Several trials trained by one process, on a GPU at once: each layer is computed for all, from weights side by side.

A step of one small VAE leaves a GPU idle: launching its kernels takes longer than they do. A pack launches as many for
all its trials as for one. A CPU has no such gap, and batched kernels are slower there; so each trial of a pack trains
from report to report as if it were alone. Each trial keeps what it draws from, its objective and its state, so that its
numbers are those of `bvae.training.train` (on a GPU up to rounding), and its checkpoints can go on there, and the other
way round.

Shapes: K trials, n images a batch, C channels, D latents.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Sequence

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from bvae import objective
from bvae.batches import load_images
from bvae.checkpoint import Checkpoint
from bvae.config import TrialConfig
from bvae.data import ImageStore
from bvae.fast import multiplied_in
from bvae.model import VAE, Posterior
from bvae.training import NonFiniteLoss, Run, TrainReport, adam_of, begin, train

AT_ONCE = ("cuda",)  # kinds of devices on which the trials of a pack take each step together
ALIKE = ("architecture", "latent_dim", "channels", "batch_size", "steps", "precision")  # in the trials of a pack


def train_packed(
    configs: Sequence[TrialConfig],
    store: ImageStore,
    report_at: Collection[int],
    resume: Sequence[Checkpoint] | None = None,
    device: str | torch.device = "cpu",
) -> Iterator[list[TrainReport | NonFiniteLoss]]:
    """Train a pack of VAEs and yield a list (K,) at each step in `report_at`: what `train` yields or raises, for each.

    The seconds of a report are the trial's own or, where all train at once, its share of the pack's. A trial whose loss
    is no longer finite trains no further; the others don't notice.

    Args:
        configs: the trials; alike in `ALIKE`, with any seeds, objectives, β and learning rates.
        store: the images; their channels must be the configs'.
        report_at: steps (1-based) at which to yield; others are passed without stopping.
        resume: go on after these checkpoints, one a trial, all of one step.
        device: where to train; never guessed.

    Raises:
        ValueError: there is no config, they are not alike, their channels are not those of `store`, or `resume` does
            not belong to them.
    """
    check_alike(configs)
    if resume and (len(resume) != len(configs) or len({point.step for point in resume}) > 1):
        raise ValueError(f"{len(configs)} trials need as many checkpoints, all of one step")
    device = torch.device(device)
    points: Sequence[Checkpoint | None] = resume or [None for _ in configs]
    if len(configs) == 1 or device.type not in AT_ONCE:
        each = [train(config, store, report_at, point, device) for config, point in zip(configs, points, strict=True)]
        yield from _in_turns(each)
        return
    runs = [begin(config, store, point, device) for config, point in zip(configs, points, strict=True)]
    optimizer = adam_of(runs, points)
    live, outcomes = dict(enumerate(runs)), dict[int, TrainReport | NonFiniteLoss]()
    for stop in runs[0].stops(report_at):
        started, done = time.perf_counter(), next(iter(live.values())).done
        sums = torch.zeros(len(live), 3, dtype=torch.float64, device=device)
        for step in range(done + 1, stop + 1):
            images = torch.stack([load_images(store, next(run.order), device) for run in live.values()])
            sums += _gradient_step(list(live.values()), optimizer, images, step)
        totals = sums.tolist()
        share = (time.perf_counter() - started) / len(live)
        for (k, run), total in zip(live.items(), totals, strict=True):
            finite = math.isfinite(total[0])
            outcomes[k] = run.report(stop, total, share, optimizer) if finite else NonFiniteLoss(stop, run.vae.config)
        yield list(outcomes.values())
        live = {k: run for k, run in live.items() if isinstance(outcomes[k], TrainReport)}
        if not live:
            return


def _in_turns(runs: Sequence[Iterator[TrainReport]]) -> Iterator[list[TrainReport | NonFiniteLoss]]:
    live, outcomes = dict(enumerate(runs)), dict[int, TrainReport | NonFiniteLoss]()
    while live:
        for k, run in live.items():
            try:
                outcomes[k] = next(run)
            except NonFiniteLoss as error:
                outcomes[k] = error
            except StopIteration:
                return
        yield list(outcomes.values())
        live = {k: run for k, run in live.items() if isinstance(outcomes[k], TrainReport)}


def check_alike(configs: Sequence[TrialConfig]) -> None:
    """Refuse a pack whose networks or batches have different shapes.

    Raises:
        ValueError: so; or there is no config.
    """
    if not configs:
        raise ValueError("a pack needs at least one trial")
    for name in ALIKE:
        values = {getattr(config, name) for config in configs}
        if len(values) > 1:
            raise ValueError(f"{name} is {sorted(values)} in the trials of a pack; it must be the same in all of them")


def _gradient_step(runs: Sequence[Run], optimizer: torch.optim.Adam, images: Tensor, step: int) -> Tensor:
    """One step of Adam on images (K, n, C, 64, 64); returns (loss, reconstruction, kl) of each, (K, 3), on the device.

    The gradient of the sum of all losses is, for each trial's weights, that of its own loss.
    """
    shape = (images.shape[1], runs[0].vae.config.latent_dim)
    noise = torch.stack([torch.randn(shape, generator=run.noise, device=images.device) for run in runs])
    reconstruction, kl = _likelihoods([run.vae for run in runs], images, noise)
    configs = [run.vae.config for run in runs]
    penalties = [objective.OBJECTIVES[c.objective](kl[k], step, c) for k, c in enumerate(configs)]
    loss = reconstruction + torch.stack(penalties)
    optimizer.zero_grad(set_to_none=True)
    loss.sum().backward()
    optimizer.step()
    return torch.stack((loss, reconstruction, kl), dim=1).detach()


def _likelihoods(vaes: Sequence[VAE], images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Reconstruction and KL, both (K,), for images (K, n, C, 64, 64) and noise (K, n, D)."""
    parameters = [dict(vae.named_parameters()) for vae in vaes]
    weights = {name: torch.stack([own[name] for own in parameters]) for name in parameters[0]}

    def one(weights: dict[str, Tensor], images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        with multiplied_in(vaes[0].config.precision, images.device):
            (mean, logvar), logits = functional_call(vaes[0], weights, (images, noise))
        posterior = Posterior(mean.to(noise.dtype), logvar.to(noise.dtype))
        return objective.reconstruction(logits.to(noise.dtype), images), objective.kl_per_latent(posterior).sum()

    return vmap(one)(weights, images, noise)
