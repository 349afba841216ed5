"""The VAE: an encoder to a diagonal Gaussian over z, a decoder to Bernoulli logits, and the architectures by name.

Shapes: N images, C channels, D latents. β is not here: it belongs to the objective.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bvae.config import TrialConfig


class Posterior(NamedTuple):
    """q(z|x), a diagonal Gaussian: mean and logvar (the logarithm of the variance), both (N, D)."""

    mean: Tensor
    logvar: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """z = mean + standard deviation · noise, (N, D), with `noise` drawn from a standard normal by the caller."""
        return torch.addcmul(self.mean, torch.exp(0.5 * self.logvar), noise)


class Encoder(nn.Module):
    """Images to posteriors: the architecture's body, then linear heads for mean and logvar."""

    body: nn.Sequential
    head: nn.Linear

    def __init__(self, body: nn.Sequential, features: int, latent_dim: int) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(features, 2 * latent_dim)

    def forward(self, images: Tensor) -> Posterior:  # noqa: D102
        return Posterior(*self.head(self.body(images)).chunk(2, dim=1))


class VAE(nn.Module):
    """A VAE with the architecture of `config`; its weights are a function of `config.seed` alone."""

    encoder: Encoder
    decoder: nn.Sequential

    def __init__(self, config: TrialConfig) -> None:
        super().__init__()
        self.config = config
        with torch.device("meta"):  # No draw from torch's global generator.
            self.encoder, self.decoder = ARCHITECTURES[config.architecture](config.channels, config.latent_dim)
        self.to_empty(device="cpu")
        _initialise(self, torch.Generator().manual_seed(config.seed))

    def encode(self, images: Tensor) -> Posterior:
        """Posteriors of images (N, C, 64, 64) with values in [0, 1] (floating point, or integers 0 and 1)."""
        return self.encoder(images.to(self.dtype))

    def decode(self, z: Tensor) -> Tensor:
        """Bernoulli logits (N, C, 64, 64) of the images, for z (N, D)."""
        return self.decoder(z)

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Posterior, Tensor]:
        """The posterior, and the logits of one sample from it, with `noise` (N, D) standard normal."""
        posterior = self.encode(images)
        return posterior, self.decode(posterior.sample(noise))

    def start_at(self, intensity: float) -> None:
        """Let the decoder begin at images of this mean intensity, in (0, 1), by its last bias.

        From grey images, 2,800 nats on dSprites, the first steps only teach it darkness, and often kill the code on the
        way: hundreds of steps then pass at KL 0.
        """
        *_, last = (layer for layer in self.decoder.modules() if isinstance(layer, (nn.Linear, nn.ConvTranspose2d)))
        with torch.no_grad():
            last.get_parameter("bias").fill_(math.log(intensity / (1 - intensity)))

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return next(self.parameters()).dtype


def _initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Glorot & Bengio 2010, uniform, biases at 0, from the trial's generator."""
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
                ins_and_outs = sum(layer.weight.shape[:2]) * layer.weight[0, 0].numel()
                bound = math.sqrt(6 / ins_and_outs)
                layer.weight.uniform_(-bound, bound, generator=generator)
                layer.get_parameter("bias").zero_()


def _down(*channels: int, kernels: tuple[int, ...] = (4, 4, 4, 4)) -> list[nn.Module]:
    """Convolutions that halve the image, 64 → 32 → 16 → 8 → 4, each followed by ReLU."""
    layers: list[nn.Module] = []
    for (before, after), kernel in zip(pairwise(channels), kernels, strict=True):
        layers += [nn.Conv2d(before, after, kernel, stride=2, padding=(kernel - 2) // 2), nn.ReLU()]
    return layers


def _up(*channels: int) -> list[nn.Module]:
    """Transposed convolutions (k4, s2, p1) that double the image, 4 → 8 → 16 → 32 → 64, with ReLU between them."""
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
    return layers[:-1]


def _dense(*widths: int, activation: type[nn.Module] = nn.ReLU) -> list[nn.Module]:
    """Linear layers, each followed by the activation."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), activation()]
    return layers


def _conv256(channels: int, latent_dim: int) -> tuple[Encoder, nn.Sequential]:
    """Four convolutions 32-64-128-256 straight to the heads, mirrored: the seed project's (GMPilankar/Beta-VAE)."""
    body = nn.Sequential(*_down(channels, 32, 64, 128, 256), nn.Flatten())
    first = nn.Sequential(nn.Linear(latent_dim, 4096), nn.ReLU(), nn.Unflatten(1, (256, 4, 4)))
    return Encoder(body, 4096, latent_dim), nn.Sequential(*first, *_up(256, 128, 64, 32, channels))


def _burgess(channels: int, latent_dim: int) -> tuple[Encoder, nn.Sequential]:
    """Four convolutions of 32 and two layers of 256, mirrored: Burgess et al. 2018, appendix A.1."""
    body = nn.Sequential(*_down(channels, 32, 32, 32, 32), nn.Flatten(), *_dense(512, 256, 256))
    first = nn.Sequential(*_dense(latent_dim, 256, 256, 512), nn.Unflatten(1, (32, 4, 4)))
    return Encoder(body, 256, latent_dim), nn.Sequential(*first, *_up(32, 32, 32, 32, channels))


def _locatello(channels: int, latent_dim: int) -> tuple[Encoder, nn.Sequential]:
    """32-32 (k4), 64-64 (k2), one layer of 256; decoder 256, 1024, 64-32-32: Locatello et al. 2019, table 1."""
    body = nn.Sequential(*_down(channels, 32, 32, 64, 64, kernels=(4, 4, 2, 2)), nn.Flatten(), *_dense(1024, 256))
    first = nn.Sequential(*_dense(latent_dim, 256, 1024), nn.Unflatten(1, (64, 4, 4)))
    return Encoder(body, 256, latent_dim), nn.Sequential(*first, *_up(64, 64, 32, 32, channels))


def _mlp(channels: int, latent_dim: int) -> tuple[Encoder, nn.Sequential]:
    """1200-1200 with ReLU; decoder 1200-1200-1200 with tanh: Higgins et al. 2017, table 1 (dSprites)."""
    pixels = channels * 64 * 64
    body = nn.Sequential(nn.Flatten(), *_dense(pixels, 1200, 1200))
    decoder = nn.Sequential(
        *_dense(latent_dim, 1200, 1200, 1200, activation=nn.Tanh),
        nn.Linear(1200, pixels),
        nn.Unflatten(1, (channels, 64, 64)),
    )
    return Encoder(body, 1200, latent_dim), decoder


# (channels, latent_dim) -> (encoder: images to Posterior, decoder: z to logits)
ARCHITECTURES: dict[str, Callable[[int, int], tuple[Encoder, nn.Sequential]]] = {
    "conv256": _conv256,
    "burgess": _burgess,
    "locatello": _locatello,
    "mlp": _mlp,
}
