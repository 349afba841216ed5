import math
from dataclasses import replace

import pytest

from bvae.config import ConfigError
from study.checks import SCALAR_METRICS, check
from study.space import Settings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 100, "grace_period": 101}, "grace_period is 101, above steps"),
        ({"steps": 0}, "steps is 0"),
        ({"report_every": 0}, "report_every is 0"),
        ({"reduction_factor": 1.0}, "reduction_factor is 1.0"),
        ({"reduction_factor": math.inf}, "reduction_factor is inf"),
        ({"scheduler": "sha"}, "one of pareto-asha, asha, fifo, random"),
        ({"beta": ()}, "beta has no value"),
        ({"beta": (1.0, 1.0)}, "beta names a value twice"),
        ({"beta_range": (1.0, 2.0)}, "add --num-samples"),
        ({"num_samples": 0}, "num_samples is 0"),
        ({"num_samples": 3, "beta_range": (2.0, 1.0)}, "beta_range is 2.0 to 1.0"),
        ({"scheduler": "random"}, "add --num-samples"),
        ({"scheduler": "asha"}, "name it with --metric, one of reconstruction, elbo, "),
        ({"scheduler": "asha", "metric": "loss"}, "which contains β"),
        ({"scheduler": "asha", "metric": "dci_disentanglement"}, "metric is 'dci_disentanglement'; it must be one of"),
        ({"scheduler": "asha", "metric": "kl"}, "metric is 'kl'; it must be one of"),
        ({"metric": "mig"}, "only asha judges one, not pareto-asha"),
        ({"scheduler": "asha", "metric": "mig", "brackets": 2}, "brackets is 2, but only pareto-asha"),
        ({"scheduler": "fifo", "audit": 0.1}, "audit is 0.1, but only pareto-asha knows it, not fifo"),
        ({"scheduler": "fifo", "stop": "soft"}, "stop is soft"),
        ({"scheduler": "fifo", "strata": "beta"}, "strata is beta"),
        ({"brackets": 0}, "brackets is 0"),
        ({"brackets": 3}, "from 1 to the number of rungs, here 2"),
        ({"strata": "beta", "num_samples": 3, "beta_range": (1.0, 2.0)}, "cells would never meet"),
        ({"soft_until": 660}, "is for the soft stop"),
        ({"stop": "soft", "soft_until": 0}, "soft_until is 0"),
        ({"audit": -0.1}, "audit is -0.1"),
    ],
)
def test_bad_settings_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        check(replace(Settings(), **change))


@pytest.mark.parametrize(
    "change",
    [
        {"brackets": 2, "strata": "beta", "stop": "soft", "soft_until": 660, "audit": 0.1, "scheduler_seed": 3},
        {"scheduler": "random", "num_samples": 3},
        *({"scheduler": "asha", "metric": metric} for metric in SCALAR_METRICS),
    ],
)
def test_good_settings_are_taken(change):
    check(replace(Settings(), **change))
