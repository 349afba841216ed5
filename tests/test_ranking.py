"""The ranking of studies whose answer is known, and what it says in words."""

from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from constructed import MadeTrial, grid, write_study
from rich.console import Console

from analysis.ranking import Ranking, best_trials, front_hypervolume, preferences, rank, separation, write_ranking
from analysis.summary import failures, front_sentence, summary_table
from analysis.trials import read_study
from analysis.uncertainty import bootstrap_means, front_probability, seeds_to_separate


def ranked(directory: Path, trials: list[MadeTrial]) -> Ranking:
    return rank(read_study(write_study(directory, trials)))


@pytest.fixture
def four_cells(tmp_path: Path) -> Ranking:
    """β 1, 2 and 8 are on the front, 2 in its middle; β 4 is dominated by 2. Two seeds each, one unit apart."""
    cells = {1.0: (20.0, 0.1), 2.0: (25.0, 0.35), 4.0: (30.0, 0.3), 8.0: (40.0, 0.4)}
    trials = [
        MadeTrial(f"b{beta:g}s{seed}", beta=beta, seed=seed, reconstruction=r - 0.5 + seed, mig=m - 0.01 + 0.02 * seed)
        for beta, (r, m) in cells.items()
        for seed in (0, 1)
    ]
    return ranked(tmp_path / "study", trials)


def test_cells_are_means_over_seeds(four_cells: Ranking) -> None:
    cell = four_cells.cells.set_index("beta").loc[1.0]
    assert cell["reconstruction_mean"] == pytest.approx(20.0)
    assert cell["reconstruction_std"] == pytest.approx(np.std([19.5, 20.5], ddof=1))
    assert cell["mig_median"] == pytest.approx(0.1)
    assert cell["test_reconstruction_mean"] == pytest.approx(20.0 * 1.01)
    assert (cell["trials"], cell["scored"], cell["finished"], cell["stopped"]) == (2, 2, 2, 0)
    assert cell["trial_ids"] == ["b1s0", "b1s1"]


def test_an_interval_ends_where_the_score_does(tmp_path: Path) -> None:
    trials = [
        MadeTrial(f"s{seed}", seed=seed, reconstruction=20.0 + seed, mig=mig) for seed, mig in enumerate((0, 0, 0.3))
    ]
    cell = ranked(tmp_path / "study", trials).cells.iloc[0]
    assert cell["mig_low"] == 0.0  # A draw of three poor seeds would be 0.1 − 0.12.
    assert 0.2 < cell["mig_high"] < 0.4
    assert cell["reconstruction_low"] < 20.5 < 21.5 < cell["reconstruction_high"]


def test_the_front_then_the_knee_then_the_rest(four_cells: Ranking) -> None:
    assert four_cells.cells["beta"].iloc[0] == 2.0  # Gives up the least of both.
    assert sorted(four_cells.front["beta"]) == [1.0, 2.0, 8.0]
    assert four_cells.front["beta"].tolist() == [1.0, 2.0, 8.0]  # From the best reconstruction to the worst.
    assert four_cells.cells["beta"].iloc[-1] == 4.0
    assert four_cells.cells["rank"].tolist() == [1, 2, 3, 4]


def test_trials_know_their_cell_and_rank(four_cells: Ranking) -> None:
    trials = four_cells.trials.set_index("trial_id")
    assert trials.loc["b2s0", "cell"] == trials.loc["b2s1", "cell"] == 1
    assert best_trials(four_cells, 3)["rank"].tolist() == [1, 2, 3]
    assert trials["rank"].notna().all()


def test_a_stopped_trial_is_never_compared(tmp_path: Path) -> None:
    """At its rung the stopped trial is better than anyone at the end: it must not matter."""
    stopped = MadeTrial("s", beta=1.0, seed=1, status="stopped", last=300, reconstruction=1.0, mig=0.99)
    ranking = ranked(tmp_path / "study", [MadeTrial("a", beta=1.0), MadeTrial("b", beta=2.0, mig=0.1), stopped])
    cell = ranking.cells.iloc[0]
    assert (cell["beta"], cell["reconstruction_mean"], cell["scored"], cell["stopped"]) == (1.0, 40.0, 1, 1)
    assert ranking.cells["stopped_at"].tolist() == [[300], []]
    assert "s" not in best_trials(ranking, 10)["trial_id"].tolist()
    assert ranking.trials.set_index("trial_id")["rank"].isna()["s"]


def test_a_finished_trial_without_finite_scores_is_not_scored(tmp_path: Path) -> None:
    ranking = ranked(tmp_path / "study", [MadeTrial("a"), MadeTrial("n", seed=1, metrics={"mig": float("nan")})])
    cell = ranking.cells.iloc[0]
    assert (cell["finished"], cell["scored"], cell["mig_mean"]) == (2, 1, pytest.approx(0.2))


