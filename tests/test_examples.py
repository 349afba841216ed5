"""Each example runs as a person starts it, with a tiny budget."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from constructed import grid, write_study

from analysis.metrics import METRICS
from bvae import load_model

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def example(tmp_path, small_npz, monkeypatch):
    """Run an example in a folder of its own; what it printed."""

    def run(name: str, *arguments: str, **environment: str) -> str:
        command = [sys.executable, str(EXAMPLES / name), *arguments]
        root = f"{EXAMPLES.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        env = {**os.environ, "PYTHONPATH": root, **environment}
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_every_example_is_tested_here():
    tested = Path(__file__).read_text(encoding="utf-8")
    assert all(f'example("{path.name}"' in tested for path in EXAMPLES.glob("*.py"))


def test_train_and_score(example, small_npz, tmp_path):
    printed = example("train_and_score.py", "--data", str(small_npz), "--steps", "8", "--out", "model.safetensors")
    assert [line.split()[1] for line in printed.splitlines() if line.startswith("step")] == ["2", "4", "6", "8"]
    assert load_model(tmp_path / "model.safetensors").config.steps == 8


def test_score_codes(example, tmp_path):
    draw = np.random.default_rng(0)
    factors = draw.integers(0, 3, (300, 2))
    np.savez(tmp_path / "codes.npz", codes=factors + draw.normal(0, 0.01, (300, 2)), factors=factors)
    titles = {line[:36].strip(): line[36:].split() for line in example("score_codes.py", "codes.npz").splitlines()[1:]}
    needs_logvar = {metric.title for metric in METRICS.values() if "logvar" in metric.inputs}
    assert titles.keys() == {metric.title for metric in METRICS.values()} - needs_logvar
    assert float(titles["MIG"][0]) > 0.9 > 0.1 > float(titles["MIG"][1])


def test_trade_off(example, tmp_path):
    write_study(tmp_path / "study", grid())
    printed = example("trade_off.py", RUN="study")
    assert "best trial: t" in printed
    assert "plotly" in (tmp_path / "trade_off.html").read_text(encoding="utf-8")
    assert (tmp_path / "mig_curves.html").is_file()
