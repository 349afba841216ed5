"""What the callback writes when trials die, diverge, or lose their storage."""

import io
import os
from dataclasses import replace
from types import SimpleNamespace

import pytest
from rich.console import Console

from analysis.events import read_ledger
from analysis.storage import Folder, StorageFailedError
from analysis.working_copy import WorkingCopy
from bvae import checkpoint
from bvae.config import TrialConfig
from bvae.training import train
from study.lanes import Lane
from study.ledger import LedgerCallback
from study.live import View
from study.packs import members_of
from study.run import Options
from study.sender import Sender
from study.trainable import keep_checkpoint

CONFIG = TrialConfig(architecture="burgess", latent_dim=3, steps=3, batch_size=4)
KILLED = "The actor died unexpectedly before finishing this task.\nWorker exit type: SYSTEM_ERROR"
OUT_OF_MEMORY = "Task was killed due to the node running low on memory.\nMemory on the node was 15.2GB / 16.0GB (0.95)"


class Lanes:
    """Takes what is to be run again."""

    def __init__(self):
        self.waiting = []

    def again(self, assignment):
        self.waiting.append(assignment)

    def lane(self, name):
        return Lane(name)


@pytest.fixture
def study(tmp_path):
    """A callback at work in a folder, the trial it is told of, and what it does."""
    console = Console(file=io.StringIO(), width=400)
    view = View("s", {"a": CONFIG}, [], 3, {"reconstruction": "min", "mig": "max"}, console)
    copy, lanes = WorkingCopy(Folder(tmp_path), tmp_path), Lanes()
    callback = LedgerCallback(copy, Sender(copy, None, view.note), None, view, lanes, Options().max_failures)
    assignment = {"trial_id": "a", "trial": CONFIG.__dict__, "resume": None}
    trial = SimpleNamespace(
        config={"lane": "cpu", "assignment": assignment}, error_file=str(tmp_path / "error.txt"), num_failures=1,
        get_ray_actor_ip=lambda: "here", status="RUNNING",
    )  # fmt: skip

    def die(error):
        (tmp_path / "error.txt").write_text(f"Failure # 1 (occurred at some time)\n{error}\n")
        callback.on_trial_error(0, [], trial)

    def report(step, values=(50.0, 0.1), **more):
        metrics = {"step": step, "reconstruction": values[0], "mig": values[1], "node_ip": "here", **more}
        callback.on_trial_result(0, [], trial, metrics)

    def events(kind):
        return [e for e in read_ledger(tmp_path / "ledger.jsonl") if e["event"] == kind]

    return SimpleNamespace(
        folder=copy.folder, callback=callback, trial=trial, lanes=lanes, console=console, die=die, report=report,
        events=events, start=lambda: callback.on_trial_start(0, [], trial),
    )  # fmt: skip


@pytest.fixture
def trained(study, small_store):
    """The same after three reports with their checkpoints."""
    study.start()
    for report in train(CONFIG, small_store, [1, 2, 3]):
        study.report(report.step, checkpoint=keep_checkpoint(study.folder, "a", report.checkpoint()))
    return study


@pytest.mark.parametrize("error", [KILLED, OUT_OF_MEMORY, "ValueError: bad"])
def test_a_trial_that_dies_has_three_more_goes_from_its_newest_checkpoint(trained, error):
    for attempt in (1, 2, 3):
        trained.die(error)
        assert trained.lanes.waiting[-1]["resume"] == "checkpoints/a/00000003.safetensors"
        trained.start()
        assert trained.events("trial_started")[-1]["resumed_step"] == 3
        assert len(trained.lanes.waiting) == attempt
        assert trained.events("trial_ended") == []
    trained.die(error)
    assert len(trained.lanes.waiting) == 3
    assert [(e["attempt"], e["error"]) for e in trained.events("failure")] == [(i, error) for i in (1, 2, 3, 4)]
    assert [e["status"] for e in trained.events("trial_ended")] == ["failed"]
    assert error.splitlines()[-1] in trained.console.file.getvalue()


def test_two_checkpoints_are_kept_and_of_a_truncated_one_it_goes_back_to_the_one_before_and_says_so(trained):
    assert trained.folder.names("checkpoints") == [f"checkpoints/a/{step:08d}.safetensors" for step in (2, 3)]
    newest = trained.folder.location + "/checkpoints/a/00000003.safetensors"
    os.truncate(newest, 1000)
    trained.die(KILLED)
    assert trained.lanes.waiting[0]["resume"] == "checkpoints/a/00000002.safetensors"
    assert f"{newest} is no whole checkpoint" in trained.console.file.getvalue()
    assert checkpoint.load(f"{trained.folder.location}/checkpoints/a/00000002.safetensors").step == 2


