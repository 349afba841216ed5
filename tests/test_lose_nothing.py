"""Whole studies through a real local Ray that are interrupted, killed and starved: the same command goes on, and what
comes out is what would have come out."""

import html
import json
import os
import signal
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
from whole_studies import FIFO, count, final_metrics, finish, start, trial_processes, wait_until

from analysis.events import read_ledger
from analysis.trials import read_study
from bvae import checkpoint

pytestmark = pytest.mark.slow
KILLED = -signal.SIGKILL
HALVING = ("--reduction-factor", "2", *FIFO[2:])  # rungs at 5, 10, 20


def newest_checkpoint(storage: Path, trial: str) -> Path:
    paths = [e["path"] for e in read_ledger(storage / "s" / "ledger.jsonl") if e["event"] == "checkpoint"
             and e["trial_id"] == trial]  # fmt: skip
    return storage / "s" / paths[-1]


def test_interrupted_twice_and_a_trial_killed_it_gives_the_same_numbers(straight, tmp_path):
    ledger = tmp_path / "s" / "ledger.jsonl"
    for how in (signal.SIGINT, signal.SIGTERM):
        before = count(tmp_path, "checkpoint")
        process = start(tmp_path, *FIFO)
        wait_until(lambda seen=before: count(tmp_path, "checkpoint") > seen + 1, process)
        if how == signal.SIGINT:
            os.killpg(process.pid, how)  # As a terminal's Ctrl-C does: to all of the foreground group.
        else:
            process.send_signal(how)
        output, _ = process.communicate(timeout=400)
        assert process.returncode == 130, output
        assert "The same command goes on" in output
        assert "Traceback" not in output
    interrupted = read_ledger(ledger)
    process = start(tmp_path, *FIFO)
    wait_until(lambda: count(tmp_path, "checkpoint") > sum(e["event"] == "checkpoint" for e in interrupted), process)
    victims = trial_processes(process.pid)
    assert victims
    os.kill(victims[0], signal.SIGKILL)
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 0, output
    assert "Going on with s" in output
    assert "failed (attempt" in output
    assert final_metrics(tmp_path) == final_metrics(straight)
    events = read_ledger(ledger)
    assert events[: len(interrupted)] == interrupted
    # Something was not done twice: the trials that had a checkpoint went on from it.
    assert max(e["resumed_step"] for e in events if e["event"] == "trial_started") > 0
    ends = [e["trial_id"] for e in events if e["event"] == "trial_ended"]
    assert sorted(ends) == sorted(json.loads((tmp_path / "s" / "study.json").read_text())["planned"])


