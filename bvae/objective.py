"""What is minimised, as pure functions: a Bernoulli likelihood, the KL divergence per latent, and objectives that
differ in how they weigh the KL.

Everything is in nats per image: summed over pixels or latents, averaged over the batch. Shapes: N images, D latents.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from bvae.config import TrialConfig
from bvae.model import Posterior


def reconstruction(logits: Tensor, images: Tensor) -> Tensor:
    """−log p(x|z) of a Bernoulli per pixel, a scalar, for logits and images (N, C, H, W) with values in [0, 1].

    From logits, not from a sigmoid's output: exact where the sigmoid would round to 0 or 1.
    """
    return binary_cross_entropy_with_logits(logits, images, reduction="sum") / len(images)


def kl_per_latent(posterior: Posterior) -> Tensor:
    """KL(q(z_d|x) ‖ N(0, 1)) for each latent, (D,): Kingma & Welling 2014, appendix B."""
    mean, logvar = posterior
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean(dim=0)


def beta_penalty(kl: Tensor, step: int, config: TrialConfig) -> Tensor:
    """β · KL (Higgins et al. 2017, eq. 4), with β rising linearly during the warm-up."""
    return _rise(config.beta, step, config.warmup_steps) * kl


def capacity_penalty(kl: Tensor, step: int, config: TrialConfig) -> Tensor:
    """γ · |KL − C(step)| (Burgess et al. 2018, eq. 8): γ is `beta`, with the same warm-up, and C rises to
    `capacity`."""
    allowed = _rise(config.capacity, step, config.capacity_steps)
    return _rise(config.beta, step, config.warmup_steps) * (kl - allowed).abs()


def _rise(value: float, step: int, steps: int) -> float:
    """Linear from 0 at step 0 to `value` at `steps`, then constant; `value` at once where `steps` is 0."""
    return value * min(1.0, step / steps) if steps else value


# loss = reconstruction + OBJECTIVES[name](kl, step, config)
OBJECTIVES: dict[str, Callable[[Tensor, int, TrialConfig], Tensor]] = {
    "beta": beta_penalty,
    "capacity": capacity_penalty,
}
