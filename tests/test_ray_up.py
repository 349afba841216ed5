"""A cluster's life, for real: `ray up` over ssh to hosts of this machine, submit, stop, go on, a host dies, down."""

import json
import os
import secrets
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from hosts import Hosts, missing

from analysis.events import read_ledger
from analysis.trials import read_study
from study.ledger import MACHINE_LOST

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
RAY = str(Path(sys.executable).with_name("ray"))
SECONDS = 300


@pytest.fixture(scope="module", autouse=True)
def hosts_can_be_made():
    if reason := missing():
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


class Desk:
    """Where somebody sits who has cluster.yaml and the commands of the README."""

    def __init__(self, folder: Path, hosts: Hosts) -> None:
        home = folder / "home"
        (home / ".ray").mkdir(parents=True)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
            "HOME": str(home), "RAY_AUTH_MODE": "token", "RAY_TMPDIR": str(folder), "RAY_USAGE_STATS_ENABLED": "0",
            # On hosts that are given by address, the new autoscaler takes the head for a worker and starts one too few.
            "RAY_UP_enable_autoscaler_v2": "0",
        }  # fmt: skip
        self.cluster = folder / "cluster.yaml"
        self.cluster.write_text(yaml.safe_dump(on(hosts)))
        self.ray("get-auth-token", "--generate")
        self.tunnel: subprocess.Popen | None = None

    def ray(self, *arguments: str, expect: int = 0) -> str:
        command = [RAY, *arguments]
        done = subprocess.run(command, env=self._environment, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == expect, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def dashboard(self) -> None:
        """`ray dashboard`: forwards the head's port, from now on."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._environment["RAY_API_SERVER_ADDRESS"] = f"http://127.0.0.1:{port}"
        self.tunnel = subprocess.Popen(
            [RAY, "dashboard", str(self.cluster), "--port", str(port), "--remote-port", "8265"],
            env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        with socket.socket() as end:
            wait_for(lambda: not end.connect_ex(("127.0.0.1", port)), lambda: "the port is not forwarded")

    def status(self, job: str) -> str:
        return self.ray("job", "status", job)


def on(hosts: Hosts) -> dict:
    """cluster.yaml, with these hosts for AWS; nothing is installed on them, they see this machine's files."""
    config = yaml.safe_load((ROOT / "cluster.yaml").read_text(encoding="utf-8"))
    head, *workers = hosts.addresses
    del config["available_node_types"], config["head_node_type"]
    setup = f"export PATH={Path(sys.executable).parent}:$PATH PYTHONPATH=$HOME/beta-vae-study RAY_AUTH_MODE=token"
    return config | {
        "cluster_name": f"t{secrets.token_hex(3)}",
        "provider": {"type": "local", "head_ip": head, "worker_ips": workers},
        "min_workers": len(workers),
        "max_workers": len(workers),
        "auth": {"ssh_user": "root", "ssh_private_key": str(hosts.key)},
        "setup_commands": [f"echo {shlex.quote(setup)} RAY_worker_niceness=5 OMP_NUM_THREADS=1 >> ~/.bashrc"],
    }


def runs_ray(hosts: Hosts, address: str) -> bool:
    return "raylet" in hosts.run(address, "ps -e").stdout


def wait_for(enough, say):
    deadline = time.monotonic() + SECONDS
    while not enough():
        assert time.monotonic() < deadline, say()
        time.sleep(0.5)


def test_a_clusters_life(tmp_path, small_npz):
    hosts = Hosts(tmp_path / "hosts", 3)
    storage = tmp_path / "storage"
    for folder in (tmp_path / "hosts", storage):
        folder.mkdir()
    study = ["python", "-m", "study.run", "--address", "auto", "--storage", str(storage), "--name", "s",
             "--data", str(small_npz), "--beta", "1", "8", "--seed", "0", "--latent-dim", "3", "--scheduler", "fifo",
             "--steps", "100", "--grace-period", "5", "--report-every", "10", "--batch-size", "16",
             "--score-images", "60", "--max-concurrent", "2", "--max-failures", "0"]  # fmt: skip

    def events() -> list[dict]:
        ledger = storage / "s" / "ledger.jsonl"
        return read_ledger(ledger) if ledger.exists() else []

    def of(kind: str) -> list[dict]:
        return [event for event in events() if event["event"] == kind]

    with hosts:
        desk = Desk(tmp_path, hosts)
        try:
            desk.ray("up", "--yes", "--no-config-cache", str(desk.cluster))
            wait_for(lambda: all(runs_ray(hosts, there) for there in hosts.addresses), lambda: "a worker is missing")
            desk.dashboard()
            desk.ray("job", "submit", "--submission-id", "first", "--no-wait", "--", *study)
            wait_for(lambda: of("checkpoint"), lambda: desk.ray("job", "logs", "first"))
            desk.ray("job", "stop", "first")
            assert "was stopped" in desk.status("first")
            log = desk.ray("job", "logs", "first")
            left = 2 - len(of("trial_ended"))
            assert f"{left} of 2 trials have not ended. The same command goes on from here." in log, log
            assert (storage / "s" / "report" / "dashboard.html").exists()

            before = len(events())
            desk.ray("job", "submit", "--submission-id", "second", "--no-wait", "--", *study)
            wait_for(
                lambda: any(event["event"] == "checkpoint" for event in events()[before:]),
                lambda: desk.ray("job", "logs", "second"),
            )
            dead = of("trial_started")[-1]["node"]
            assert dead in hosts.addresses[1:]  # The head runs none.
            hosts.kill(dead)
            log = desk.ray("job", "logs", "--follow", "second")
            assert "succeeded" in desk.status("second"), log
            desk.ray("down", "--yes", str(desk.cluster))
            assert not runs_ray(hosts, hosts.addresses[0])
        finally:
            if desk.tunnel:
                desk.tunnel.terminate()
                desk.tunnel.wait()
    wait_for(lambda: not hosts.traces(), lambda: "\n".join(hosts.traces()))  # ssh holds a connection for ten seconds.
    trials = read_study(storage / "s").trials
    assert (trials["status"] == "finished").all()
    failures = of("failure")
    assert failures
    assert all(any(said in failure["error"] for said in MACHINE_LOST) for failure in failures)
    newest: dict[str, int] = {}
    for event in events():
        if event["event"] == "checkpoint":
            newest[event["trial_id"]] = event["step"]
        if event["event"] == "trial_started":
            assert event["resumed_step"] == newest.get(event["trial_id"], 0)
    assert any(started["resumed_step"] for started in of("trial_started"))
    assert json.loads((storage / "s" / "study.json").read_text())["name"] == "s"
