"""The simulation behind benchmarks/large_study.py: what the study's own code wrote down."""

from collections import Counter

import pytest

from analysis.events import read_ledger
from analysis.trials import read_study
from benchmarks import simulated_cluster
from benchmarks.large_study import NODES, settings_of, show
from study.lanes import lanes_of, slots
from study.space import Settings

SETTINGS = Settings(
    beta=(0.5, 1.0, 2.0, 4.0, 8.0),
    latent_dim=(4, 8),
    seed=tuple(range(30)),
    steps=2_700,
    grace_period=300,
    report_every=300,
)
PLACES = [{"CPU": 4.0, "GPU": 1.0}, {"CPU": 4.0}, {"CPU": 8.0}]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated_cluster, "LIFETIME", 3_000.0)
        directory = tmp_path_factory.mktemp("simulated") / "made"
        simulated_cluster.simulate(directory, SETTINGS, PLACES)
        return directory


@pytest.fixture(scope="module")
def events(directory):
    return read_ledger(directory / "ledger.jsonl")


def test_every_trial_ends_once(directory, events):
    study = read_study(directory)
    assert len(study.trials) == 300
    assert study.trials["trial_id"].is_unique
    assert set(study.trials["status"]) == {"finished", "stopped"}
    assert Counter(e["trial_id"] for e in events if e["event"] == "trial_ended") == Counter(study.trials["trial_id"])


def test_machines_died_and_steps_are_continuous_all_the_same(events):
    failed = {e["trial_id"] for e in events if e["event"] == "failure"}
    assert len(failed) > 20
    steps: dict[str, list[int]] = {}
    for e in events:
        if e["event"] == "report":
            steps.setdefault(e["trial_id"], []).append(e["step"])
    assert len(steps) == 300
    for trial, reported in steps.items():
        assert reported == list(range(300, 300 * len(reported) + 1, 300)), trial
    again = [e for e in events if e["event"] == "trial_started" and e["attempt"] > 1]
    assert {e["trial_id"] for e in again} == failed
    assert any(e["resumed_step"] for e in again)


def test_both_lanes_are_full_and_never_more_than_that(events):
    places = slots(PLACES, lanes_of(1, 0.25, {}))
    lanes: dict[str, str] = {}
    most: Counter[str] = Counter()
    for e in events:
        if e["event"] == "trial_started":
            lanes[e["trial_id"]] = e["lane"]
        elif e["event"] in ("failure", "trial_ended"):
            del lanes[e["trial_id"]]
        for lane, count in Counter(lanes.values()).items():
            most[lane] = max(most[lane], count)
    assert most == places


def test_it_is_the_same_each_time_and_counts_each_report(tmp_path, capsys):
    settings = Settings(beta=(1.0, 4.0), latent_dim=(4,), seed=tuple(range(10)), steps=900, grace_period=300)
    costs = [simulated_cluster.simulate(tmp_path / name / "made", settings, PLACES[:1]) for name in "ab"]
    ledgers = [tmp_path / name / "made" / "ledger.jsonl" for name in "ab"]
    assert ledgers[0].read_bytes() == ledgers[1].read_bytes()
    reports = sum(e["event"] == "report" for e in read_ledger(ledgers[0]))
    assert len(costs[0].trials) >= reports > 0
    assert set(costs[0].trials) == set(range(20))
    show(costs[0], 20)
    assert "last 2 trials" in capsys.readouterr().out


def test_the_large_one_is_as_large_as_it_says():
    assert slots(NODES, lanes_of(1, 0.25, {})) == {"gpu": 100, "cpu": 100}
    settings = settings_of(10_000)
    assert len(settings.beta) * len(settings.latent_dim) * len(settings.learning_rate) * len(settings.seed) == 10_000