def test_objectives_come_from_the_study(tmp_path: Path) -> None:
    study = read_study(write_study(tmp_path / "study", grid()))
    study.info["objectives"] = {"kl": "max", "active_latents": "min", "mig": "max"}
    ranking = rank(study)
    assert list(ranking.objectives) == ["kl", "active_latents", "mig"]
    assert ranking.metrics[:3] == ("kl", "active_latents", "mig")
    assert preferences(ranking).empty  # There is no single weight between three.


def test_only_what_differs_is_a_setting(four_cells: Ranking, tmp_path: Path) -> None:
    assert four_cells.settings == ("beta", "latent_dim")
    trials = [MadeTrial("a"), MadeTrial("b", mig=0.1, settings={"learning_rate": 1e-4})]
    ranking = ranked(tmp_path / "rates", trials)
    assert ranking.settings == ("beta", "latent_dim", "learning_rate")
    assert len(ranking.cells) == 2
    assert ranking.cells["label"].iloc[0] == "β = 4, 4 latents, learning rate 0.001"


def test_settings_that_are_missing_make_one_cell(tmp_path: Path) -> None:
    trials = [MadeTrial("a", settings={"gamma": None}), MadeTrial("b", seed=1, settings={"gamma": None})]
    assert len(ranked(tmp_path / "study", trials).cells) == 1


def test_an_empty_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no trials yet"):
        ranked(tmp_path / "study", [])


def test_preferences_cover_every_weight_once(four_cells: Ranking) -> None:
    stretches = preferences(four_cells)
    assert stretches["low"].iloc[0] == 0.0
    assert stretches["high"].iloc[-1] == 1.0
    assert stretches["low"].tolist()[1:] == stretches["high"].tolist()[:-1]
    betas = four_cells.cells.set_index("rank")["beta"]
    assert [betas[r] for r in stretches["rank"]] == [8.0, 2.0, 1.0]  # From "only MIG counts" to "only reconstruction".


def test_hypervolume_against_the_worst(four_cells: Ranking) -> None:
    # Reference (40, 0.1): only β 2 is better in both, by 15 nats and 0.25.
    assert front_hypervolume(four_cells) == pytest.approx(15 * 0.25)


def test_ranking_csv_is_the_cells(four_cells: Ranking, tmp_path: Path) -> None:
    write_ranking(four_cells, tmp_path / "ranking.csv")
    table = pd.read_csv(tmp_path / "ranking.csv")
    assert table["beta"].tolist() == four_cells.cells["beta"].tolist()
    assert table["trial_ids"].iloc[0] == "b2s0 b2s1"
    assert list(tmp_path.glob(".ranking*")) == []


def test_seeds_to_separate_follow_the_textbook() -> None:
    """Two means one standard deviation apart, equal spreads: (1.96 + 0.842)² · 2 = 15.7."""
    sample = np.array([-1.0, 0.0, 1.0])  # Standard deviation 1.
    assert seeds_to_separate(sample, sample + 1) == 16
    assert seeds_to_separate(sample, sample + 100) == 2
    assert seeds_to_separate(sample, sample) is None
    assert seeds_to_separate(sample[:1], sample + 1) is None


def test_separation_is_of_the_first_two_cells_distances(four_cells: Ranking, tmp_path: Path) -> None:
    """Cell 1 (β 2) is 0.47 from the ideal, the next 1.0; its seeds differ by hundredths: two seeds are enough."""
    assert separation(four_cells) == 2
    assert separation(ranked(tmp_path / "one", [MadeTrial("a"), MadeTrial("b", beta=1.0)])) is None
    assert separation(ranked(tmp_path / "none", [MadeTrial("a", status="failed", last=None)])) is None


def test_the_bootstrap_of_one_seed_each_says_nothing() -> None:
    means = bootstrap_means([np.array([[1.0, 2.0]]), np.array([[2.0, 1.0]])], draws=100, seed=0)
    assert np.isnan(means).all()
    assert np.isnan(front_probability(means, ["min", "max"])).all()


def test_the_bootstrap_has_the_standard_error_of_a_mean() -> None:
    sample = np.random.default_rng(0).normal(size=(40, 1))
    means = bootstrap_means([sample], draws=4000, seed=0)[:, 0, 0]
    assert means.mean() == pytest.approx(sample.mean(), abs=0.02)
    assert means.std() == pytest.approx(sample.std(ddof=1) / np.sqrt(40), rel=0.05)


def test_a_cell_of_few_seeds_borrows_the_spread_of_all() -> None:
    """Two seeds that happen to agree must not look certain."""
    random = np.random.default_rng(0)
    samples = [np.array([[1.0], [1.0]]), *(random.normal(size=(6, 1)) for _ in range(5))]
    assert bootstrap_means(samples, draws=2000, seed=0)[:, 0, 0].std() > 0.4
    assert np.isnan(bootstrap_means([*samples, np.empty((0, 1))], draws=50, seed=0)[:, -1]).all()


