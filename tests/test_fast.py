"""The fast ways agree with the model, which is their specification, and a run of them with the plain loop."""

import pytest
import torch

from benchmarks.plain_training import plain_step
from bvae import fast
from bvae.config import TrialConfig
from bvae.model import ARCHITECTURES, VAE
from bvae.training import _gradient_step

ALL = pytest.mark.parametrize("architecture", ARCHITECTURES)


def models(architecture, channels=1, dtype=torch.float64):
    """A model twice; the second one as training lays it out in memory."""
    config = TrialConfig(architecture=architecture, channels=channels, latent_dim=4, batch_size=16)
    plain, ours = (VAE(config).to(dtype) for _ in range(2))
    return plain, ours.to(memory_format=torch.channels_last)


def batch(channels=1, dtype=torch.float64, seed=0):
    draw = torch.Generator().manual_seed(seed)
    images = (torch.rand(16, channels, 64, 64, generator=draw) < 0.2).to(dtype)
    return images, torch.randn(16, 4, generator=draw, dtype=dtype)


@ALL
@pytest.mark.parametrize("channels", [1, 3])
def test_outputs_and_gradients_are_those_of_the_model(architecture, channels):
    plain, ours = models(architecture, channels)
    images, noise = batch(channels)
    weights = torch.randn(16, channels, 64, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    outputs = []
    for vae, run in ((plain, plain), (ours, lambda *given: fast.forward(ours, *given))):
        posterior, logits = run(images, noise)
        ((weights * logits).sum() + posterior.logvar.square().sum()).backward()
        outputs.append((*posterior, logits, *(p.grad for p in vae.parameters())))
    for expected, actual in zip(*outputs, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "unlike", [{"kernel_size": 6}, {"stride": 1}, {"padding": 2}, {"dilation": 2}, {"bias": False}]
)
def test_other_convolutions_are_left_to_torch(unlike):
    geometry = {"kernel_size": 4, "stride": 2, "padding": 1} | unlike
    first = torch.nn.Sequential(torch.nn.Conv2d(1, 8, **geometry)).double()
    last = torch.nn.Sequential(torch.nn.ConvTranspose2d(8, 1, **geometry)).double()
    images, _ = batch()
    torch.testing.assert_close(fast._run(first, images), first(images))
    torch.testing.assert_close(fast._run(last, first(images)), last(first(images)))


@ALL
def test_without_gradients_too(architecture):
    plain, ours = models(architecture, dtype=torch.float32)
    _, z = batch(dtype=torch.float32)
    with torch.no_grad():
        torch.testing.assert_close(fast.decode(ours, z), plain.decode(z), rtol=1e-4, atol=1e-4)


@ALL
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-5), (torch.float32, 1e-3)])
def test_twenty_steps_lose_what_the_plain_loop_loses(architecture, dtype, tolerance):
    plain, ours = models(architecture, dtype=dtype)
    adams = [torch.optim.Adam(vae.parameters(), lr=5e-4, fused=fused) for vae, fused in ((plain, False), (ours, True))]
    draws, same_draws = (torch.Generator().manual_seed(0) for _ in range(2))
    for step in range(1, 21):
        images, _ = batch(dtype=dtype, seed=step)
        noise = torch.randn(16, 4, generator=draws)
        expected = plain_step(plain, adams[0], images, noise)
        shown = images.contiguous(memory_format=torch.channels_last)
        actual = _gradient_step(ours, adams[1], shown, same_draws, step)
        assert actual[0].item() == pytest.approx(expected[0], rel=tolerance)
