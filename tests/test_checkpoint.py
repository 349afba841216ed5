import pytest
import torch
from safetensors.torch import save_file

from bvae import checkpoint
from bvae.batches import load_images
from bvae.checkpoint import CheckpointError
from bvae.config import TrialConfig
from bvae.training import train

CONFIG = TrialConfig(architecture="burgess", latent_dim=3, steps=2, batch_size=8)


@pytest.fixture(scope="module")
def report(small_store):
    [report] = train(CONFIG, small_store, [2])
    return report


def test_a_checkpoint_comes_back_as_it_was(report, tmp_path):
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, report.checkpoint())
    loaded = checkpoint.load(path)
    assert (loaded.config, loaded.step, loaded.device, loaded.seconds) == (CONFIG, 2, "cpu", report.seconds)
    assert loaded.weights.keys() == report.checkpoint().weights.keys()
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]


def test_a_model_can_be_rebuilt_from_it(report, small_store, tmp_path):
    checkpoint.save(tmp_path / "c.safetensors", report.checkpoint())
    vae = checkpoint.load_model(tmp_path / "c.safetensors")
    images = load_images(small_store, torch.arange(4).numpy())
    with torch.no_grad():
        torch.testing.assert_close(vae.encode(images).mean, report.vae.encode(images).mean)
    assert not vae.training


@pytest.mark.parametrize("keep", [0, 4, 100, 10_000, -1])
def test_a_truncated_file_is_refused(report, tmp_path, keep):
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, report.checkpoint())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"c\.safetensors"):
        checkpoint.load(path)


def test_missing_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="does not exist"):
        checkpoint.load(tmp_path / "nowhere.safetensors")
    (tmp_path / "text.safetensors").write_text("hello, this is no checkpoint at all")
    with pytest.raises(CheckpointError, match="no whole checkpoint"):
        checkpoint.load(tmp_path / "text.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="not a checkpoint of this project"):
        checkpoint.load(tmp_path / "other.safetensors")


def test_a_write_that_fails_leaves_what_was_there(report, tmp_path, monkeypatch):
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, report.checkpoint())
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(path, report.checkpoint())
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]


def test_saving_into_a_missing_folder_is_an_os_error(report, tmp_path):
    with pytest.raises(OSError, match=r"c\.safetensors"):
        checkpoint.save(tmp_path / "missing" / "c.safetensors", report.checkpoint())