def test_front_probability_of_two_rivals_and_a_hopeless_cell() -> None:
    sample = np.random.default_rng(0).normal(0, 1, (20, 1))
    probability = front_probability(bootstrap_means([sample, sample, sample + 100], 2000, 0), ["min"])
    assert probability[2] == 0.0
    assert probability[0] + probability[1] == pytest.approx(1.0)
    assert probability[0] == pytest.approx(0.5, abs=0.05)


def test_the_sentence_says_what_the_front_costs(four_cells: Ranking) -> None:
    sentence = front_sentence(four_cells)
    assert (
        "from β = 1, 4 latents to β = 8, 4 latents, reconstruction worsens by 20.00 ± 0.71 nats per image" in sentence
    )
    assert "MIG improves by 0.300 ± 0.014" in sentence
    assert "the best trade-off is β = 2, 4 latents" in sentence
    assert sentence.endswith("bootstrap draws over seeds.")


@pytest.mark.parametrize(
    ("trials", "says"),
    [
        ([MadeTrial("a", status="failed", last=None)], "no front yet: no trial has finished (1 trial: 1 failed)"),
        ([MadeTrial("a", status="unfinished", last=300)], "no trial has finished (1 trial: 1 unfinished)"),
        ([MadeTrial("a", metrics={"mig": None})], "no trial has finite scores (1 trial: 1 finished)"),
        ([MadeTrial("a")], "One cell is all that could be ranked"),
        ([MadeTrial("a"), MadeTrial("b", beta=8.0, mig=0.1)], "One cell beats the other 1 ranked at every objective"),
        (
            [MadeTrial("a"), MadeTrial("s", seed=1, status="stopped", last=100)],
            "in one seed (1 more did not finish); too few seeds",
        ),
    ],
)
def test_the_sentence_of_odd_studies(tmp_path: Path, trials: list[MadeTrial], says: str) -> None:
    assert says in front_sentence(ranked(tmp_path / "study", trials))


def test_the_terminal_table_fits_80_columns(tmp_path: Path) -> None:
    ranking = ranked(tmp_path / "study", grid(betas=(0.5, 1.25, 16), latents=(4, 128)))
    text = StringIO()
    Console(file=text, width=80).print(summary_table(ranking, rows=4))
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in text.getvalue()
    assert "★" in lines[2]
    assert "2 more in ranking.csv" in text.getvalue()


def test_with_a_third_setting_the_terminal_table_leaves_out_the_test_images(tmp_path: Path) -> None:
    trials = [
        MadeTrial(f"{precision}{beta}", beta=beta, settings={"precision": precision})
        for precision in ("float32", "bf16")
        for beta in (0.5, 1.25)
    ]
    text = StringIO()
    Console(file=text, width=80).print(summary_table(ranked(tmp_path / "study", trials)))
    header, *rows = text.getvalue().splitlines()[:5]
    assert max(map(len, (header, *rows))) <= 80
    assert "precision" in header
    assert "(test)" not in header
    assert sum("float32" in row for row in rows) == sum("bf16" in row for row in rows) == 2


@pytest.mark.parametrize(
    ("migs", "knee"),
    [((0.1, 0.35, 0.4), 2.0), ((0.1, 0.12, 0.4), None), ((0.1, 0.4), None), ((0.4, 0.1, 0.1), None)],
    ids=["bent", "bent inward", "two ends", "one"],
)
def test_the_knee_is_a_cell_between_the_ends_of_the_front(
    migs: tuple[float, ...], knee: float | None, tmp_path: Path
) -> None:
    trials = [MadeTrial(f"t{i}", beta=2.0**i, reconstruction=20.0 + 10 * i, mig=m) for i, m in enumerate(migs)]
    ranking = ranked(tmp_path / "study", trials)
    assert ranking.knee == (None if knee is None else 1)
    if knee:
        assert ranking.cells["beta"].iloc[0] == knee


def test_trials_that_failed_are_named_with_the_last_line_of_their_error(tmp_path):
    errors = [*(f"Traceback\nValueError: bad {i}\n" for i in range(6)), None]
    trials = [MadeTrial(f"t{i}", seed=i, status="failed", last=100, error=error) for i, error in enumerate(errors)]
    ranking = rank(read_study(write_study(tmp_path / "s", [MadeTrial("fine", seed=9), *trials])))
    sentences = failures(ranking)
    assert sentences[0] == "β = 4, 4 latents, seed 0 failed after step 100: ValueError: bad 0"
    assert sentences[5:] == ["2 more trials failed; their errors are in the dashboard."]
    assert failures(ranking, most=7)[6].endswith("its error is not known")
    assert failures(rank(read_study(write_study(tmp_path / "fine", [MadeTrial("fine")])))) == []
