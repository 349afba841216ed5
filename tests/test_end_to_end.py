"""Whole studies through a real local Ray, as a person starts them: finished, interrupted, killed, resumed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from analysis.events import read_ledger
from analysis.trials import read_study
from bvae import checkpoint

pytestmark = pytest.mark.slow
TIMEOUT = 400


def command(storage: Path, *arguments: str) -> list[str]:
    settings = ["--latent-dim", "3", "--batch-size", "16", "--score-images", "200", "--report-every", "10", *arguments]
    return [sys.executable, "-m", "study.run", "--name", "s", "--storage", str(storage), *settings]


def finish(storage: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(command(storage, *arguments), capture_output=True, text=True, timeout=TIMEOUT)


def final_metrics(storage: Path) -> dict[str, dict[str, float]]:
    """What does not depend on the clock, at each trial's last step."""
    scores = read_study(storage / "s").scores.sort_values("step").groupby("trial_id").last()
    timed = ["images_per_second", "seconds", "scoring_seconds"]
    return scores.drop(columns=timed).astype(str).to_dict("index")


FIFO = ("--scheduler", "fifo", "--beta", "1", "8", "--seed", "0", "1", "--steps", "40", "--grace-period", "5")


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A study that nothing stops or interrupts."""
    storage = tmp_path_factory.mktemp("straight")
    done = finish(storage, *FIFO)
    assert done.returncode == 0, done.stderr + done.stdout
    return storage


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


def wait_for(ledger: Path, kind: str, count: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        assert process.poll() is None, "the study ended before it could be interrupted"
        if ledger.exists() and sum(e["event"] == kind for e in read_ledger(ledger)) >= count:
            return
        time.sleep(0.05)
    raise AssertionError(f"no {count} {kind} events in time")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_same_command_goes_on_and_gives_the_same_numbers(straight, tmp_path, how):
    process = subprocess.Popen(
        command(tmp_path, *FIFO), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    wait_for(tmp_path / "s" / "ledger.jsonl", "checkpoint", 2, process)
    if how == signal.SIGINT:
        os.killpg(process.pid, how)  # As a terminal's Ctrl-C does: to all of the foreground group.
    else:
        process.send_signal(how)
    output, _ = process.communicate(timeout=TIMEOUT)
    if how == signal.SIGKILL:
        assert process.returncode == -how
    else:
        assert process.returncode == 130, output
        assert "The same command goes on" in output
        assert "Traceback" not in output
    interrupted = read_ledger(tmp_path / "s" / "ledger.jsonl")
    done = finish(tmp_path, *FIFO)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Going on with s" in done.stdout
    assert final_metrics(tmp_path) == final_metrics(straight)
    events = read_ledger(tmp_path / "s" / "ledger.jsonl")
    assert events[: len(interrupted)] == interrupted
    # Something was not done twice: the trials that had a checkpoint went on from it.
    assert max(e["resumed_step"] for e in events if e["event"] == "trial_started") > 0
    ends = [e["trial_id"] for e in events if e["event"] == "trial_ended"]
    assert sorted(ends) == sorted(json.loads((tmp_path / "s" / "study.json").read_text())["planned"])


def descendants(root: int) -> list[tuple[int, str]]:
    """(pid, command) of all processes that a process started, directly or not."""
    listing = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [
        (int(pid), int(parent), args) for pid, parent, args in (line.split(None, 2) for line in listing.splitlines())
    ]
    found = {root}
    for _ in rows:  # A pass finds at least one level.
        found |= {pid for pid, parent, _ in rows if parent in found}
    return [(pid, args) for pid, _, args in rows if pid in found]


def test_a_trial_whose_process_is_killed_goes_on_from_its_checkpoint(straight, tmp_path):
    process = subprocess.Popen(command(tmp_path, *FIFO), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for(tmp_path / "s" / "ledger.jsonl", "checkpoint", 1, process)
    victims = [pid for pid, name in descendants(process.pid) if "ray::ImplicitFunc" in name]
    assert victims
    os.kill(victims[0], signal.SIGKILL)
    output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, output
    study = read_study(tmp_path / "s")
    assert (study.trials["status"] == "finished").all()
    assert "failed (attempt 1)" in output
    assert final_metrics(tmp_path) == final_metrics(straight)
