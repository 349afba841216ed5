import zipfile

import numpy as np
import pytest
import torch

from bvae import checkpoint, export
from bvae.config import ARCHITECTURES, TrialConfig
from bvae.export import FORMATS, ExportError
from bvae.model import VAE
from bvae.training import train


@pytest.fixture(scope="module")
def trained(small_store, tmp_path_factory):
    """A checkpoint of a model that has learned for a moment."""
    config = TrialConfig(architecture="burgess", latent_dim=3, steps=2, batch_size=8)
    [report] = train(config, small_store, [2])
    path = tmp_path_factory.mktemp("trained") / "checkpoint.safetensors"
    checkpoint.save(path, report.checkpoint())
    return path


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    assert export.main([str(trained), "--out", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("size", [1, 7])
def test_onnx_runtime_computes_what_the_model_does(trained, exported, size):
    import onnxruntime

    vae = checkpoint.load_model(trained)
    images, z = torch.rand(size, 1, 64, 64), torch.randn(size, 3)
    encoder, decoder = (onnxruntime.InferenceSession(exported / f"{half}.onnx") for half in ("encoder", "decoder"))
    mean, logvar = encoder.run(["mean", "logvar"], {"images": images.numpy()})
    [logits] = decoder.run(["logits"], {"z": z.numpy()})
    for theirs, ours in ((mean, vae.encode(images).mean), (logvar, vae.encode(images).logvar), (logits, vae.decode(z))):
        np.testing.assert_allclose(theirs, ours.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("suffix", "load"), [(".ts", torch.jit.load), (".pt2", lambda path: torch.export.load(path).module())]
)
@pytest.mark.parametrize("size", [1, 7])
def test_torchscript_and_pt2_compute_what_the_model_does(trained, exported, suffix, load, size):
    vae = checkpoint.load_model(trained)
    images, z = torch.rand(size, 1, 64, 64), torch.randn(size, 3)
    mean, logvar = load(exported / f"encoder{suffix}")(images)
    torch.testing.assert_close((mean, logvar), tuple(vae.encode(images)))
    torch.testing.assert_close(load(exported / f"decoder{suffix}")(z), vae.decode(z))


def test_nothing_but_the_files_is_left_and_what_the_docs_say_of_pickles_is_true(exported):
    assert {path.name for path in exported.iterdir()} == {
        f"{half}{form.suffix}" for half in ("encoder", "decoder") for form in FORMATS.values()
    }
    names = zipfile.ZipFile(exported / "encoder.ts").namelist()
    assert any(name.endswith(".pkl") for name in names)
    assert not zipfile.is_zipfile(exported / "encoder.onnx")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_architecture_can_be_exported_and_is_left_as_it_was(architecture, channels, tmp_path):
    vae = VAE(TrialConfig(architecture=architecture, channels=channels, latent_dim=1)).train()
    written = export.export(vae, tmp_path / "new", ["torchscript"])
    assert [path.name for path, _ in written] == ["encoder.ts", "decoder.ts"]
    assert vae.training
    assert all(parameter.requires_grad for parameter in vae.parameters())


def test_a_file_that_computes_something_else_is_not_kept(tmp_path, monkeypatch):
    wrong = FORMATS["torchscript"]._replace(read=lambda path: lambda given: torch.jit.load(path)(given + 1))
    monkeypatch.setitem(FORMATS, "torchscript", wrong)
    with pytest.raises(ExportError, match=r"encoder\.ts would not compute what the model does"):
        export.export(VAE(TrialConfig(architecture="burgess", latent_dim=3)), tmp_path, ["torchscript"])
    assert list(tmp_path.iterdir()) == []


def test_users_mistakes_are_one_sentence(trained, tmp_path, capsys, monkeypatch):
    assert export.main([str(tmp_path / "nowhere.safetensors")]) == 2
    assert "nowhere.safetensors does not exist" in capsys.readouterr().err
    with pytest.raises(ExportError, match="format is 'tflite'; it must be one of onnx, torchscript, pt2"):
        export.export(checkpoint.load_model(trained), tmp_path, ["tflite"])
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    assert export.main([str(trained), "--out", str(tmp_path)]) == 2
    assert "needs onnxscript and onnxruntime: pip install 'beta-vae-study[export]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
