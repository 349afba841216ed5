"""Rank agreement of tables whose orders are known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from constructed import MadeTrial, grid, write_study
from scipy.stats import spearmanr

from analysis.agreement import agreement, spearman
from analysis.figures.agreement import agreement_data, agreement_figure
from analysis.ranking import rank
from analysis.trials import read_study


def test_spearman_is_scipys_also_with_ties() -> None:
    random = np.random.default_rng(0)
    first, second = random.integers(0, 5, 40).astype(float), random.integers(0, 9, 40).astype(float)
    assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert np.isnan(spearman([1.0, 1.0], [1.0, 2.0]))


def test_scores_are_turned_so_that_more_is_better() -> None:
    table = pd.DataFrame(
        {"reconstruction": [1.0, 2.0, 3.0, 4.0], "mig": [0.4, 0.3, 0.2, 0.1], "kl": [1.0, 2.0, 3.0, 4.0]}
    )
    found = agreement(table, table.columns, list(table.columns))
    assert found.rho[0, 1] == pytest.approx(1)  # The better reconstructed, the better disentangled.
    assert found.rho[0, 2] == pytest.approx(-1)  # KL has no better side and stays as it is.
    np.testing.assert_allclose(found.rho, found.rho.T)


def test_only_rows_with_both_scores_count_and_few_say_nothing() -> None:
    nan = float("nan")
    table = pd.DataFrame(
        {"mig": [1.0, 2.0, 3.0, 4.0, nan], "sap": [1.0, 2.0, 3.0, 4.0, -9.0], "irs": [nan, nan, 1.0, 2.0, 3.0]}
    )
    found = agreement(table, table.columns, list(table.columns))
    assert found.rho[0, 1] == pytest.approx(1)
    assert found.counts.tolist() == [[4, 4, 2], [4, 5, 3], [2, 3, 3]]
    assert np.isnan(found.rho[0, 2])
    assert np.isnan(found.rho[1, 2])


def test_stopped_trials_do_not_count(tmp_path: Path) -> None:
    """Among those that finished the orders agree; the stopped ones would turn that round."""
    trials = [MadeTrial(f"f{i}", seed=i, reconstruction=20.0 + i, mig=0.4 - i / 100) for i in range(4)]
    trials += [
        MadeTrial(f"s{i}", seed=9 + i, status="stopped", last=300, reconstruction=50.0 + i, mig=0.9) for i in range(9)
    ]
    data = agreement_data(rank(read_study(write_study(tmp_path / "study", trials))), "trials")
    assert data.rho[data.names.index("reconstruction"), data.names.index("mig")] == pytest.approx(1)


def test_the_figure_shows_each_pair_once(tmp_path: Path) -> None:
    data = agreement_data(rank(read_study(write_study(tmp_path / "study", grid()))), "cells")
    [tiles] = agreement_figure(data, "cells").data
    assert tiles.z[0][0] == data.rho[1, 0]
    assert np.isnan(np.array(tiles.z, dtype=float)[np.triu_indices(len(data.names) - 1, 1)]).all()
    few = agreement_data(rank(read_study(write_study(tmp_path / "few", [MadeTrial("a")]))), "trials")
    assert agreement_figure(few, "trials").layout.annotations[0].text == "This needs 4 finished trials"


def test_scores_of_mean_and_sampled_codes_keep_their_own_tiles() -> None:
    table = pd.DataFrame({"mcc": [1.0, 2, 3, 4], "sampled_mcc": [1.0, 3, 2, 4], "mig": [4.0, 3, 2, 1]})
    names = list(table)
    [tiles] = agreement_figure(agreement(table, names, names), "trials").data
    assert (tiles.x, tiles.y) == (("MCC", "MCC, sampled codes"), ("MCC, sampled codes", "MIG"))
    assert tiles.z[0][0] == pytest.approx(0.8)


def test_a_figure_without_numbers_has_no_ticks() -> None:
    table = pd.DataFrame({"mcc": [1.0], "mig": [1.0]})
    figure = agreement_figure(agreement(table, list(table), list(table)), "trials")
    assert not figure.layout.xaxis.showticklabels
    assert not figure.layout.yaxis.showticklabels
