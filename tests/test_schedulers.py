from types import SimpleNamespace

import pytest
from ray.tune.schedulers import TrialScheduler

from study.pareto_asha import ParetoASHA
from study.ray_asha import RayASHA
from study.schedulers import make_scheduler
from study.space import AXES, Settings

OBJECTIVES = {"reconstruction": "min", "mig": "max"}


def trial(name, **config):
    config = dict.fromkeys(AXES, 0) | {"beta": 1.0, "latent_dim": 6} | config
    return SimpleNamespace(trial_id="tune's own", config={"assignment": {"trial_id": name, "trial": config}})


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(), ParetoASHA),
        (Settings(scheduler="asha", metric="mig"), RayASHA),
        (Settings(scheduler="fifo"), type(None)),
        (Settings(scheduler="random", num_samples=3), type(None)),
    ],
)
def test_the_settings_name_the_scheduler(settings, expected):
    scheduler = make_scheduler(settings, OBJECTIVES)
    assert type(scheduler) is expected
    assert scheduler is None or scheduler.rungs == [220, 660]


def heard(settings, *reports):
    """What a study's scheduler answers to reports at its first rung: name, config, reconstruction, mig."""
    scheduler = make_scheduler(settings, OBJECTIVES)
    answers = [
        scheduler.on_trial_result(None, trial(name, **config), {"step": 220, "reconstruction": r, "mig": m})
        for name, config, r, m in reports
    ]
    assert [name for name, _ in scheduler.decisions] == [name for name, *_ in reports]
    return [answer == TrialScheduler.CONTINUE for answer in answers]


WORSE_AND_WORSE = [
    ("a", {"beta": 1.0}, 50, 0.3),
    ("b", {"beta": 1.0, "seed": 1}, 60, 0.2),
    ("c", {"beta": 8.0}, 70, 0.1),
]


def test_options_of_the_settings_reach_pareto_asha():
    assert heard(Settings(), *WORSE_AND_WORSE) == [True, True, False]
    assert heard(Settings(strata="beta"), *WORSE_AND_WORSE) == [True, True, True]
    assert heard(Settings(stop="soft"), *WORSE_AND_WORSE) == [True, True, True]
    assert heard(Settings(stop="soft", soft_until=220), *WORSE_AND_WORSE) == [True, True, False]
    assert heard(Settings(audit=1.0), *WORSE_AND_WORSE) == [True, True, True]
    same_cell = [*WORSE_AND_WORSE, ("d", {"beta": 8.0, "seed": 1}, 80, 0.0)]
    assert heard(Settings(stop="soft"), *same_cell)[3] is False
