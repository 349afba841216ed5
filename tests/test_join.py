"""Several studies as one: what is joined, what counts once, what is refused."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from constructed import MadeTrial, write_study

from analysis.__main__ import main
from analysis.events import RunDirectoryError
from analysis.report import build_report


def change(directory: Path, **fields: Any) -> Path:
    info = json.loads((directory / "study.json").read_text())
    (directory / "study.json").write_text(json.dumps(info | fields))
    return directory


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    """Seeds 0 and 1 of one cell in the first, 1 (stopped there) and 2 in the second, with a cell of its own."""
    first = [MadeTrial("a0", seed=0, mig=0.1), MadeTrial("a1", seed=1, mig=0.2)]
    second = [
        MadeTrial("b1", seed=1, status="stopped", last=300),
        MadeTrial("b2", seed=2, mig=0.3, checkpoint="tune/b2/c.safetensors"),
        MadeTrial("a0", beta=16.0, mig=0.4),  # The id of another trial of the first.
    ]
    return [write_study(tmp_path / "one", first, "one"), write_study(tmp_path / "two", second, "<two>")]


def test_seeds_of_one_cell_come_together_and_a_shared_trial_counts_once(two: list[Path], tmp_path: Path) -> None:
    report = build_report(two, out=tmp_path / "joined", traversals=False)
    cell = report.ranking.cells.set_index("beta").loc[4.0]
    assert (cell["trials"], cell["scored"], cell["mig_mean"]) == (3, 3, pytest.approx(0.2))
    assert cell["study"] == "one + <two>"
    trials = report.ranking.trials.set_index("trial_id")
    assert sorted(trials.index) == ["<two>/a0", "a1", "b2", "one/a0"]
    assert trials["study"].to_dict() == {"one/a0": "one", "a1": "one", "b2": "<two>", "<two>/a0": "<two>"}
    assert report.notes[0] == "Joined from <two> (2 trials), one (2 trials)."
    assert report.notes[1] == "1 trial is in two studies and counted once."
    assert trials.loc["b2", "checkpoint"] == "../two/tune/b2/c.safetensors"


def test_everything_lies_in_the_folder_that_was_named(two: list[Path], tmp_path: Path) -> None:
    before = sorted(p for d in two for p in d.rglob("*"))
    out = tmp_path / "a" / "joined"
    assert main([*map(str, two), "--out", str(out), "--no-traversals"]) == 0
    scores = pd.read_parquet(out / "scores.parquet")
    assert set(scores["study"]) == {"one", "<two>"}
    assert not (scores["trial_id"] == "b1").any()
    assert len(pd.read_csv(out / "ranking.csv")) == 2
    html = (out / "dashboard.html").read_text(encoding="utf-8")
    assert "one + &lt;two&gt;" in html
    assert "&lt;two&gt; (2 trials)" in html
    assert sorted(p for d in two for p in d.rglob("*")) == before


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"steps": 5000}, "steps is 2700 in the first, 5000 in the second"),
        ({"data": {"sha256": "0" * 64}}, "data is None in the first, 000000000000… in the second"),
        ({"objectives": {"mig": "max"}}, "objectives is"),
        ({"asked": {"split": "none"}}, "split is None in the first, none in the second"),
    ],
    ids=["steps", "data", "objectives", "split"],
)
def test_what_can_not_be_compared_is_refused(
    fields: dict[str, Any], says: str, two: list[Path], tmp_path: Path
) -> None:
    change(two[1], **fields)
    with pytest.raises(RunDirectoryError, match="not comparable") as error:
        build_report(two, out=tmp_path / "joined", traversals=False)
    assert says in str(error.value)
    assert not (tmp_path / "joined").exists()


def test_a_joined_report_needs_a_place_of_its_own(two: list[Path]) -> None:
    with pytest.raises(RunDirectoryError, match="say where it goes with --out"):
        build_report(two, traversals=False)
    with pytest.raises(RunDirectoryError, match="is a study's run directory; choose another folder"):
        build_report(two, out=two[0], traversals=False)


def test_studies_of_one_name_are_told_apart_by_their_folders(two: list[Path], tmp_path: Path) -> None:
    change(two[1], name="one")
    report = build_report(two, out=tmp_path / "joined", traversals=False)
    assert set(report.ranking.trials["study"]) == set(map(str, two))


def test_one_study_can_be_reported_elsewhere(two: list[Path], tmp_path: Path) -> None:
    report = build_report(two[0], out=tmp_path / "elsewhere", traversals=False)
    assert report.dashboard == tmp_path / "elsewhere" / "dashboard.html"
    assert not (two[0] / "report").exists()
    assert not (two[0] / "scores.parquet").exists()
