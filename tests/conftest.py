"""What the tests share: a cache of their own, and a small data set that trains in seconds."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from bvae import data, sprites


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image cache that no run outside the tests sees; child processes inherit it."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["BVAE_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def small_npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 sprites as a user's own .npz."""
    factors = np.random.default_rng(0).integers(0, sprites.FACTOR_SIZES, (600, 5))
    path = tmp_path_factory.mktemp("own") / "small.npz"
    np.savez_compressed(path, images=sprites.render(factors), factors=factors, factor_names=sprites.FACTOR_NAMES)
    return path


@pytest.fixture(scope="session")
def small_store(small_npz: Path) -> data.ImageStore:
    return data.load(small_npz)
