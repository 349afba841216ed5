"""The codes that a finished trial leaves beside its last checkpoint, for comparing models without labels.

All trials of a study encode the same validation images, so that row i of every file is the same image. The file is a
plain .npz of `mean` (n, D) float32, `kl` (D,) in nats per image, and `images` (n,), their indices; no pickle.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CODES_FILE = "codes.npz"
CODED_IMAGES = 1000  # Rank correlations of so many images are known to 0.03.


class Codes(NamedTuple):
    """One model's view of n images: posterior means (n, D), KL per latent (D,) in nats, the images' indices (n,)."""

    mean: NDArray[np.float32]
    kl: NDArray[np.float64]
    images: NDArray[np.int64]


def write_codes(path: Path, codes: Codes) -> None:
    """Write a file of codes."""
    with path.open("wb") as file:
        np.savez(file, mean=np.float32(codes.mean), kl=codes.kl, images=codes.images)


def read_codes(checkpoint: Path) -> Codes | None:
    """The codes beside a checkpoint; None where there are none that can be read."""
    try:
        with np.load(checkpoint.with_name(CODES_FILE), allow_pickle=False) as file:
            return Codes(file["mean"], file["kl"], file["images"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
