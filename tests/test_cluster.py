"""A study on a cluster of several nodes of this machine: both kinds of device at once, nodes that die and that come."""

import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

import pytest

from analysis.events import read_ledger
from analysis.trials import read_study
from study.ledger import MACHINE_LOST

pytestmark = pytest.mark.slow
TIMEOUT = 400


class Nodes:
    """A cluster with a head that runs no trials, behind a token; the test adds nodes and kills them."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(32)
        self.processes: list[subprocess.Popen] = []
        self.holder = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("ray_nodes.py"))], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self.environment(),
        )  # fmt: skip
        self.address = self._answer("address").split()[1]

    def environment(self, **more: str) -> dict[str, str]:
        known = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token, "RAY_USAGE_STATS_ENABLED": "0"}
        return {**{k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}, **known, **more}

    def do(self, line: str) -> None:
        self.holder.stdin.write(f"{line}\n")
        self.holder.stdin.flush()
        self._answer("done")

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()
        self.holder.communicate(timeout=60)

    def _answer(self, word: str) -> str:
        for line in self.holder.stdout:
            if line.startswith(word):
                return line
        raise AssertionError("the nodes are gone")


@pytest.fixture
def nodes():
    cluster = Nodes()
    yield cluster
    cluster.close()


def start(cluster, storage: Path, *arguments: str, **environment: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "study.run", "--address", cluster.address, "--name", "s"]
    settings = ["--latent-dim", "3", "--batch-size", "16", "--score-images", "200", "--scheduler", "fifo",
                "--grace-period", "5", "--report-every", "10"]  # fmt: skip
    process = subprocess.Popen(
        [*command, "--storage", str(storage), *settings, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=cluster.environment(**environment),
    )  # fmt: skip
    cluster.processes.append(process)
    return process


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
    nodes.do("add 2 1")
    nodes.do("add 1 0")
    process = start(nodes, tmp_path, "--beta", "1", "4", "8", "--seed", "0", "1", "--steps", "60",
                    "--gpus-per-trial", "0.5", "--max-failures", "0",
                    "--cost-per-hour", "cpu=0.04", "gpu=1.2")  # fmt: skip
    events = wait_for(process, tmp_path, lambda events: len({
        e["trial_id"] for e in of(events, "checkpoint")} & {
        e["trial_id"] for e in of(events, "trial_started") if e["lane"] == "gpu"}) == 2)  # fmt: skip
    # The GPU filled first: the first two of the plan are on it, and the third took the core that was left.
    planned = json.loads((tmp_path / "s" / "study.json").read_text())["planned"]
    lanes = {e["trial_id"]: e["lane"] for e in of(events, "trial_started")}
    assert [lanes.get(trial) for trial in planned[:3]] == ["gpu", "gpu", "cpu"]
    nodes.do("kill 0")
    events = wait_for(process, tmp_path, lambda events: len(of(events, "failure")) >= 2)
    died = {e["trial_id"] for e in of(events, "failure")}
    assert all(any(said in e["error"] for said in MACHINE_LOST) for e in of(events, "failure"))
    before = len(events)
    nodes.do("add 1 0")
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