def test_a_trial_that_diverged_is_over(study):
    study.start()
    study.report(1, (float("nan"), float("nan")), diverged=True)
    study.callback.on_trial_complete(0, [], study.trial)
    assert study.lanes.waiting == []
    assert [e["status"] for e in study.events("trial_ended")] == ["diverged"]


def test_of_storage_that_failed_for_a_trial_the_trial_is_not_blamed(study):
    study.start()
    study.callback.on_step_end(0, [])
    study.die("Traceback ...\nanalysis.storage.StorageFailedError: runs/s can't be used any more (No space left)")
    study.report(1)  # of another trial, on its way when the first one said so
    study.callback.on_trial_complete(0, [], study.trial)
    assert [e["event"] for e in read_ledger(study.callback._copy.directory / "ledger.jsonl")] == ["trial_started"]
    assert study.lanes.waiting == []
    with pytest.raises(StorageFailedError, match=r"^runs/s can't be used any more \(No space left\)$"):
        study.callback.on_step_end(0, [])


def test_a_ledger_that_cannot_be_written_ends_the_run_between_two_events(study, monkeypatch):
    study.start()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("analysis.trials.os.write", full)
    study.report(1)
    monkeypatch.undo()
    study.report(2)
    assert study.events("report") == []  # Nor what came after it: a ledger has no holes.
    with pytest.raises(StorageFailedError, match="No space left on device"):
        study.callback.on_step_end(0, [])


@pytest.fixture
def pack(study):
    """The same for a pack of three."""
    config = CONFIG.__dict__
    study.trial.config["assignment"] = {
        "trial_id": "a", "trial": config, "resume": None, "pack": "a",
        "others": [{"trial_id": name, "trial": config | {"seed": k}, "resume": None} for k, name in enumerate("bc", 1)],
    }  # fmt: skip
    study.start()
    return study


def of_pack(step, *migs, checkpoints=()):
    reports = [{"step": step, "reconstruction": 50.0, "mig": mig} for mig in migs]
    for report, path in zip(reports, checkpoints, strict=False):
        report["checkpoint"] = path
    for report in reports:
        if report["mig"] != report["mig"]:
            report["diverged"] = True
    return {"step": step, "reconstruction": 50.0, "mig": 0.2, "node_ip": "here", "device": "cpu", "reports": reports}


def test_each_trial_of_a_pack_stands_for_itself(pack):
    starts = pack.events("trial_started")
    assert [e["trial_id"] for e in starts] == ["a", "b", "c"]
    assert [e["config"]["seed"] for e in starts] == [0, 1, 2]
    assert {e["pack"] for e in starts} == {"a"}
    assert [e["resources"] for e in starts] == [{"CPU": pytest.approx(1 / 3)}] * 3
    pack.callback.on_trial_result(0, [], pack.trial, of_pack(1, 0.1, 0.2, 0.3))
    assert [(e["trial_id"], e["step"], e["metrics"]["mig"]) for e in pack.events("report")] == [
        ("a", 1, 0.1), ("b", 1, 0.2), ("c", 1, 0.3),
    ]  # fmt: skip
    pack.callback.on_trial_result(0, [], pack.trial, of_pack(3, 0.1, float("nan"), 0.3))
    pack.callback.on_trial_complete(0, [], pack.trial)
    assert [(e["trial_id"], e["status"]) for e in pack.events("trial_ended")] == [
        ("a", "finished"), ("b", "diverged"), ("c", "finished"),
    ]  # fmt: skip


def test_a_pack_that_dies_goes_on_from_the_newest_step_of_which_all_have_whole_checkpoints(pack, small_store):
    for step in (1, 2, 3):
        reports = [next(train(replace(CONFIG, seed=seed), small_store, [step])) for seed in (0, 1, 2)]
        names = [keep_checkpoint(pack.folder, name, r.checkpoint()) for name, r in zip("abc", reports, strict=True)]
        migs = (0.1, float("nan") if step > 1 else 0.1, 0.3)
        pack.callback.on_trial_result(0, [], pack.trial, of_pack(step, *migs, checkpoints=names))
    os.truncate(f"{pack.folder.location}/checkpoints/c/00000003.safetensors", 1000)
    pack.die(KILLED)
    [again] = pack.lanes.waiting
    assert [m["trial_id"] for m in members_of(again)] == ["a", "c"]
    assert [m["resume"] for m in members_of(again)] == [f"checkpoints/{n}/00000002.safetensors" for n in "ac"]
    assert again["pack"] == "a"
    assert [(e["trial_id"], e["status"]) for e in pack.events("trial_ended")] == [("b", "diverged")]
    assert [e["trial_id"] for e in pack.events("failure")] == ["a", "c"]
    assert [e["step"] for e in pack.events("report") if e["trial_id"] == "b"] == [1, 2]
