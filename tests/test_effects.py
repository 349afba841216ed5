"""The variance split of tables that were made from known effects."""

from pathlib import Path

import numpy as np
import pytest
from constructed import MadeTrial, write_study

from analysis.effects import by_coordinate, variance_split
from analysis.figures.moved import moved_data, moved_figure
from analysis.ranking import Ranking, rank
from analysis.trials import read_study

BETAS, SIZES, SEEDS = (1.0, 2.0, 4.0), (4, 8), 4


def study(directory: Path, of_beta: float, of_size: float, of_both: float, of_seed: float) -> Ranking:
    """MIG as a sum of effects; those of the seeds are the same four numbers, of mean 0, in every cell."""
    seeds = np.array([-1.0, 1.0, -0.5, 0.5]) * of_seed
    trials = [
        MadeTrial(
            f"{i}-{j}-{s}",
            beta=beta,
            latent_dim=size,
            seed=s,
            mig=0.5 + of_beta * (i - 1) + of_size * (2 * j - 1) + of_both * (i - 1) * (2 * j - 1) + seeds[s],
        )
        for i, beta in enumerate(BETAS)
        for j, size in enumerate(SIZES)
        for s in range(SEEDS)
    ]
    return rank(read_study(write_study(directory, trials)))


def shares(ranking: Ranking) -> dict[str, float]:
    table = variance_split(ranking, "mig", draws=20)
    return dict(zip(table["source"], table["share"], strict=True))


@pytest.mark.parametrize("effects", [(1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0)])
def test_a_single_cause_gets_everything(effects: tuple[float, ...], tmp_path: Path) -> None:
    found = list(shares(study(tmp_path / "study", *(0.1 * e for e in effects))).values())
    assert found == pytest.approx(list(effects), abs=1e-9)


def test_known_effects_get_their_shares(tmp_path: Path) -> None:
    found = shares(study(tmp_path / "study", 0.12, 0.06, 0.03, 0.02))
    # Variances: (i - 1) has 2/3, the sign of the size 1, their product 2/3, the seeds' numbers 0.625.
    parts = np.array([0.12**2 * 2 / 3, 0.06**2, 0.03**2 * 2 / 3, 0.02**2 * 0.625])
    assert list(found) == ["beta", "latent_dim", "beta × latent_dim", "seed"]
    assert list(found.values()) == pytest.approx((parts / parts.sum()).tolist())


def test_a_missing_cell_does_not_give_one_setting_the_other_s_share(tmp_path: Path) -> None:
    """Without the cell of the largest β and size the two are correlated; the size has no effect and must get none."""
    ranking = study(tmp_path / "study", 0.1, 0.0, 0.0, 0.01)
    gone = (ranking.trials["beta"] == 4.0) & (ranking.trials["latent_dim"] == 8)
    ranking.trials.loc[gone, "scored"] = False
    found = shares(ranking)
    assert found["beta"] > 0.9
    assert found["latent_dim"] < 0.01


def test_the_interval_holds_the_share_and_is_certain_without_seed_noise(tmp_path: Path) -> None:
    noisy = variance_split(study(tmp_path / "noisy", 0.05, 0.02, 0.01, 0.05), "mig")
    assert noisy["share"].between(noisy["low"], noisy["high"]).all()
    assert (noisy["high"] - noisy["low"]).iloc[0] > 0.05
    sure = variance_split(study(tmp_path / "sure", 0.05, 0.02, 0.01, 0.0), "mig")
    assert (sure["high"] - sure["low"]).max() == pytest.approx(0, abs=1e-9)


def test_the_interval_holds_the_share_where_most_cells_have_one_seed(tmp_path: Path) -> None:
    """Then the means that are drawn around have nearly all of the noise in them already."""
    random = np.random.default_rng(0)
    trials = [
        MadeTrial(f"{i}-{j}-{s}", beta=2.0**i, latent_dim=j, seed=s, mig=0.1 * i + random.normal())
        for i in range(20)
        for j in range(2, 12)
        for s in range(2 if i == j else 1)
    ]
    ranking = rank(read_study(write_study(tmp_path / "study", trials)))
    for table in (variance_split(ranking, "mig"), by_coordinate(ranking, "mig")):
        assert len(table) > 2
        assert table["share"].between(table["low"], table["high"]).all(), table


@pytest.mark.parametrize(
    "trials",
    [
        [MadeTrial("a"), MadeTrial("b", beta=1.0)],  # One seed each.
        [MadeTrial("a"), MadeTrial("b", seed=1)],  # Nothing but the seed.
        [MadeTrial("a", status="failed", last=None)],
        [MadeTrial("a", beta=b, seed=s) for b in (1.0, 2.0) for s in (0, 1)],  # MIG never varies.
    ],
    ids=["one seed", "one cell", "failed", "constant"],
)
def test_what_can_not_be_told_is_empty(trials: list[MadeTrial], tmp_path: Path) -> None:
    for i, trial in enumerate(trials):
        trial.trial_id = f"t{i}"
    assert variance_split(rank(read_study(write_study(tmp_path / "study", trials))), "mig").empty


def test_the_figure_draws_the_shares(tmp_path: Path) -> None:
    data = moved_data(study(tmp_path / "study", 0.12, 0.06, 0.03, 0.02), "mig")
    [bars] = moved_figure(data).data
    assert list(bars.y) == ["seed", "β × latent size", "latent size", "β"]
    assert sum(bars.x) == pytest.approx(1.0)


def test_a_score_that_follows_one_coordinate_is_explained_by_it(tmp_path: Path) -> None:
    """MIG as a parabola in log(β·M): β alone or the size alone explain less, and the seed nothing."""
    trials = [
        MadeTrial(f"{b}-{m}-{s}", beta=b, latent_dim=m, seed=s, mig=0.1 + 0.05 * np.log(b * m) ** 2)
        for b in (0.5, 2.0, 8.0)
        for m in (2, 8, 32)
        for s in (0, 1)
    ]
    found = by_coordinate(rank(read_study(write_study(tmp_path / "study", trials))), "mig", draws=20).set_index(
        "source"
    )
    assert found.loc["beta_norm", "share"] == pytest.approx(1)
    assert found.loc["beta", "share"] < 0.8
    assert found.loc["latent_dim", "share"] < 0.8
    assert (found["low"] <= found["share"] + 1e-9).all()
    assert (found["high"] >= found["share"] - 1e-9).all()
    one = rank(read_study(write_study(tmp_path / "one", [MadeTrial("a"), MadeTrial("b", beta=1.0, mig=0.5)])))
    assert by_coordinate(one, "mig").empty
