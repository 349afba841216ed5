"""study.json: one study under one name, refused with the differences, extended by trials only."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from bvae import data
from study.directory import StudyError, agree, begin, describe, held
from study.session import OBJECTIVES
from study.space import Settings, plan, trial_id

SETTINGS = Settings(beta=(1.0, 4.0), latent_dim=(3,), seed=(0, 1), steps=9, grace_period=3)


@pytest.fixture
def description(small_npz):
    store = data.load(small_npz)

    def describe_with(**changes):
        settings = replace(SETTINGS, **changes)
        planned = [trial_id(trial) for trial in plan(settings)]
        return describe("s", settings, store, str(small_npz), planned, [3], OBJECTIVES)

    return describe_with


@pytest.fixture
def begun(tmp_path, description):
    begin(tmp_path, description())
    return tmp_path


def test_a_new_study_is_what_was_asked_and_the_same_again_is_left_alone(tmp_path, description):
    asked = description()
    assert agree(tmp_path / "new", asked) == asked
    begin(tmp_path, asked)
    before = (tmp_path / "study.json").stat()
    begin(tmp_path, agree(tmp_path, description()))
    assert (tmp_path / "study.json").stat().st_ino == before.st_ino
    assert [path.name for path in tmp_path.iterdir()] == ["study.json"]


@pytest.mark.parametrize(
    ("changes", "added"),
    [
        ({"seed": (0, 1, 2)}, 2),
        ({"beta": (1.0, 2.0, 4.0)}, 2),
        ({"latent_dim": (3, 5), "seed": (0, 1, 2)}, 8),
        ({"learning_rate": (1e-3, 1e-4)}, 4),
    ],
)
def test_trials_are_added_and_the_extended_study_is_the_study_from_then_on(begun, description, changes, added):
    first = json.loads((begun / "study.json").read_text())
    with pytest.raises(StudyError, match=f"--extend adds the {added} new trials"):
        agree(begun, description(**changes))
    begin(begun, agree(begun, description(**changes), extend=True))
    extended = json.loads((begun / "study.json").read_text())
    assert set(first["planned"]) < set(extended["planned"])
    assert agree(begun, description(**changes)) == extended
    assert agree(begun, description(**changes), extend=True) == extended
    # What was there first is kept, and what came later says when and by which program.
    assert {key: first[key] for key in ("created", "command", "versions")}.items() <= extended.items()
    (addition,) = extended["extended"]
    assert sorted(addition["added"]) == sorted(set(extended["planned"]) - set(first["planned"]))
    assert len(addition["added"]) == added
    assert addition["asked"] == {name: [first["asked"][name], list(value)] for name, value in changes.items()}
    with pytest.raises(StudyError, match="holds a different study"):
        agree(begun, description())


def test_a_second_extension_keeps_the_first(begun, description):
    begin(begun, agree(begun, description(seed=(0, 1, 2)), extend=True))
    begin(begun, agree(begun, description(seed=(0, 1, 2), beta=(1.0, 4.0, 8.0)), extend=True))
    extended = json.loads((begun / "study.json").read_text())["extended"]
    assert [list(addition["asked"]) for addition in extended] == [["seed"], ["beta"]]


def test_a_random_search_is_extended_by_further_samples(tmp_path, description):
    search = {"beta": (1.0,), "beta_range": (0.5, 8.0), "seed": (0,)}
    begin(tmp_path, description(**search, num_samples=4))
    extended = agree(tmp_path, description(**search, num_samples=6), extend=True)
    assert len(extended["extended"][0]["added"]) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 12}, r"steps \(9 there, 12 asked\); --extend adds trials and can't change steps"),
        ({"split": "none"}, "can't change split"),
        ({"score_images": 5}, "can't change score_images"),
        ({"reduction_factor": 2.0, "seed": (0, 1, 2)}, "can't change reduction_factor"),
        (
            {"seed": (2, 3)},
            r"seed \(\[0, 1\] there, \[2, 3\] asked\); --extend only adds: name the values that are there",
        ),
    ],
)
def test_what_would_change_a_trial_or_drop_one_is_refused_even_so(begun, description, changes, message):
    with pytest.raises(StudyError, match=message):
        agree(begun, description(**changes), extend=True)


def test_other_data_and_rungs_are_another_study(begun, description):
    for change in ({"data": {"sha256": "0"}}, {"rungs": [4]}):
        with pytest.raises(StudyError, match="holds a different study"):
            agree(begun, description() | change, extend=True)


def test_nothing_can_be_extended_where_nothing_is(tmp_path, description):
    with pytest.raises(StudyError, match="no study that could be extended"):
        agree(tmp_path, description(), extend=True)


def test_a_setting_that_came_with_a_later_version_counts_as_its_default(begun, description):
    older = json.loads((begun / "study.json").read_text())
    del older["asked"]["plan_seed"]
    (begun / "study.json").write_text(json.dumps(older))
    assert agree(begun, description()) == older
    with pytest.raises(StudyError, match=r"plan_seed \(0 there, 1 asked\)"):
        agree(begun, description(plan_seed=1))


def test_a_version_that_plans_other_trials_from_the_same_settings_is_refused(begun, description):
    renamed = description() | {"planned": ["beta1-latent3-seed0-000000"]}
    for extend in (False, True):
        with pytest.raises(StudyError, match="plans other trials than the one that began it"):
            agree(begun, renamed, extend)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"asked": []}', "\xff"])
def test_a_damaged_study_json_is_refused_and_left_alone(begun, description, content):
    (begun / "study.json").write_text(content, encoding="latin-1")
    with pytest.raises(StudyError, match=r"study\.json is damaged .* put back a copy"):
        agree(begun, description())
    assert (begun / "study.json").read_text(encoding="latin-1") == content


def test_a_ledger_without_its_study_json_is_refused(tmp_path, description):
    (tmp_path / "ledger.jsonl").write_text("")
    with pytest.raises(StudyError, match=r"no study\.json, but ledger\.jsonl"):
        agree(tmp_path, description())


def test_what_a_killed_first_start_left_is_no_hindrance(tmp_path, description):
    (tmp_path / ".lock").write_text("")
    (tmp_path / ".study.json.123").write_text("{")
    asked = description()
    assert agree(tmp_path, asked) == asked


def test_one_driver_at_a_time_and_a_killed_one_locks_nobody_out(tmp_path):
    code = "import sys; from pathlib import Path; from study.directory import held\n" + (
        "with held(Path(sys.argv[1])): print('held', flush=True); input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "held\n"
    with pytest.raises(StudyError, match="another process is running the study"), held(tmp_path):
        pass
    other.kill()
    other.communicate()
    with held(tmp_path):
        pass
