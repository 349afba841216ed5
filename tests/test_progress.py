"""What a ledger says about a study that goes on: who has ended, from which checkpoint, under which decisions."""

import math
from types import SimpleNamespace

import numpy as np
from constructed import decided, reported, started

from analysis.events import append, event, read_ledger
from analysis.storage import Folder
from bvae import checkpoint
from bvae.config import TrialConfig
from bvae.training import train
from study.pareto_asha import ParetoASHA
from study.progress import newest_whole, read_progress, restore_decisions


def test_a_crash_between_the_last_report_and_its_end_is_closed(tmp_path):
    append(tmp_path / "ledger.jsonl", [started("a"), reported("a", 10), started("b"), reported("b", 3), decided("b", 3,
    False),
                                       started("c"), reported("c", 3, None, diverged=True), started("d"), reported("d",
                                       3)])  # fmt: skip
    progress = read_progress(tmp_path, 10)
    assert progress.ended == {"a": "finished", "b": "stopped", "c": "diverged"}
    assert read_progress(tmp_path, 10).ended == progress.ended
    assert sum(e["event"] == "trial_ended" for e in read_ledger(tmp_path / "ledger.jsonl")) == 3


def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_says_so(tmp_path, small_store):
    config = TrialConfig(architecture="burgess", steps=3, batch_size=4)
    append(tmp_path / "ledger.jsonl", [started("a")])
    for report in train(config, small_store, [1, 2, 3]):
        path = tmp_path / f"{report.step}.safetensors"
        checkpoint.save(path, report.checkpoint())
        append(
            tmp_path / "ledger.jsonl",
            [reported("a", report.step), event("checkpoint", "a", step=report.step, path=path.name)],
        )
    folder, kept, notices = Folder(tmp_path), read_progress(tmp_path, 10).checkpoints["a"], []
    assert kept == {2: "2.safetensors", 3: "3.safetensors"}
    assert newest_whole(folder, {"a": kept}, notices.append) == {"a": (3, "3.safetensors")}
    assert notices == []
    (tmp_path / "3.safetensors").write_bytes((tmp_path / "3.safetensors").read_bytes()[:1000])
    assert newest_whole(folder, {"a": kept}, notices.append) == {"a": (2, "2.safetensors")}
    assert len(notices) == 1
    assert "3.safetensors" in notices[0]
    (tmp_path / "2.safetensors").unlink()
    assert newest_whole(folder, {"a": kept}, notices.append) == {}


def test_rungs_come_back_from_the_ledger(tmp_path):
    """Into a scheduler with strata, cells and an audit, which need the config of each trial."""
    scheduler, restored = (
        ParetoASHA(max_t=90, grace_period=10, strata=("seed",), cells=("beta",), soft_until=20, audit=0.5)
        for _ in range(2)
    )
    generator, events = np.random.default_rng(0), []
    for i in range(40):
        name, config = f"t{i}", {"beta": float(i % 3), "seed": i % 2}
        values = {"reconstruction": generator.normal(), "mig": math.nan if i % 9 == 8 else generator.normal()}
        scheduler.on_trial_result(None, SimpleNamespace(trial_id=name, config=config), {"step": 10, **values})
        fields = scheduler.decisions[name, 10]._asdict()
        events += [started(name) | {"config": config}, reported(name, 10, **values)]
        events.append(event("decision", name, step=10, rung=10, **fields))
    append(tmp_path / "ledger.jsonl", events)
    restore_decisions(restored, read_ledger(tmp_path / "ledger.jsonl"))
    assert restored.decisions == scheduler.decisions
    assert {d.audited for d in restored.decisions.values() if not d.keep} == {True, False}
    newcomer = SimpleNamespace(trial_id="new", config={"beta": 1.0, "seed": 0})
    for one in (scheduler, restored):
        one.on_trial_result(None, newcomer, {"step": 10, "reconstruction": 0.0, "mig": 0.0})
    assert restored.decisions == scheduler.decisions


def test_of_a_pack_the_rungs_remember_the_mean_and_its_name(tmp_path):
    scheduler, restored = (ParetoASHA(max_t=90, grace_period=10, reduction_factor=2) for _ in range(2))
    events = []
    for name, other, mig in (("a", "b", 0.3), ("c", "d", 0.1)):
        mean = {"reconstruction": 50.0, "mig": mig}
        scheduler.on_trial_result(None, SimpleNamespace(trial_id=name, config={}), {"step": 10, **mean})
        fields = scheduler.decisions[name, 10]._asdict()
        for member, apart in ((name, 0.05), (other, -0.05)):
            events += [started(member) | {"pack": name}, reported(member, 10, mig=mig + apart)]
        for member in (name, other):
            events.append(event("decision", member, step=10, rung=10, judged=mean, **fields))
    append(tmp_path / "ledger.jsonl", events)
    restore_decisions(restored, read_ledger(tmp_path / "ledger.jsonl"))
    assert restored.decisions == scheduler.decisions
    assert restored.filed == scheduler.filed
    assert read_progress(tmp_path, 90).packs == {"a": "a", "b": "a", "c": "c", "d": "c"}


def test_an_audited_trial_is_not_taken_for_stopped(tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    append(ledger, [started("a"), reported("a", 3), decided("a", 3, keep=False) | {"audited": True}])
    append(ledger, [started("b"), reported("b", 3), decided("b", 3, keep=False)])
    assert read_progress(tmp_path, 10).ended == {"b": "stopped"}
