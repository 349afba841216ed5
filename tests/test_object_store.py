"""A whole study whose storage is an S3 server on the loopback: killed, gone on with, reported."""

import os
import signal
import subprocess
import sys
import time

import pytest

from analysis.storage import Folder
from analysis.trials import read_study
from analysis.working_copy import working_copy

pytestmark = pytest.mark.slow
TIMEOUT = 400
STUDY = ["--latent-dim", "3", "--batch-size", "16", "--score-images", "200", "--report-every", "10",
         "--scheduler", "fifo", "--beta", "1", "8", "--seed", "0", "--steps", "40", "--grace-period", "5"]  # fmt: skip


def test_a_study_on_an_object_store_is_killed_goes_on_and_is_reported(bucket, tmp_path):
    location = f"{bucket}/{tmp_path.name}"
    command = [sys.executable, "-m", "study.run", "--name", "s", "--storage", location, *STUDY]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=os.getcwd())
    folder, deadline = Folder(f"{location}/s"), time.monotonic() + TIMEOUT
    while not any(b'"checkpoint"' in folder.read(name) for name in folder.names("ledger")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=TIMEOUT)
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Going on with s" in done.stdout
    assert f"{location}/s/report/dashboard.html" in done.stdout
    with working_copy(f"{location}/s") as copy:
        copy.fetch_all()
        study = read_study(copy.directory)
    assert (study.trials["status"] == "finished").all()
    assert study.trials["attempts"].max() == 2
    names = folder.names()
    assert sum(name.endswith(".safetensors") for name in names) == 2 * len(study.trials)
    assert "report/dashboard.html" in names
    for name in folder.names("report"):
        folder.delete(name)
    built = subprocess.run([sys.executable, "-m", "analysis", f"{location}/s"], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    assert f"{location}/s/report/dashboard.html" in built.stdout
    assert {name for name in names if name.startswith("report/")} == set(folder.names("report"))
