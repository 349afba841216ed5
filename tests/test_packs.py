"""Which trials make a pack, what is judged of it, and what a whole packed study leaves."""

import math
import signal

import pytest
from whole_studies import FIFO, count, final_metrics, finish, start, wait_until

from analysis.events import read_ledger
from analysis.trials import read_study
from study.packs import grouped, judged, members_of, with_members
from study.space import Settings, plan, trial_id

TRIALS = {trial_id(config): config for config in plan(Settings(beta=(1.0, 8.0), latent_dim=(4,), seed=(0, 1, 2)))}
CELLS = [{n for n, c in TRIALS.items() if c.beta == beta} for beta in (1.0, 8.0)]


def test_a_pack_holds_the_seeds_of_a_cell_in_the_order_of_the_plan():
    packs = grouped(list(TRIALS), TRIALS, True, {})
    assert sorted(map(sorted, packs.values())) == sorted(map(sorted, CELLS))
    assert all(name == members[0] for name, members in packs.items())
    assert list(packs) == list(TRIALS)[:2]
    assert [TRIALS[name].seed for name in next(iter(packs.values()))] == [0, 1, 2]


def test_without_packs_each_trial_is_its_own():
    assert grouped(list(TRIALS), TRIALS, False, {}) == {name: [name] for name in TRIALS}
    assert grouped(list(TRIALS), TRIALS, False, {name: name for name in TRIALS}) == {name: [name] for name in TRIALS}


def test_a_pack_keeps_its_name_when_its_first_trial_has_ended_and_further_seeds_make_another():
    first, second, third = sorted(CELLS[0], key=lambda name: TRIALS[name].seed)
    known = {first: first, second: first}
    assert grouped([second, third], TRIALS, True, known) == {first: [second], third: [third]}


def test_an_assignment_can_be_given_fewer_members():
    assignment = {"folder": "f", "trial_id": "a", "trial": {"seed": 0}, "resume": None}
    assert members_of(assignment) == [{"trial_id": "a", "trial": {"seed": 0}, "resume": None}]
    others = [{"trial_id": name, "trial": {"seed": k}, "resume": f"{name}/3"} for k, name in enumerate("bc", 1)]
    whole = with_members(assignment | {"pack": "a"}, members_of(assignment) + others)
    assert members_of(whole) == members_of(assignment) + others
    rest = with_members(whole, others)
    assert members_of(rest) == others
    assert (rest["pack"], rest["folder"], rest["trial_id"]) == ("a", "f", "b")


def test_what_is_judged_is_the_mean_of_those_that_did_not_diverge():
    gone = {"step": 2, "reconstruction": math.nan, "mig": math.nan, "diverged": True}
    one = {"step": 3, "reconstruction": 100.0, "mig": 0.1, "kl_per_latent": [1.0], "checkpoint": "a"}
    other = one | {"reconstruction": 110.0, "mig": 0.3}
    assert judged([one, gone, other]) == {"step": 3, "reconstruction": 105.0, "mig": pytest.approx(0.2)}
    assert judged([gone, one]) == one
    assert judged([gone, gone]) == gone


@pytest.mark.slow
def test_a_packed_study_that_is_interrupted_gives_what_its_trials_give_alone(straight, tmp_path):
    process = start(tmp_path, *FIFO, "--pack")
    wait_until(lambda: count(tmp_path, "checkpoint") >= 3, process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 130, output
    done = finish(tmp_path, *FIFO, "--pack")
    assert done.returncode == 0, done.stdout + done.stderr
    expected, actual = final_metrics(straight), final_metrics(tmp_path)
    assert actual.keys() == expected.keys()
    for name, metrics in expected.items():
        for metric in ("train_reconstruction", "reconstruction", "test_reconstruction"):  # KL, just rising, amplifies
            assert float(actual[name][metric]) == pytest.approx(float(metrics[metric]), rel=0.02)  # the rounding.
    starts = [e for e in read_ledger(tmp_path / "s" / "ledger.jsonl") if e["event"] == "trial_started"]
    assert {tuple(e["resources"].items()) for e in starts} == {(("CPU", 0.5),)}
    assert max(e["resumed_step"] for e in starts) > 0
    assert len({e["pack"] for e in starts}) == 2


@pytest.mark.slow
def test_the_seeds_of_a_pack_go_on_or_stop_together_and_a_second_run_remembers_why(tmp_path):
    asked = ("--beta", "1", "4", "8", "16", "--seed", "0", "1", "--steps", "20", "--grace-period", "5")
    asked = (*asked, "--reduction-factor", "2", "--pack")
    process = start(tmp_path, *asked)
    wait_until(lambda: count(tmp_path, "decision") >= 4, process)
    process.kill()
    process.communicate()
    done = finish(tmp_path, *asked)
    assert done.returncode == 0, done.stdout + done.stderr
    events = read_ledger(tmp_path / "s" / "ledger.jsonl")
    decisions = [e for e in events if e["event"] == "decision"]
    packs = {e["trial_id"]: e["pack"] for e in events if e["event"] == "trial_started"}
    rungs: dict[int, list[int]] = {}
    for e in decisions:
        partners = [d for d in decisions if packs[d["trial_id"]] == packs[e["trial_id"]] and d["rung"] == e["rung"]]
        assert len(partners) == 2
        assert all(d["keep"] == e["keep"] and d["judged"] == e["judged"] for d in partners)
        reports = [
            r["metrics"] for r in events if r["event"] == "report" and r["step"] == e["step"]
            and packs[r["trial_id"]] == packs[e["trial_id"]]
        ]  # fmt: skip
        assert e["judged"]["mig"] == pytest.approx(sum(r["mig"] for r in reports) / len(reports))
        rungs.setdefault(e["rung"], []).append(e["size"])
    assert {rung: sorted(set(sizes)) for rung, sizes in rungs.items()} == {
        rung: list(range(1, len(sizes) // 2 + 1)) for rung, sizes in rungs.items()
    }
    assert any(not e["keep"] for e in decisions)
    study = read_study(tmp_path / "s")
    assert sorted(study.trials["trial_id"]) == sorted(study.info["planned"])
    assert set(study.trials["status"]) <= {"finished", "stopped"}
