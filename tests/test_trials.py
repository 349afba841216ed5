"""A run directory read back as tables, and the score table."""

import json

import pytest
from constructed import decided, reported, started

from analysis.events import RunDirectoryError, append, event
from analysis.trials import read_study, write_scores


@pytest.fixture
def run_directory(tmp_path):
    (tmp_path / "study.json").write_text(json.dumps({"name": "s", "schema": 1}))
    events = [
        started("a"), reported("a", 1, 90), started("b"), reported("b", 1, 80), decided("b", 1, keep=False),
        event("trial_ended", "b", step=1, status="stopped"),
        event("failure", "a", step=1, attempt=1, error="it died"), started("a", 2), reported("a", 1, 91), reported("a",
        2, 70), event("checkpoint", "a", step=2, path="tune/a"),
    ]  # fmt: skip
    append(tmp_path / "ledger.jsonl", events)
    return tmp_path


def test_a_study_is_read_as_tables(run_directory):
    study = read_study(run_directory)
    trials = study.trials.set_index("trial_id")
    assert trials.loc["a", ["status", "step", "attempts", "error", "checkpoint"]].tolist() == [
        "unfinished",
        2,
        2,
        "it died",
        "tune/a",
    ]
    assert trials.loc["b", "status"] == "stopped"
    # A step that was reported twice counts once, with its last values.
    assert study.scores[["trial_id", "step", "reconstruction"]].values.tolist() == [
        ["a", 1, 91],
        ["a", 2, 70],
        ["b", 1, 80],
    ]
    assert study.decisions["keep"].tolist() == [False]


def test_the_score_table_keeps_values_and_units(run_directory):
    import pyarrow.parquet as pq

    write_scores(read_study(run_directory), run_directory / "scores.parquet")
    table = pq.read_table(run_directory / "scores.parquet")
    assert table["reconstruction"].to_pylist() == [91, 70, 80]
    assert table.schema.field("reconstruction").metadata[b"unit"] == b"nats per image"
    assert not list(run_directory.glob(".*"))


def test_what_is_no_run_directory_is_one_clear_sentence(tmp_path):
    with pytest.raises(RunDirectoryError, match=r"no study\.json"):
        read_study(tmp_path)
    (tmp_path / "study.json").write_text("{")
    with pytest.raises(RunDirectoryError, match="can't be read"):
        read_study(tmp_path)
