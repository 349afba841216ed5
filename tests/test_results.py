"""The published study in results/: whole, small, and what the README says of it."""

import json
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.ranking import rank
from analysis.trials import read_study

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"


@pytest.fixture(scope="module")
def study():
    return read_study(RESULTS)


def test_ranking_it_warns_of_nothing(study):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(rank(study).cells) == 15


def test_it_is_small_and_names_nothing_of_the_machine_it_was_made_on():
    files = [path for path in RESULTS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 10e6
    assert json.loads((RESULTS / "study.json").read_text())["command"][:3] == ["python", "-m", "study.run"]


def test_every_planned_trial_ran_to_its_end_with_every_score(study):
    assert sorted(study.trials["trial_id"]) == sorted(study.info["planned"])
    assert set(study.trials["status"]) == {"finished"}
    cells = study.trials.groupby(["beta", "latent_dim"])["seed"].nunique()
    assert {1, 2, 4, 8, 16} <= set(cells.index.get_level_values(0))
    assert {4, 6, 10} <= set(cells.index.get_level_values(1))
    assert cells.min() >= 3
    last = study.scores[study.scores["step"] == study.info["steps"]]
    for name in ("mig", "dci_disentanglement", "sap", "factor_vae_score", "beta_vae_score", "infomec_modularity"):
        for prefix in ("", "test_", "sampled_"):
            assert np.isfinite(last[prefix + name].astype(float)).all()


def test_the_tables_are_those_of_the_ledger(study):
    parquet, csv = pd.read_parquet(RESULTS / "scores.parquet"), pd.read_csv(RESULTS / "scores.csv")
    assert len(parquet) == len(csv) == len(study.scores)
    for table in (parquet, csv):
        for name in ("reconstruction", "mig", "dci_disentanglement"):
            expected = study.scores.set_index(["trial_id", "step"])[name].astype(float)
            given = table.set_index(["trial_id", "step"])[name].astype(float)
            np.testing.assert_allclose(given.loc[expected.index], expected, rtol=1e-5)
    cells, ranking = rank(study).cells, pd.read_csv(RESULTS / "ranking.csv")
    for name in ("beta", "latent_dim", "reconstruction_mean", "mig_mean", "test_mig_mean"):
        np.testing.assert_allclose(ranking[name], cells[name].astype(float), rtol=1e-4)


def test_the_readme_says_what_the_ranking_says():
    ranking = pd.read_csv(RESULTS / "ranking.csv").set_index(["beta", "latent_dim"])
    text = (ROOT / "README.md").read_text()
    rows = re.findall(r"^\| (\d+) \| (\d+) \| ([\d.]+) ± [\d.]+ \| ([\d.]+) ± [\d.]+ \|", text, re.MULTILINE)
    assert len(rows) == len(ranking) == 15
    for beta, latents, reconstruction, mig in rows:
        cell = ranking.loc[(float(beta), int(latents))]
        assert float(reconstruction) == pytest.approx(cell["reconstruction_mean"], abs=0.06)
        assert float(mig) == pytest.approx(cell["mig_mean"], abs=0.0006)
