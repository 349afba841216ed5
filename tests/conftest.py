"""What the tests share: a cache of their own, and a small data set that trains in seconds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browsing import browser, dashboard, opened, page  # noqa: F401
from constructed import MadeTrial, write_study
from hypothesis import settings
from whole_studies import FIFO, finish

from bvae import data, sprites

# A deadline is a timed assertion: on a busy machine any example is slow.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


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


@pytest.fixture
def with_checkpoint(tmp_path: Path) -> Path:
    """A study whose one finished trial has a real, untrained checkpoint."""
    import torch

    from bvae.checkpoint import Checkpoint, save
    from bvae.config import TrialConfig
    from bvae.model import VAE

    config = TrialConfig(latent_dim=3, architecture="burgess")
    vae = VAE(config)
    checkpoint = Checkpoint(config, 2700, vae.state_dict(), {}, torch.Generator().get_state(), "cpu", 1.0)
    directory = write_study(tmp_path / "study", [MadeTrial("a/../b", latent_dim=3, checkpoint="a.safetensors")])
    save(directory / "a.safetensors", checkpoint)
    return directory


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """A bucket of an S3 server on the loopback; child processes inherit how to reach it."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
                "AWS_DEFAULT_REGION": "us-east-1"}  # fmt: skip
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    boto3.client("s3").create_bucket(Bucket="bucket")
    yield "s3://bucket"
    server.stop()
    for name, value in before.items():
        if value is None:
            os.environ.pop(name)
        else:
            os.environ[name] = value


@pytest.fixture(scope="session")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The storage of a study that nothing stopped or interrupted, for others to be held against."""
    storage = tmp_path_factory.mktemp("straight")
    done = finish(storage, *FIFO)
    assert done.returncode == 0, done.stderr + done.stdout
    return storage
