import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from bvae import checkpoint, data, objective
from bvae.batches import _rows_on, image_order, load_images, mean_intensity, unpacked
from bvae.config import TrialConfig
from bvae.training import NonFiniteLoss, encode, evaluate, train

CONFIG = TrialConfig(architecture="burgess", latent_dim=4, beta=2, steps=12, batch_size=16, learning_rate=1e-3)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("architecture", ["burgess", "conv256", "locatello", "mlp"])
@pytest.mark.parametrize(("stop", "precision"), [(1, "float32"), (5, "float32"), (11, "float32"), (5, "bf16")])
def test_going_on_equals_never_having_stopped_bit_for_bit(small_store, tmp_path, architecture, stop, precision):
    config = replace(CONFIG, architecture=architecture, precision=precision)
    [straight] = train(config, small_store, [12])
    [first] = train(config, small_store, [stop])
    checkpoint.save(tmp_path / "stop.safetensors", first.checkpoint())
    [resumed] = train(config, small_store, [12], resume=checkpoint.load(tmp_path / "stop.safetensors"))
    expected, actual = straight.checkpoint(), resumed.checkpoint()
    assert actual.step == 12
    assert torch.equal(expected.noise_state, actual.noise_state)
    for name in expected.weights:
        assert expected.weights[name].dtype == torch.float32
        assert torch.equal(expected.weights[name], actual.weights[name]), name
    for name in expected.moments:
        assert torch.equal(expected.moments[name], actual.moments[name]), name


def test_stops_change_nothing_and_come_when_asked_for(small_store):
    reports = train(CONFIG, small_store, [3, 7, 12, 40])
    steps = []
    for report in reports:
        steps.append(report.step)
        weights = {name: w.clone() for name, w in report.checkpoint().weights.items()}
    [straight] = train(CONFIG, small_store, [12])
    assert steps == [3, 7, 12]
    assert all(torch.equal(w, straight.checkpoint().weights[name]) for name, w in weights.items())


def test_the_seed_decides_everything_and_the_global_generator_nothing(small_store):
    def final(seed):
        torch.manual_seed(np.random.default_rng().integers(1000))
        [report] = train(replace(CONFIG, seed=seed), small_store, [4])
        return report.train

    assert final(1) == final(1)
    assert final(1) != final(2)


def test_training_lowers_the_loss_and_reports_consistent_numbers(small_store):
    config = replace(CONFIG, steps=200)
    first, _, last = train(config, small_store, [1, 180, 200])
    assert last.train.loss < 0.7 * first.train.loss
    for likelihood in (first.train, last.train):
        assert likelihood.elbo == pytest.approx(-likelihood.reconstruction - likelihood.kl)
        assert likelihood.loss == pytest.approx(likelihood.reconstruction + 2 * likelihood.kl, rel=1e-5)


def test_one_step_is_that_of_a_plain_loop(small_store):
    # The same step written plainly, in NCHW, with torch's unfused Adam.
    config = replace(CONFIG, steps=3)
    [report] = train(config, small_store, [3])
    from bvae.model import VAE

    vae = VAE(config)
    vae.start_at(mean_intensity(small_store, data.split(len(small_store), "holdout", 0).train))
    optimizer = torch.optim.Adam(vae.parameters(), lr=config.learning_rate, foreach=False, fused=False)
    noise = torch.Generator().manual_seed(config.seed)
    order = image_order(data.split(len(small_store), "holdout", 0).train, config)
    for _ in range(3):
        images = torch.from_numpy(small_store.images(next(order))).float()
        posterior = vae.encode(images)
        z = posterior.mean + torch.exp(posterior.logvar / 2) * torch.randn(16, 4, generator=noise)
        probability = torch.sigmoid(vae.decode(z)).double()
        likelihood = images * probability.log() + (1 - images) * (1 - probability).log()
        kl = 0.5 * (posterior.mean**2 + posterior.logvar.exp() - posterior.logvar - 1).sum()
        loss = (-likelihood.sum() + config.beta * kl) / 16
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for name, weight in vae.named_parameters():
        apart = (report.vae.get_parameter(name) - weight).abs()
        # Adam moves a weight by the learning rate whatever its gradient: the rounding of one near 0 decides the sign.
        assert apart.max() <= 3 * 2 * config.learning_rate
        assert apart.mean() < config.learning_rate / 100


