import math
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bvae.config import ConfigError, TrialConfig
from study.checks import check
from study.space import AXES, PRESETS, Settings, plan, trial_id


def test_axes_are_config_fields_and_seeds_are_one():
    assert set(AXES) <= {field.name for field in fields(TrialConfig)}
    assert {"beta", "latent_dim", "seed"} <= set(AXES)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_valid_and_as_promised(preset):
    check(PRESETS[preset])
    trials = plan(PRESETS[preset])
    betas, latents, seeds = ({getattr(t, axis) for t in trials} for axis in ("beta", "latent_dim", "seed"))
    assert len(trials) == len(betas) * len(latents) * len(seeds)
    if preset == "quick":
        assert len(trials) >= 12
        assert len(betas) >= 3
        assert len(latents) >= 2
        assert len(seeds) >= 2
    if preset == "paper":  # Locatello et al. 2019
        assert (len(seeds), latents, betas) == (50, {10}, {1.0, 2.0, 4.0, 6.0, 8.0, 16.0})
        assert {(t.architecture, t.steps, t.batch_size, t.learning_rate) for t in trials} == {
            ("locatello", 300_000, 64, 1e-4)
        }


def test_every_prefix_of_the_plan_covers_the_cells_evenly():
    trials = plan(Settings(beta=(1, 2, 4), latent_dim=(2, 3), seed=(0, 1, 2)))
    cells = [(t.beta, t.latent_dim) for t in trials]
    for start in range(0, 18, 6):
        assert len(set(cells[start : start + 6])) == 6
    assert cells[:6] != cells[6:12]  # not always in the same order


def test_the_plan_is_a_function_of_its_seed():
    assert plan(Settings()) == plan(Settings())
    assert plan(Settings()) != plan(Settings(plan_seed=1))
    assert set(plan(Settings())) == set(plan(Settings(plan_seed=1)))


@given(st.integers(1, 30), st.integers(0, 100))
@settings(deadline=None)
def test_random_search_stays_in_its_ranges_and_runs_every_cell_with_every_seed(samples, seed):
    search = Settings(
        num_samples=samples,
        beta_range=(0.5, 32),
        latent_dim_range=(3, 5),
        learning_rate_range=(1e-4, 1e-3),
        plan_seed=seed,
    )
    trials = plan(search)
    assert all(
        0.499 <= t.beta <= 32.1 and 3 <= t.latent_dim <= 5 and 0.99e-4 <= t.learning_rate <= 1.01e-3 for t in trials
    )
    cells = {replace(t, seed=0) for t in trials}
    assert len(trials) == len(search.seed) * len(cells)
    assert len(cells) <= samples


def test_ids_are_stable_readable_and_distinct():
    trials = plan(Settings(learning_rate=(1e-3, 1e-4)))
    ids = [trial_id(t) for t in trials]
    assert len(set(ids)) == len(trials)
    assert trial_id(TrialConfig(beta=4, latent_dim=10, seed=3)).startswith("beta4-latent10-seed3-")
    assert trial_id(TrialConfig(beta=4)) == trial_id(TrialConfig(beta=4.0))


@pytest.mark.parametrize(
    "change", [{"beta": (1.0, math.nan)}, {"latent_dim": (0,)}, {"latent_dim": (10_000,)}, {"beta": (-1.0,)}]
)
def test_bad_values_of_a_trial_are_refused_by_the_plan(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        plan(replace(Settings(), **change))
