"""The training loop found in most repositories of β-VAEs, kept plain on purpose: what bvae is measured against.

Images lie unpacked in memory, one byte a pixel; a DataLoader without workers asks for them one by one and stacks them;
everything is NCHW and eager; the likelihood is a cross entropy after a sigmoid; Adam is torch's default; and three
numbers are fetched with `.item()` after each step.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from bvae.config import TrialConfig
from bvae.model import VAE


class Images(Dataset[Tensor]):
    """Images (N, C, 64, 64) of 0 and 1, by item."""

    def __init__(self, images: npt.NDArray[np.uint8]) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(self.images[index]).float()


def plain_steps(
    config: TrialConfig, images: npt.NDArray[np.uint8], device: str = "cpu"
) -> Iterator[tuple[float, float, float]]:
    """Train without end; yields (loss, reconstruction, kl) after each step, in nats per image."""
    loader = DataLoader(Images(images), batch_size=config.batch_size, shuffle=True, drop_last=True)
    vae = VAE(config).to(device)
    optimizer = torch.optim.Adam(vae.parameters(), lr=config.learning_rate)
    while True:
        for batch in loader:
            x = batch.to(device)
            yield plain_step(vae, optimizer, x, torch.randn(len(x), config.latent_dim, device=device))


def plain_step(vae: VAE, optimizer: torch.optim.Optimizer, x: Tensor, noise: Tensor) -> tuple[float, float, float]:
    """One step on images x (N, C, 64, 64) with noise (N, D)."""
    mean, logvar = vae.encode(x)
    probability = torch.sigmoid(vae.decode(mean + torch.exp(0.5 * logvar) * noise))
    reconstruction = functional.binary_cross_entropy(probability, x, reduction="sum") / len(x)
    kl = -0.5 * torch.sum(1 + logvar - mean.pow(2) - logvar.exp()) / len(x)
    loss = reconstruction + vae.config.beta * kl
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item(), reconstruction.item(), kl.item()