@pytest.mark.parametrize("batch_size", [7, 100, 256])
def test_each_epoch_shows_each_image_once_and_resuming_finds_the_place(batch_size):
    config = replace(CONFIG, batch_size=batch_size)
    indices = np.arange(1000, 1100)
    order = image_order(indices, config)
    batches = [next(order) for _ in range(30)]
    stream = np.concatenate(batches)
    for epoch in range(len(stream) // 100):
        np.testing.assert_array_equal(np.sort(stream[epoch * 100 : (epoch + 1) * 100]), indices)
    assert not np.array_equal(stream[:100], stream[100:200])
    for step in (1, 2, 9, 17):
        np.testing.assert_array_equal(next(image_order(indices, config, first_step=step)), batches[step - 1])


def test_a_loss_that_is_not_finite_is_raised_not_reported(small_store):
    with pytest.raises(NonFiniteLoss) as error:
        list(train(replace(CONFIG, learning_rate=1e30), small_store, [6, 12]))
    assert error.value.step == 6


def test_mismatches_are_refused(small_store):
    with pytest.raises(ValueError, match="channels is 3"):
        next(train(replace(CONFIG, channels=3), small_store, [1]))
    [report] = train(CONFIG, small_store, [1])
    with pytest.raises(ValueError, match="other settings"):
        next(train(replace(CONFIG, beta=3), small_store, [2], resume=report.checkpoint()))


def test_images_are_scaled_to_one(tmp_path):
    images = np.zeros((20, 3, 64, 64), np.uint8)
    images[:, 1] = 255
    np.savez(tmp_path / "rgb.npz", images=images, factors=np.zeros((20, 1), int), factor_names=["none"])
    store = data.load(tmp_path / "rgb.npz")
    loaded = load_images(store, np.array([3, 4]))
    assert loaded.shape == (2, 3, 64, 64)
    assert loaded.amin(dim=(0, 2, 3)).tolist() == loaded.amax(dim=(0, 2, 3)).tolist() == [0.0, 1.0, 0.0]
    [report] = train(replace(CONFIG, channels=3), store, [2])
    assert math.isfinite(report.train.loss)


def test_rows_are_unpacked_where_they_are_as_the_store_unpacks_them(small_store, tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (20, 3, 64, 64), np.uint8)
    np.savez(tmp_path / "rgb.npz", images=colours, factors=np.zeros((20, 1), int), factor_names=["none"])
    for store in (small_store, data.load(tmp_path / "rgb.npz")):
        indices = np.array([7, 0, 19, 7])
        rows = _rows_on(store, torch.device("cpu"))[torch.from_numpy(indices)]
        assert torch.equal(unpacked(rows, store), torch.from_numpy(store.images(indices)))


def test_encode_and_evaluate_agree_with_one_pass(small_store):
    [report] = train(CONFIG, small_store, [5])
    indices = np.arange(600)
    posterior = encode(report.vae, small_store, indices)
    with torch.no_grad():
        expected = report.vae.encode(load_images(small_store, indices))
    torch.testing.assert_close(posterior.mean, expected.mean, rtol=1e-4, atol=1e-5)
    likelihood = evaluate(report.vae, small_store, indices[:100], posterior, step=5)
    assert likelihood.kl == pytest.approx(float(objective.kl_per_latent(expected).sum()), rel=1e-4)
    assert likelihood.loss == pytest.approx(likelihood.reconstruction + 2 * likelihood.kl)
    assert likelihood == evaluate(report.vae, small_store, indices[:100], posterior, step=5)


def test_the_decoder_begins_at_the_mean_image(small_store):
    from bvae.model import VAE

    intensity = mean_intensity(small_store, np.arange(600))
    assert intensity == pytest.approx(small_store.images(np.arange(600)).mean(), rel=0.01)
    for architecture in ("burgess", "conv256", "locatello", "mlp"):
        vae = VAE(replace(CONFIG, architecture=architecture))
        vae.start_at(intensity)
        with torch.no_grad():
            assert float(torch.sigmoid(vae.decode(torch.zeros(1, 4))).mean()) == pytest.approx(intensity, rel=1e-4)


def test_speed_and_seconds_are_those_of_the_steps(small_store):
    first, second = train(CONFIG, small_store, [2, 4])
    assert 0 < first.seconds < second.seconds
    assert second.images_per_second == pytest.approx(2 * 16 / (second.seconds - first.seconds))
