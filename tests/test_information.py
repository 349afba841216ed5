"""Mutual information by latent and factor: the order of the latents, the dead ones, whose trials are shown."""

from pathlib import Path

import numpy as np
import pytest
from constructed import MadeTrial, write_study

from analysis.figures.information import MOST_LATENTS, best_informed, factor_words, information_figure, information_of
from analysis.ranking import rank
from analysis.trials import read_study

MATRIX = [[0.9, 0.1], [0.3, 0.2], [0.2, 1.5]]


def test_latents_come_by_their_kl_the_dead_ones_last() -> None:
    data = information_of(MATRIX, [0.5, 0.002, 2.0])
    assert data is not None
    assert data.latents == ["z2 · 2.00 nats", "z0 · 0.50 nats", "z1 · dead"]
    np.testing.assert_array_equal(data.nats, [[0.2, 1.5], [0.9, 0.1], [0.3, 0.2]])
    assert data.dead == 1


def test_a_report_without_both_has_none() -> None:
    assert information_of(None, [1.0]) is None
    assert information_of(MATRIX, float("nan")) is None
    assert information_of(MATRIX, [1.0, 2.0]) is None


def test_a_number_that_is_not_finite_is_no_obstacle() -> None:
    data = information_of([[None, 0.1], [0.5, 0.2]], [None, 1.0])
    assert data is not None
    assert (data.latents, data.dead) == (["z0 · KL unknown", "z1 · 1.00 nats"], 0)
    assert np.isnan(data.nats[0, 0])


def test_the_figure_colours_the_living_and_greys_the_dead() -> None:
    data = information_of(MATRIX, [0.5, 0.002, 2.0])
    assert data is not None
    figure = information_figure("t", data, "β = 4, seed 0", ["shape", "scale"])
    living, dead = figure.data
    np.testing.assert_array_equal(living.z, [[0.2, 1.5], [0.9, 0.1], [np.nan, np.nan]])
    np.testing.assert_array_equal(dead.z[2], [0.3, 0.2])
    assert np.isnan(np.asarray(dead.z)[:2]).all()
    assert "scale" in living.meta
    assert len({color for _, color in dead.colorscale}) == 1
    assert figure.layout.yaxis.categoryarray == tuple(data.latents)


def test_of_very_many_latents_the_strongest_are_kept() -> None:
    kl = np.linspace(1, 2, MOST_LATENTS + 5)
    data = information_of(np.zeros((len(kl), 2)).tolist(), kl.tolist())
    assert data is not None
    assert len(data.latents) == len(data.nats) == MOST_LATENTS
    assert data.latents[0] == f"z{len(kl) - 1} · 2.00 nats"


@pytest.mark.parametrize("finished", [True, False])
def test_shown_are_the_seeds_of_the_best_cell_that_finished(finished: bool, tmp_path: Path) -> None:
    status = "finished" if finished else "stopped"
    trials = [
        MadeTrial("best", reconstruction=20, mig=0.4, status=status, last=300),
        MadeTrial("same cell", seed=1, reconstruction=21, mig=0.4, status=status, last=300),
        MadeTrial("best of a worse cell", beta=2.0, reconstruction=19, mig=0.5, status=status, last=300),
        MadeTrial("worst of it", beta=2.0, seed=1, reconstruction=99, mig=0.1, status=status, last=300),
        MadeTrial("stopped there", seed=2, status="stopped", last=100),
        MadeTrial("other", beta=1.0, reconstruction=60, mig=0.1, status=status, last=300),
        MadeTrial("never", beta=9.0, status="failed", last=None),
    ]
    study = read_study(write_study(tmp_path, trials))
    shown = best_informed(rank(study))["trial_id"].tolist()
    assert shown == (["best", "same cell"] if finished else ["other"])  # All alike, so by β.
    assert factor_words(study)[:2] == ["shape<br>≤ 1.10", "scale<br>≤ 1.79"]


def test_a_study_without_reports_has_none(tmp_path: Path) -> None:
    trials = [MadeTrial("a", status="failed", last=None), MadeTrial("b", status="failed", last=None)]
    assert best_informed(rank(read_study(write_study(tmp_path, trials)))).empty