@pytest.mark.parametrize("judge", [("pareto-asha", "--audit", "0.5"), ("asha", "--metric", "mig")], ids="-".join)
def test_killed_at_three_moments_and_damaged_besides_it_loses_nothing(straight, tmp_path, judge):
    asked, ledger = ("--scheduler", *judge, *HALVING), tmp_path / "s" / "ledger.jsonl"
    before: list[dict] = []
    moments = (
        lambda: count(tmp_path, "trial_started") >= 1,  # before the first decision
        lambda: count(tmp_path, "decision") >= 2,  # between rungs
        lambda: count(tmp_path, "trial_ended") == 4,  # while the last report is built
    )
    for number, moment in enumerate(moments):
        process = start(tmp_path, *asked)
        wait_until(moment, process)
        process.kill()
        process.communicate()
        assert process.returncode == KILLED
        events = read_ledger(ledger)
        assert events[: len(before)] == before
        before = events
        if number == 1:
            damaged = next(e["trial_id"] for e in events if e["event"] == "checkpoint")
            path = newest_checkpoint(tmp_path, damaged)
            path.write_bytes(path.read_bytes()[:1000])
            lines = ledger.read_bytes().splitlines(keepends=True)
            ledger.write_bytes(b"".join([*lines[:2], b"\x00 no event \xff\n", *lines[2:], lines[-1][:20]]))
    done = finish(tmp_path, *asked)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all 4 trials have ended" in done.stdout
    assert "line 3 is left out: not an event" in done.stderr
    events = read_ledger(ledger)
    assert events == before
    assert damaged in {e["trial_id"] for e in events if e["event"] == "trial_ended"}

    # Each rung was filled one by one, as if nothing had happened, and nobody was judged twice.
    sizes = defaultdict(list)
    for e in events:
        if e["event"] == "decision":
            sizes[e["rung"]].append((e["size"], e["trial_id"]))
    assert set(sizes) == {5, 10, 20}
    for judged in sizes.values():
        assert [size for size, _ in judged] == list(range(1, len(judged) + 1))
        assert len({trial for _, trial in judged}) == len(judged)

    study, reference = read_study(tmp_path / "s"), read_study(straight / "s").scores.set_index(["trial_id", "step"])
    planned = sorted(study.info["planned"])
    assert sorted(study.trials["trial_id"]) == planned
    # Who was refused has stopped, but for those that run on for the audit.
    refused = {e["trial_id"]: not e["audited"] for e in events if e["event"] == "decision" and not e["keep"]}
    assert dict(zip(study.trials["trial_id"], study.trials["status"], strict=True)) == {
        trial: "stopped" if refused.get(trial) else "finished" for trial in planned
    }
    assert not study.scores.duplicated(["trial_id", "step"]).any()
    for trial, rows in study.scores.groupby("trial_id"):
        steps = [5, 10, 20, 30, 40]
        assert sorted(rows["step"]) == steps[: len(rows)]  # continuous
        for row in rows.to_dict("records"):
            if row["step"] != 5:  # where the reference reported, too
                expected = reference.loc[(trial, row["step"])]
                assert [row[m] for m in ("reconstruction", "kl", "mig")] == expected[
                    ["reconstruction", "kl", "mig"]
                ].tolist()
        assert checkpoint.load(newest_checkpoint(tmp_path, trial)).step == rows["step"].max()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own with little room, and a way to enlarge it."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(place)],
                              capture_output=True, text=True)  # fmt: skip

    mounted = mount("size=12m")
    if mounted.returncode:
        assert not os.environ.get("CI"), f"CI must be able to mount: {mounted.stderr}"
        pytest.skip(f"can't mount a file system here: {mounted.stderr.strip()}")
    yield place, lambda: mount("remount", "size=100m").check_returncode()
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_and_one_that_goes_away_end_it_clearly_and_the_same_command_goes_on(straight, small_disk):
    storage, enlarge = small_disk
    full = finish(storage, *FIFO)
    assert full.returncode == 1
    assert "Traceback" not in full.stdout + full.stderr
    (line,) = full.stderr.splitlines()
    assert line.startswith(f"error: {storage / 's'} can't be used any more (No space left on device)")
    kept = read_ledger(storage / "s" / "ledger.jsonl")
    assert {e["event"] for e in kept} <= {"trial_started", "report", "checkpoint"}  # Nobody failed.
    for e in kept:
        if e["event"] == "checkpoint" and (path := storage / "s" / e["path"]).exists():
            assert checkpoint.load(path).step == e["step"]

    enlarge()
    process = start(storage, *FIFO)
    before = count(storage, "checkpoint")
    wait_until(lambda: count(storage, "checkpoint") > before + 1, process)
    (storage / "s").rename(storage / "elsewhere")
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 1, output
    assert "Traceback" not in output
    assert "can't be used any more (No such file or directory" in output.splitlines()[-1]
    assert not (storage / "s").exists()  # Nothing was begun anew where it had been.

    (storage / "elsewhere").rename(storage / "s")
    done = finish(storage, *FIFO)
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_ledger(storage / "s" / "ledger.jsonl")[: len(kept)] == kept
    assert final_metrics(storage) == final_metrics(straight)


def test_trials_that_fail_or_diverge_are_seen_and_take_nothing_down(tmp_path):
    arguments = ("--scheduler", "fifo", "--beta", "1", "--learning-rate", "1e-3", "1e30", "--seed", "0", "1", "--steps",
                 "40", "--grace-period", "5", "--max-failures", "0", "--max-concurrent", "1")  # fmt: skip
    process = start(tmp_path, *arguments)
    wait_until(lambda: count(tmp_path, "checkpoint") >= 1, process)  # by a trial with the sane learning rate
    for victim in trial_processes(process.pid):
        os.kill(victim, signal.SIGKILL)
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 0, output
    study = read_study(tmp_path / "s")
    assert sorted(study.trials["status"]) == ["diverged", "diverged", "failed", "finished"]
    assert (study.trials["attempts"] == 1).all()
    error = study.trials.set_index("status").loc["failed", "error"].splitlines()[-1]
    assert "died" in error
    step = study.trials.set_index("status").loc["failed", "step"]
    assert f"failed after step {step}: {error}" in " ".join(output.split())
    assert html.escape(error) in (tmp_path / "s" / "report" / "dashboard.html").read_text()
