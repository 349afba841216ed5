import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from bvae.config import TrialConfig
from bvae.model import Posterior
from bvae.objective import OBJECTIVES, kl_per_latent, reconstruction


def test_reconstruction_is_the_bernoulli_likelihood_in_nats_per_image():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 3, 64, 64, generator=generator, dtype=torch.float64)
    images = (torch.rand(5, 3, 64, 64, generator=generator) < 0.3).double()
    expected = -Bernoulli(logits=logits).log_prob(images).sum(dim=(1, 2, 3)).mean()
    torch.testing.assert_close(reconstruction(logits, images), expected)


def test_reconstruction_of_certain_pixels_is_finite_and_exact():
    logits, images = torch.full((1, 1, 64, 64), 200.0), torch.zeros(1, 1, 64, 64)
    assert float(reconstruction(logits, images)) == 200.0 * 64 * 64  # A sigmoid rounds to 1 here, and its log is lost.


def test_kl_per_latent_is_that_of_torch_distributions():
    generator = torch.Generator().manual_seed(0)
    mean, logvar = torch.randn(2, 7, 4, generator=generator, dtype=torch.float64)
    expected = kl_divergence(Normal(mean, (0.5 * logvar).exp()), Normal(torch.zeros(()), torch.ones(()))).mean(dim=0)
    torch.testing.assert_close(kl_per_latent(Posterior(mean, logvar)), expected)


def test_beta_weighs_the_kl_and_the_warm_up_really_reaches_it():
    kl = torch.tensor(3.0)
    at = lambda step, warmup: float(OBJECTIVES["beta"](kl, step, TrialConfig(beta=6, warmup_steps=warmup)))  # noqa: E731
    assert at(1, 0) == 18.0
    assert at(5, 10) == pytest.approx(9.0)
    assert at(10, 10) == 18.0
    assert at(11, 10) == 18.0


def test_the_capacity_objective_pulls_the_kl_to_c_from_both_sides():
    config = TrialConfig(objective="capacity", beta=100, capacity=20, capacity_steps=1000)
    at = lambda kl, step: float(OBJECTIVES["capacity"](torch.tensor(kl), step, config))  # noqa: E731
    assert at(10.0, 500) == pytest.approx(0.0)
    assert at(12.0, 500) == at(8.0, 500) == pytest.approx(200.0)
    assert at(20.0, 5000) == pytest.approx(0.0)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_is_a_finite_penalty_that_has_a_gradient(objective):
    kl = torch.tensor(3.0, requires_grad=True)
    OBJECTIVES[objective](kl, 7, TrialConfig(objective=objective)).backward()
    assert torch.isfinite(kl.grad)
