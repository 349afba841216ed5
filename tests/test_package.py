"""The package as others use it: names that are offered at the top."""

import subprocess
import sys

import pytest

import bvae
from bvae.checkpoint import load_model
from bvae.config import TrialConfig
from bvae.model import VAE
from bvae.training import train


def test_the_names_offered_at_the_top_are_those_of_the_modules():
    assert [bvae.VAE, bvae.TrialConfig, bvae.load_model, bvae.train] == [VAE, TrialConfig, load_model, train]
    assert sorted(bvae.__all__) == ["TrialConfig", "VAE", "load_model", "train"]
    with pytest.raises(AttributeError, match="no attribute 'vae'; it offers VAE, TrialConfig, load_model, train"):
        bvae.vae  # noqa: B018


def test_a_config_can_be_checked_without_torch():
    code = "import sys; from bvae import TrialConfig; TrialConfig(beta=2); print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"
