"""python -m analysis on run directories of every kind: what it writes, what it says, what it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from constructed import FakeStore, MadeTrial, grid, write_study

from analysis.__main__ import main
from analysis.events import RunDirectoryError
from analysis.report import build_report
from analysis.sheets import read_sheets

ODD = {
    "one trial": ([MadeTrial("a")], "One cell is all that could be ranked"),
    "all failed": (
        [MadeTrial(f"f{i}", seed=i, status="failed", last=None, error="boom") for i in range(3)],
        "3 failed",
    ),
    "none finished": ([MadeTrial("a", status="stopped", last=100)], "no trial has finished (1 trial: 1 stopped early)"),
    "only NaN": ([MadeTrial("a", metrics={"mig": None, "reconstruction": None})], "no trial has finite scores"),
    "still running": ([MadeTrial("a"), MadeTrial("u", seed=1, status="unfinished", last=200)], "1 more did not finish"),
    "not one report": (
        [MadeTrial("a", status="unfinished", last=None)],
        "no trial has finished (1 trial: 1 unfinished)",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_every_odd_study_builds_a_report_that_says_so(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trials, says = ODD[name]
    directory = write_study(tmp_path / "study", trials)
    assert main([str(directory), "--no-traversals"]) == 0
    assert says in " ".join(capsys.readouterr().out.split())
    assert says in (directory / "report" / "dashboard.html").read_text(encoding="utf-8")
    assert len(pd.read_csv(directory / "report" / "ranking.csv")) == 1
    assert (directory / "report" / "loss_curves.csv").is_file()
    assert (directory / "scores.parquet").is_file()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda d: None, "is not a study's run directory: it has no study.json"),
        (lambda d: d.mkdir(), "is not a study's run directory: it has no study.json"),
        (lambda d: write_study(d, []), "the ledger has no trial yet, so there is nothing to report"),
        (lambda d: (write_study(d, []), (d / "ledger.jsonl").unlink()), "it has no ledger.jsonl"),
        (lambda d: (write_study(d, []), (d / "study.json").write_text("{")), "can't be read"),
    ],
    ids=["missing", "empty folder", "empty ledger", "no ledger", "torn study.json"],
)
def test_a_mistake_gets_one_sentence_and_exit_code_2(make, says: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    make(tmp_path / "study")
    before = sorted(tmp_path.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-m", "analysis", str(tmp_path / "study")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_data_that_are_not_there_are_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = write_study(tmp_path / "study", grid())
    assert main([str(directory), "--data", str(tmp_path / "no.npz")]) == 2
    assert "no.npz" in capsys.readouterr().err
    assert not (directory / "report").exists()


def test_missing_checkpoints_are_said_and_stop_nothing(tmp_path: Path) -> None:
    directory = write_study(
        tmp_path / "study", [MadeTrial("a", checkpoint="tune/gone.safetensors"), MadeTrial("b", seed=1)]
    )
    report = build_report(directory)
    assert report.notes == ("No traversals of 2 of 2 trials: no whole checkpoint of a, b.",)
    assert report.gifs == ()
    assert report.notes[0] in report.dashboard.read_text(encoding="utf-8")


def test_a_missing_data_set_is_said_and_stops_nothing(tmp_path: Path) -> None:
    directory = write_study(tmp_path / "study", [MadeTrial("a", checkpoint="a.safetensors")])
    (directory / "a.safetensors").write_bytes(b"x")
    info = json.loads((directory / "study.json").read_text())
    info["data"]["source"] = str(tmp_path / "moved.npz")
    (directory / "study.json").write_text(json.dumps(info))
    report = build_report(directory)
    assert "moved.npz" in report.notes[0]
    assert report.dashboard.is_file()


def test_a_report_needs_no_torch(tmp_path: Path) -> None:
    """With torch made impossible to import, everything but the traversals is built."""
    directory = write_study(tmp_path / "study", [MadeTrial("a", checkpoint="a.safetensors")])
    code = (
        "import sys, importlib.util as u; sys.modules['torch'] = None; found = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'torch' else found(name, *a)\n"
        f"from analysis.__main__ import main; sys.exit(main([{str(directory)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "this machine has no torch" in " ".join(done.stdout.split())


def test_traversals_of_the_best_trial_lie_where_promised(with_checkpoint: Path) -> None:
    report = build_report(with_checkpoint, best=1, store=FakeStore())  # type: ignore[arg-type]
    assert report.notes == ()
    folder = with_checkpoint / "report" / "gif" / "1"
    assert report.gifs == (folder,)
    names = {str(p.relative_to(folder)) for p in folder.rglob("*.gif")}
    assert names == {
        "traversals.gif",
        "interpolation.gif",
        *(f"{s}/traversal_latent_dim_{d}.gif" for s in range(4) for d in range(3)),
    }
    [sheet] = read_sheets(report.directory, report.ranking).values()
    assert sheet["trial_id"] == "a/../b"
    assert sorted(of["latent"] for of in sheet["latents"]) == [0, 1, 2]
    kls = [of["kl"] for of in sheet["latents"]]
    assert kls == sorted(kls, reverse=True)
    assert "traversals" in report.dashboard.read_text(encoding="utf-8")


def test_gifs_of_ranks_that_are_gone_are_removed(with_checkpoint: Path) -> None:
    old = with_checkpoint / "report" / "gif" / "9"
    old.mkdir(parents=True)
    assert build_report(with_checkpoint, best=1, store=FakeStore()).gifs[-1].name == "1"  # type: ignore[arg-type]
    assert not old.exists()


def test_a_run_directory_without_trials_raises_for_callers(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="no trial yet"):
        build_report(write_study(tmp_path / "study", []))
