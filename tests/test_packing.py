"""A pack's trials are what each would be alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bvae import checkpoint, packing
from bvae.config import TrialConfig
from bvae.model import ARCHITECTURES
from bvae.packing import train_packed
from bvae.training import NonFiniteLoss, train

CONFIG = TrialConfig(architecture="burgess", latent_dim=4, beta=2, steps=12, batch_size=16, learning_rate=1e-3)
UNLIKE = [
    CONFIG,
    replace(CONFIG, seed=1, beta=16, learning_rate=3e-4),
    replace(CONFIG, seed=2, objective="capacity", capacity=5, capacity_steps=10),
    replace(CONFIG, beta=8, warmup_steps=6),
]


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """As on a GPU."""
    monkeypatch.setattr(packing, "AT_ONCE", ("cpu",))


@pytest.fixture
def in_turns(monkeypatch):
    """As on a CPU."""
    monkeypatch.setattr(packing, "AT_ONCE", ())


@pytest.fixture(autouse=True)
def exact():
    """One thread, and float64: in float32, Adam makes much of the rounding of gradients that are nearly 0."""
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(dtype)
    torch.set_num_threads(threads)


def same(alone, packed):
    """Whether two reports tell of the same training."""
    assert packed.step == alone.step
    assert packed.vae.config == alone.vae.config
    assert list(packed.train) == pytest.approx(list(alone.train), rel=1e-6)
    expected, actual = alone.checkpoint(), packed.checkpoint()
    assert torch.equal(actual.noise_state, expected.noise_state)
    assert actual.moments.keys() == expected.moments.keys()
    for part in ("weights", "moments"):
        for name, tensor in getattr(expected, part).items():
            torch.testing.assert_close(getattr(actual, part)[name], tensor, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_each_trial_of_a_pack_is_what_it_is_alone(small_store, architecture):
    configs = [replace(config, architecture=architecture) for config in UNLIKE]
    packs = train_packed(configs, small_store, [1, 5, 12])
    alone = zip(*(train(config, small_store, [1, 5, 12]) for config in configs), strict=True)
    steps = 0
    for pack, each in zip(packs, alone, strict=True):
        steps += 1
        for one, other in zip(each, pack, strict=True):
            same(one, other)
    assert steps == 3


def test_in_bf16_a_pack_trains_as_each_trial_does(small_store):
    torch.set_default_dtype(torch.float32)
    configs = [replace(config, precision="bf16") for config in UNLIKE]
    for config, packed in zip(configs, next(train_packed(configs, small_store, [3])), strict=True):
        [alone] = train(config, small_store, [3])
        [full] = train(replace(config, precision="float32"), small_store, [3])
        assert list(packed.train) == pytest.approx(list(alone.train), rel=5e-3, abs=1e-3)
        assert list(packed.train) != pytest.approx(list(full.train), rel=1e-6)


def test_in_float32_a_step_of_a_pack_is_that_of_each_trial_up_to_rounding(small_store):
    torch.set_default_dtype(torch.float32)
    for config, packed in zip(UNLIKE, next(train_packed(UNLIKE, small_store, [1])), strict=True):
        [alone] = train(config, small_store, [1])
        assert list(packed.train) == pytest.approx(list(alone.train), rel=1e-4, abs=1e-6)
        for name, tensor in alone.checkpoint().moments.items():
            torch.testing.assert_close(packed.checkpoint().moments[name], tensor, rtol=1e-3, atol=1e-4)


def test_checkpoints_go_on_alone_and_in_a_pack(small_store, tmp_path):
    *_, straight = train_packed(UNLIKE, small_store, [5, 12])
    kept = []
    for k, report in enumerate(next(train_packed(UNLIKE, small_store, [5]))):
        checkpoint.save(tmp_path / f"{k}.safetensors", report.checkpoint())
        kept.append(checkpoint.load(tmp_path / f"{k}.safetensors"))
    resumed = next(train_packed(UNLIKE, small_store, [5, 12], resume=kept))
    [alone] = train(UNLIKE[1], small_store, [12], resume=kept[1])
    pair = next(train_packed(UNLIKE[1:3], small_store, [12], resume=kept[1:3]))
    for expected, actual in zip(straight, resumed, strict=True):
        same(expected, actual)
    same(straight[1], alone)
    same(straight[1], pair[0])


def test_one_that_diverges_leaves_the_others_as_they_are(small_store):
    configs = [UNLIKE[0], replace(UNLIKE[1], learning_rate=1e30), UNLIKE[2]]
    first, second = train_packed(configs, small_store, [6, 12])
    for outcomes in (first, second):
        assert isinstance(outcomes[1], NonFiniteLoss)
        assert outcomes[1].step == 6
    for k in (0, 2):
        *_, alone = train(configs[k], small_store, [6, 12])
        same(alone, second[k])


def test_on_a_cpu_each_trial_is_exactly_what_it_is_alone(small_store, in_turns):
    configs = [UNLIKE[0], replace(UNLIKE[1], learning_rate=1e30), UNLIKE[2]]
    first, second = train_packed(configs, small_store, [5, 12])
    assert isinstance(first[1], NonFiniteLoss)
    assert isinstance(second[1], NonFiniteLoss)
    for k in (0, 2):
        *_, alone = train(configs[k], small_store, [5, 12])
        assert second[k].train == alone.train
        kept = next(train(configs[k], small_store, [5])).checkpoint()
        [[resumed]] = train_packed([configs[k]], small_store, [12], resume=[kept])
        for report in (second[k], resumed):
            for name, tensor in alone.checkpoint().weights.items():
                assert torch.equal(report.checkpoint().weights[name], tensor)


def test_in_turns_a_pack_of_which_all_diverge_ends(small_store, in_turns):
    test_a_pack_of_which_all_diverge_ends(small_store)


def test_a_pack_of_which_all_diverge_ends(small_store):
    configs = [replace(config, learning_rate=1e30) for config in UNLIKE[:2]]
    [outcomes] = train_packed(configs, small_store, [6, 12])
    assert all(isinstance(outcome, NonFiniteLoss) for outcome in outcomes)


def test_the_seconds_are_shares_of_the_packs(small_store):
    pack, later = train_packed(UNLIKE, small_store, [2, 4])
    shares = np.array([report.seconds for report in later])
    assert (shares == shares[0]).all()
    assert later[0].images_per_second == pytest.approx(2 * 16 / (later[0].seconds - pack[0].seconds))


def test_what_is_no_pack_is_refused(small_store):
    with pytest.raises(ValueError, match="at least one trial"):
        next(train_packed([], small_store, [1]))
    with pytest.raises(ValueError, match=r"latent_dim is \[3, 4\] in the trials of a pack"):
        next(train_packed([CONFIG, replace(CONFIG, latent_dim=3)], small_store, [1]))
    with pytest.raises(ValueError, match="channels is 3"):
        next(train_packed([replace(CONFIG, channels=3)], small_store, [1]))
    early, late = (next(train(CONFIG, small_store, [stop])).checkpoint() for stop in (1, 2))
    for points in ([early], [early, late]):
        with pytest.raises(ValueError, match="2 trials need as many checkpoints, all of one step"):
            next(train_packed([CONFIG, CONFIG], small_store, [3], resume=points))
    with pytest.raises(ValueError, match="other settings"):
        next(train_packed([replace(CONFIG, beta=3)], small_store, [3], resume=[early]))
