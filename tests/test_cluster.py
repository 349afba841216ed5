"""A study on a cluster of several nodes of this machine: both kinds of device at once, nodes that die and that come."""

import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from analysis.trials import read_ledger, read_study

pytestmark = pytest.mark.slow
TIMEOUT = 400


@pytest.fixture
def nodes(monkeypatch):
    """A cluster with a head that runs no trials, behind a token; nodes are added and removed by the test."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    yield cluster
    cluster.shutdown()
    for number, handler in before.items():
        signal.signal(number, handler)


def start(cluster, storage: Path, *arguments: str, **environment: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "study.run", "--address", cluster.address, "--name", "s"]
    settings = ["--latent-dim", "3", "--batch-size", "16", "--score-images", "200", "--scheduler", "fifo",
                "--grace-period", "5", "--report-every", "10"]  # fmt: skip
    return subprocess.Popen(
        [*command, "--storage", str(storage), *settings, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **environment},
    )  # fmt: skip


def wait_for(process: subprocess.Popen, storage: Path, enough) -> list[dict]:
    """The events of the ledger as soon as there are enough."""
    ledger, deadline = storage / "s" / "ledger.jsonl", time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        events = read_ledger(ledger) if ledger.exists() else []
        if enough(events):
            return events
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.2)
    raise AssertionError("not in time")


def of(events: list[dict], kind: str) -> list[dict]:
    return [e for e in events if e["event"] == kind]


def running(events: list[dict]) -> list[dict[str, int]]:
    """How many trials run on each lane after each event."""
    lanes: dict[str, str] = {}
    history = []
    for e in events:
        if e["event"] == "trial_started":
            lanes[e["trial_id"]] = e["lane"]
        elif e["event"] in ("trial_ended", "failure"):
            lanes.pop(e["trial_id"], None)
        history.append({lane: sum(other == lane for other in lanes.values()) for lane in ("gpu", "cpu")})
    return history


def test_both_lanes_work_at_once_and_trials_survive_the_gpu_node(nodes, tmp_path):
    gpu = nodes.add_node(num_cpus=2, num_gpus=1)
    nodes.add_node(num_cpus=1)
    process = start(nodes, tmp_path, "--beta", "1", "4", "8", "--seed", "0", "1", "--steps", "60",
                    "--gpus-per-trial", "0.5", "--cost-per-hour", "cpu=0.04", "gpu=1.2")  # fmt: skip
    events = wait_for(process, tmp_path, lambda events: len({
        e["trial_id"] for e in of(events, "checkpoint")} & {
        e["trial_id"] for e in of(events, "trial_started") if e["lane"] == "gpu"}) == 2)  # fmt: skip
    # The GPU filled first, and the third trial took the core that was left.
    assert [e["lane"] for e in of(events, "trial_started")[:3]] == ["gpu", "gpu", "cpu"]
    nodes.remove_node(gpu, allow_graceful=False)
    events = wait_for(process, tmp_path, lambda events: len(of(events, "failure")) >= 2)
    died = {e["trial_id"] for e in of(events, "failure")}
    assert "its node has died" in of(events, "failure")[0]["error"]
    before = len(events)
    nodes.add_node(num_cpus=1)
    output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, output
    assert "Traceback" not in output
    # No machine here has a GPU that torch could use: what was assigned one trained on its core, and says so.
    assert "which torch can't use there" in output
    study = read_study(tmp_path / "s")
    assert (study.trials["status"] == "finished").all()
    events = read_ledger(tmp_path / "s" / "ledger.jsonl")
    again = [e for e in of(events[before:], "trial_started") if e["trial_id"] in died]
    assert {e["trial_id"] for e in again} == died
    assert all(e["lane"] == "cpu" and e["resumed_step"] >= 10 for e in again)
    # Never more than there was: two halves of a GPU and one core; then one core; then two.
    history = running(events)
    assert max(count["gpu"] for count in history) == 2
    assert max(count["cpu"] for count in history[:before]) == 1
    assert max(count["cpu"] for count in history[before:]) == 2  # The node that came was used.
    moved = study.trials.set_index("trial_id").loc[sorted(died)]
    assert (moved["lane"] == "cpu").all()
    assert set(study.trials["device"]) == {"cpu"}
    assert (study.trials["device_seconds"] > 0).all()
    assert (study.trials["cost"] > 0).all()


def test_a_wrong_token_is_one_sentence(nodes, tmp_path):
    for token in ("0" * 64, ""):
        process = start(nodes, tmp_path, RAY_AUTH_TOKEN=token, HOME="/proc/nowhere")
        output, _ = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 2
        assert output.startswith("error: the Ray cluster at ")
        assert len(output.splitlines()) == 1
        assert not (tmp_path / "s").exists()
