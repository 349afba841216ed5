"""The fast ways agree with the model, which is their specification, and a run of them with the plain loop."""

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmarks.plain_training import plain_step
from bvae import fast, sprites
from bvae.config import TrialConfig
from bvae.model import ARCHITECTURES, VAE
from bvae.training import _gradient_step

ALL = pytest.mark.parametrize("architecture", ARCHITECTURES)


def models(architecture, channels=1, dtype=torch.float64, precision="float32"):
    """A model twice; the second one as training lays it out in memory."""
    config = TrialConfig(architecture=architecture, channels=channels, latent_dim=4, batch_size=16, precision=precision)
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
@pytest.mark.parametrize("channels", [1, 3])
def test_bf16_is_as_near_to_float64_as_torchs_mixed_precision(architecture, channels):
    plain, ours = models(architecture, channels, torch.float32, "bf16")
    exact, _ = models(architecture, channels)
    images, noise = batch(channels, torch.float32)

    def outcome(run, vae, dtype=torch.float32):
        posterior, logits = run(images.to(dtype), noise.to(dtype))
        (binary_cross_entropy_with_logits(logits.to(dtype), images.to(dtype)) + posterior.logvar.mean()).backward()
        return [part.detach().double() for part in (*posterior, logits, *(p.grad for p in vae.parameters()))]

    expected = outcome(exact, exact, torch.float64)
    with torch.autocast("cpu", torch.bfloat16):
        theirs = outcome(plain, plain)
    parts = outcome(lambda *given: fast.forward(ours, *given), ours)
    assert all(parameter.grad.dtype == torch.float32 for parameter in ours.parameters())
    for right, mixed, part in zip(expected, theirs, parts, strict=True):
        assert 0 < (part - right).norm() < 0.01 * right.norm() + 1.5 * (mixed - right).norm()


def test_bf16_is_for_gradient_steps_and_leaves_what_is_scored_in_float32():
    mixed, _ = models("burgess", dtype=torch.float32, precision="bf16")
    full, _ = models("burgess", dtype=torch.float32)
    images, z = batch(dtype=torch.float32)
    assert torch.equal(mixed.encode(images).mean, full.encode(images).mean)
    assert torch.equal(fast.decode(mixed, z), fast.decode(full, z))
    posterior, logits = fast.forward(mixed, images, z)
    assert {part.dtype for part in (*posterior, logits)} == {torch.float32}
    assert not torch.equal(logits, fast.forward(full, images, z)[1])


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


@pytest.mark.parametrize(("architecture", "tolerance"), [("conv256", 1e-3), ("burgess", 1e-3), ("mlp", 5e-3)])
def test_twenty_steps_in_bf16_lose_what_the_plain_loop_loses_in_float32(architecture, tolerance):
    plain, ours = models(architecture, dtype=torch.float32, precision="bf16")
    adams = [torch.optim.Adam(vae.parameters(), lr=5e-4, fused=True) for vae in (plain, ours)]
    draws, same_draws = (torch.Generator().manual_seed(0) for _ in range(2))
    for vae in (plain, ours):
        vae.start_at(0.0427)  # As training starts on dSprites; from grey images, the first steps are steeper.
    generator = np.random.default_rng(0)
    for step in range(1, 21):
        factors = np.stack([generator.integers(size, size=64) for size in sprites.FACTOR_SIZES], axis=1)
        images = torch.from_numpy(sprites.render(factors)).float()[:, None]
        expected = plain_step(plain, adams[0], images, torch.randn(64, 4, generator=draws))
        actual = _gradient_step(ours, adams[1], images, same_draws, step)
        assert actual[0].item() == pytest.approx(expected[0], rel=tolerance)
    assert actual[0].item() != expected[0]
