"""Whole studies through a real local Ray: from nothing to the report, finished, extended."""

import shutil
import subprocess
import sys

import pandas as pd
import pytest
from whole_studies import FIFO, final_metrics, finish

from analysis.trials import read_study
from bvae import checkpoint

pytestmark = pytest.mark.slow


def test_a_study_runs_from_nothing_to_its_report(tmp_path):
    done = finish(tmp_path, "--beta", "1", "4", "16", "--seed", "0", "1", "--steps", "27", "--grace-period", "3")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout
    assert "Authentication" not in done.stderr
    study = read_study(tmp_path / "s")
    assert len(study.trials) == len(study.info["planned"]) == 6
    assert set(study.trials["status"]) == {"finished", "stopped"}
    assert study.info["rungs"] == [3, 9]
    # Whoever stopped was told to by a decision, and whoever was told to stopped there.
    refused = study.decisions[~study.decisions["keep"]].set_index("trial_id")["step"]
    stopped = study.trials[study.trials["status"] == "stopped"].set_index("trial_id")["step"]
    pd.testing.assert_series_equal(refused.sort_index(), stopped.sort_index(), check_names=False)
    assert set(study.decisions.groupby("rung").size().index) == {3, 9}
    finished = study.scores[study.scores["status"] == "finished"].groupby("trial_id")["step"].apply(list)
    assert all(steps == [3, 9, 10, 20, 27] for steps in finished)
    report = tmp_path / "s" / "report"
    assert (report / "dashboard.html").stat().st_size > 1e6
    assert len(pd.read_csv(report / "ranking.csv")) == 3
    assert len(list((report / "gif" / "1").glob("*/traversal_latent_dim_*.gif"))) == 4 * 3
    assert len(pd.read_parquet(tmp_path / "s" / "scores.parquet")) == len(study.scores)
    newest = checkpoint.load(tmp_path / "s" / study.trials.set_index("trial_id").loc[finished.index[0], "checkpoint"])
    assert newest.step == 27


def test_a_finished_study_says_so_and_the_report_can_be_rebuilt_from_files(straight):
    before = (straight / "s" / "ledger.jsonl").read_bytes()
    done = finish(straight, *FIFO)
    assert done.returncode == 0
    assert "is finished" in done.stdout
    assert (straight / "s" / "ledger.jsonl").read_bytes() == before
    rebuilt = subprocess.run([sys.executable, "-m", "analysis", str(straight / "s")], capture_output=True, text=True)
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert "dashboard.html" in rebuilt.stdout


def test_a_finished_study_is_extended_and_keeps_what_it_had(straight, tmp_path):
    shutil.copytree(straight / "s", tmp_path / "s")
    wider = [*FIFO[: FIFO.index("--steps")], "2", *FIFO[FIFO.index("--steps") :]]  # a third seed
    refused = finish(tmp_path, *wider)
    assert refused.returncode == 2
    assert "seed ([0, 1] there, [0, 1, 2] asked); --extend adds the 2 new trials" in refused.stderr
    done = finish(tmp_path, *wider, "--extend")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Extending s: 2 of 6 trials are left" in done.stdout
    before, after = final_metrics(straight), final_metrics(tmp_path)
    assert len(after) == 6
    assert {trial: after[trial] for trial in before} == before
    again = finish(tmp_path, *wider)
    assert again.returncode == 0
    assert "all 6 trials have ended" in again.stdout
