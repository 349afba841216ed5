import math
from dataclasses import asdict

import pytest

from bvae import config, model, objective
from bvae.config import ConfigError, TrialConfig


def test_the_names_are_those_of_the_registries():
    assert tuple(model.ARCHITECTURES) == config.ARCHITECTURES
    assert tuple(objective.OBJECTIVES) == config.OBJECTIVES


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("beta", 0),
        ("beta", -1.0),
        ("beta", math.nan),
        ("beta", math.inf),
        ("beta", "4"),
        ("latent_dim", 0),
        ("latent_dim", 10_000),
        ("latent_dim", 6.0),
        ("seed", -1),
        ("steps", 0),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("architecture", "resnet"),
        ("objective", "gan"),
        ("split", "half"),
        ("precision", "fp8"),
        ("channels", 2),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(field, value):
    with pytest.raises(ConfigError) as error:
        TrialConfig(**{field: value})
    assert str(error.value).startswith(f"{field} is {value!r}; it must be ")


def test_unknown_choices_list_what_exists():
    with pytest.raises(ConfigError, match="conv256, burgess, locatello, mlp"):
        TrialConfig(architecture="resnet")
    with pytest.raises(ConfigError, match="beta, capacity"):
        TrialConfig(objective="gan")


def test_a_config_survives_a_dictionary_and_unknown_keys_do_not():
    trial = TrialConfig(beta=2, latent_dim=3)
    assert TrialConfig.from_dict(asdict(trial)) == trial
    with pytest.raises(ConfigError, match=r"unknown setting bta; there are beta, "):
        TrialConfig.from_dict({"bta": 1})


def test_four_and_four_point_zero_are_one_trial():
    assert TrialConfig(beta=4) == TrialConfig(beta=4.0)
    assert isinstance(TrialConfig(beta=4).beta, float)
