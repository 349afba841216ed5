import pytest
import torch

from bvae.config import TrialConfig
from bvae.model import ARCHITECTURES, VAE


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("latent_dim", [1, 256])
def test_shapes(architecture, channels, latent_dim):
    vae = VAE(TrialConfig(architecture=architecture, channels=channels, latent_dim=latent_dim))
    posterior = vae.encode(torch.rand(3, channels, 64, 64))
    assert posterior.mean.shape == posterior.logvar.shape == (3, latent_dim)
    assert vae.decode(posterior.mean).shape == (3, channels, 64, 64)


@pytest.mark.parametrize(
    ("architecture", "parameters"),
    [
        # Counted by hand from the papers' tables, with D = 10 and one channel: weights + biases, layer by layer.
        ("burgess", 2 * (32 * 16 + 3 * 32 * 32 * 16 + 512 * 256 + 256 * 256) + 256 * 20 + 10 * 256
         + (4 * 32 + 2 * 256 + 20) + (256 + 256 + 512 + 3 * 32 + 1)),
        ("locatello", (32 * 16 + 32 * 32 * 16 + 64 * 32 * 4 + 64 * 64 * 4 + 1024 * 256 + 256 * 20) + (32 + 32 + 64 + 64
        + 256 + 20)
         + (10 * 256 + 256 * 1024 + 64 * 64 * 16 + 64 * 32 * 16 + 32 * 32 * 16 + 32 * 16) + (256 + 1024 + 64 + 32 + 32 +
         1)),
        ("mlp", (4096 * 1200 + 1200 * 1200 + 1200 * 20) + (1200 + 1200 + 20)
         + (10 * 1200 + 1200 * 1200 * 2 + 1200 * 4096) + (3 * 1200 + 4096)),
        ("conv256", (16 * (32 + 32 * 64 + 64 * 128 + 128 * 256) + 4096 * 20) + (32 + 64 + 128 + 256 + 20)
         + (10 * 4096 + 16 * (256 * 128 + 128 * 64 + 64 * 32 + 32)) + (4096 + 128 + 64 + 32 + 1)),
    ],
)  # fmt: skip
def test_parameters_are_those_of_the_source(architecture, parameters):
    vae = VAE(TrialConfig(architecture=architecture, latent_dim=10))
    assert sum(p.numel() for p in vae.parameters()) == parameters


def test_weights_depend_on_the_seed_alone():
    state = torch.random.get_rng_state()
    first = VAE(TrialConfig(seed=1, beta=1, architecture="burgess")).state_dict()
    torch.manual_seed(123)
    second = VAE(TrialConfig(seed=1, beta=16, architecture="burgess")).state_dict()
    other = VAE(TrialConfig(seed=2, beta=1, architecture="burgess")).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)
    torch.random.set_rng_state(state)


def test_building_a_model_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    VAE(TrialConfig(architecture="burgess"))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_integer_images_are_taken_as_they_are():
    vae = VAE(TrialConfig(architecture="burgess"))
    images = torch.randint(0, 2, (2, 1, 64, 64), dtype=torch.uint8)
    assert torch.equal(vae.encode(images).mean, vae.encode(images.float()).mean)


def test_a_sample_is_mean_plus_deviation_times_noise():
    vae = VAE(TrialConfig(architecture="burgess", latent_dim=4))
    posterior = vae.encode(torch.rand(2, 1, 64, 64))
    noise = torch.randn(2, 4)
    torch.testing.assert_close(posterior.sample(noise), posterior.mean + posterior.logvar.exp().sqrt() * noise)
