"""Which images a gradient step sees, and how they come to the device it runs on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bvae.config import TrialConfig
from bvae.data import ImageStore

RESIDENT_BYTES = 2**31  # of a data set that a GPU holds whole; dSprites as bits takes 377 MB


def mean_intensity(store: ImageStore, indices: npt.NDArray[np.int64]) -> float:
    """Of about a thousand images spread evenly over `indices`, kept off 0 and 1."""
    sample = store.images(indices[:: max(1, len(indices) // 1000)])
    return float(np.clip(sample.mean() / store.white, 1e-3, 1 - 1e-3))


def image_order(
    indices: npt.NDArray[np.int64], config: TrialConfig, first_step: int = 1
) -> Iterator[npt.NDArray[np.int64]]:
    """Batches of `indices`, (batch_size,) each: one seeded permutation after the other, joined without gaps.

    A function of seed and step, so that a resumed trial needs no state. Trials of the same seed see the same images in
    the same order, whatever their β and device: common random numbers sharpen comparisons.
    """
    epoch, offset = divmod((first_step - 1) * config.batch_size, len(indices))
    rest = np.random.default_rng([config.seed, epoch]).permutation(indices)[offset:]
    while True:
        while len(rest) < config.batch_size:
            epoch += 1
            rest = np.concatenate([rest, np.random.default_rng([config.seed, epoch]).permutation(indices)])
        yield rest[: config.batch_size]
        rest = rest[config.batch_size :]


def load_images(store: ImageStore, indices: npt.NDArray[np.int64], device: str | torch.device = "cpu") -> Tensor:
    """Images as the model takes them: (n, C, 64, 64) float32 in [0, 1], channels last in memory.

    A GPU keeps the whole data set as bits, if that is not too large: what goes there for each step are its indices.
    """
    device = torch.device(device)
    if device.type == "cpu" or store.rows.nbytes > RESIDENT_BYTES:
        images = torch.from_numpy(store.images(indices)).to(device).float()
    else:
        chosen = torch.from_numpy(indices).to(device, non_blocking=True)
        images = unpacked(_rows_on(store, device)[chosen], store).float()
    if store.white != 1:
        images /= store.white
    return images.contiguous(memory_format=torch.channels_last)


def unpacked(rows: Tensor, store: ImageStore) -> Tensor:
    """Rows of a store, (n, bytes) uint8, as its images, (n, C, 64, 64) uint8, where the rows are."""
    if store.packed:
        places = torch.arange(7, -1, -1, device=rows.device, dtype=torch.uint8)  # The first pixel is the highest bit.
        rows = ((rows[..., None] >> places) & 1).flatten(1)[:, : int(np.prod(store.image_shape))]
    return rows.view(-1, *store.image_shape)


@lru_cache(maxsize=1)
def _rows_on(store: ImageStore, device: torch.device) -> Tensor:
    return torch.from_numpy(np.array(store.rows)).to(device)
