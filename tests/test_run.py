"""The command line: what a user's mistake looks like. Nothing here trains."""

import os
import subprocess
import sys

import numpy as np
import pytest
from filelock import FileLock

from study.run import INTERRUPTED, main

QUICK = ["--steps", "6", "--grace-period", "2", "--report-every", "3", "--score-images", "20"]


@pytest.fixture
def refused(tmp_path, capsys, small_npz):
    """Runs the command line with arguments that must be refused; returns the one sentence."""

    def run(*arguments, storage=None):
        storage = storage or tmp_path / "runs"
        code = main(["--storage", str(storage), "--data", str(small_npz), *QUICK, *arguments])
        captured = capsys.readouterr()
        assert code == 2
        assert captured.err.startswith("error: ")
        assert len(captured.err.splitlines()) == 1
        assert "Traceback" not in captured.err
        assert not (tmp_path / "runs").exists()
        return captured.err

    return run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--beta", "0"], "beta is 0.0; it must be a finite number above 0"),
        (["--beta", "-2"], "beta is -2.0"),
        (["--beta", "nan"], "beta is nan"),
        (["--latent-dim", "0"], "latent_dim is 0; it must be a whole number from 1 to 256"),
        (["--latent-dim", "10000"], "latent_dim is 10000"),
        (["--preset", "huge"], "preset is 'huge'; it must be one of quick, laptop, paper"),
        (["--architecture", "resnet"], "one of conv256, burgess, locatello, mlp"),
        (["--objective", "gan"], "one of beta, capacity"),
        (["--scheduler", "asha2"], "one of pareto-asha, asha, fifo, random"),
        (["--scheduler", "asha", "--metric", "loss"], "metric is 'loss', which contains β"),
        (["--audit", "2"], "audit is 2.0; it must be a share from 0 to 1"),
        (["--grace-period", "7"], "grace_period is 7, above steps (6)"),
        (["--reduction-factor", "1"], "reduction_factor is 1.0"),
        (["--split", "half"], "one of holdout, none"),
        (["--cpus-per-trial", "0"], "cpus_per_trial is 0"),
        (["--gpus-per-trial", "1.5"], "gpus_per_trial is 1.5"),
        (["--gpus-per-trial", "0"], "gpus_per_trial is 0.0"),
        (["--lanes", "tpu"], "lanes is 'tpu'; it must be one of cpu, gpu, both"),
        (["--cost-per-hour", "cpu"], "cost_per_hour has 'cpu'"),
        (["--max-concurrent", "0"], "max_concurrent is 0"),
        (["--max-failures", "-1"], "max_failures is -1"),
        (["--name", "a/b"], "name is 'a/b'"),
        (["--name", ".."], "name is '..'"),
    ],
)
def test_a_bad_value_is_one_sentence_and_nothing_is_written(refused, arguments, message):
    assert message in refused(*arguments)


@pytest.mark.parametrize("kind", ["missing", "truncated", "keys", "shape", "pickle", "folder"])
def test_bad_data_is_one_sentence_and_nothing_is_written(refused, tmp_path, small_npz, kind):
    path = tmp_path / "data.npz"
    factors, names = np.zeros((20, 1), int), ["a"]
    if kind == "truncated":
        path.write_bytes(small_npz.read_bytes()[:5000])
    elif kind == "keys":
        np.savez(path, pictures=np.zeros((20, 64, 64), np.uint8))
    elif kind == "shape":
        np.savez(path, images=np.zeros((20, 28, 28), np.uint8), factors=factors, factor_names=names)
    elif kind == "pickle":
        np.savez(path, images=np.array([{}] * 20, object), factors=factors, factor_names=names)
    elif kind == "folder":
        path.mkdir()
    assert str(path) in refused("--data", str(path))


def test_a_factor_that_does_not_vary_is_refused(refused, tmp_path):
    generator = np.random.default_rng(0)
    factors = np.stack([generator.integers(0, 3, 300), np.zeros(300, int)], axis=1)
    images = generator.integers(0, 2, (300, 64, 64), np.uint8)
    np.savez(tmp_path / "data.npz", images=images, factors=factors, factor_names=["size", "colour"])
    assert "factor 'colour' of data has one value among the 20 validation" in refused(
        "--data", str(tmp_path / "data.npz")
    )


def test_storage_that_is_a_file_is_refused(refused, tmp_path):
    (tmp_path / "file").write_text("")
    assert "is no folder" in refused(storage=tmp_path / "file" / "below")


def test_storage_without_write_access_is_refused(refused, tmp_path, monkeypatch):
    # Root, as which CI runs, may write everywhere: the answer is put into the system's mouth.
    monkeypatch.setattr("study.directory.os.access", lambda path, mode: False)
    assert f"{tmp_path} is not writable" in refused(storage=tmp_path / "closed" / "below")


@pytest.mark.skipif(
    not os.path.isdir("/proc/self"), reason="needs a file system that refuses folders to everyone, like /proc"
)
def test_storage_where_no_folder_can_be_made_is_refused(refused):
    assert "/proc" in refused(storage="/proc/self/runs")


def test_a_folder_that_holds_something_else_is_refused(tmp_path, capsys, small_npz):
    (tmp_path / "quick").mkdir()
    (tmp_path / "quick" / "thesis.tex").write_text("")
    assert main(["--storage", str(tmp_path), "--data", str(small_npz), *QUICK]) == 2
    assert "thesis.tex" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "quick").iterdir()] == ["thesis.tex"]


def test_a_dry_run_prints_the_plan_and_writes_nothing(tmp_path, capsys, small_npz):
    code = main(["--storage", str(tmp_path / "runs"), "--data", str(small_npz), *QUICK, "--dry-run"])
    printed = " ".join(capsys.readouterr().out.split())
    assert code == 0
    assert "18 trials of up to 6 steps on 600 images of small" in printed
    assert "beta: 0.1, 8, 16" in printed
    assert "rungs at steps 2" in printed
    assert "ms a step" in printed
    assert "of 18 run to their end" in printed
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_says_where_bf16_is_slow(tmp_path, capsys, small_npz, monkeypatch):
    (tmp_path / "cpuinfo").write_text("flags : avx2\n")
    monkeypatch.setattr("study.speed.CPUINFO", tmp_path / "cpuinfo")
    assert main(["--data", str(small_npz), *QUICK, "--precision", "float32", "bf16", "--dry-run"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "36 trials" in printed
    assert "precision: bf16, float32" in printed
    assert "this CPU has no AMX" in printed


def test_a_study_interrupted_before_its_first_trial_says_so(tmp_path, capsys, small_npz, monkeypatch):
    monkeypatch.setattr("study.session._train", lambda *_: None)
    assert main(["--storage", str(tmp_path), "--data", str(small_npz), *QUICK]) == INTERRUPTED
    printed = " ".join(capsys.readouterr().out.split())
    assert "No trial has begun yet. Interrupted: 18 of 18 trials have not ended. The same command goes on" in printed


def run_process(*arguments):
    command = [sys.executable, "-m", "study.run", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_more_gpus_than_there_are_is_refused_and_nothing_is_written(tmp_path, small_npz):
    # A process of its own: it starts Ray to ask what there is.
    done = run_process("--storage", str(tmp_path / "runs"), "--data", str(small_npz), *QUICK, "--gpus-per-trial", "64")
    assert done.returncode == 2
    assert "gpus_per_trial is 64, but no machine has that" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs" / "quick").exists()


def test_two_drivers_at_once_and_another_study_under_the_same_name_are_refused(tmp_path, small_npz, capsys):
    from bvae import data
    from study import session
    from study.directory import begin, describe
    from study.run import parse
    from study.space import plan, trial_id

    arguments = ["--storage", str(tmp_path), "--data", str(small_npz), *QUICK]
    settings = parse(arguments).settings
    trials = [trial_id(trial) for trial in plan(settings)]
    (tmp_path / "quick").mkdir()
    description = describe("quick", settings, data.load(small_npz), str(small_npz), trials, [2], session.OBJECTIVES)
    begin(tmp_path / "quick", description)
    before = (tmp_path / "quick" / "study.json").read_text()
    assert main([*arguments, "--beta", "2"]) == 2
    error = capsys.readouterr().err
    assert "holds a different study: beta ([0.1, 8.0, 16.0] there, [2.0] asked)" in error
    with FileLock(tmp_path / "quick" / ".lock"):
        assert main(arguments) == 2
    assert "another process is running" in capsys.readouterr().err
    assert (tmp_path / "quick" / "study.json").read_text() == before


def test_on_a_cluster_nodes_that_are_not_there_yet_are_waited_for(monkeypatch, capsys):
    from rich.console import Console

    from bvae.config import ConfigError
    from study import session
    from study.lanes import lanes_of
    from study.run import parse

    monkeypatch.setattr(session, "machines", lambda: [{"CPU": 0.0}])
    lanes = lanes_of(1, 0.25, {})
    options = parse(["--address", "auto", "--gpus-per-trial", "0.25"])
    assert session._chosen(options, lanes, Console(width=200)) == list(lanes)
    assert "No node has room yet for trials on the gpu lane, of 1 CPU and 0.25 GPU each." in capsys.readouterr().out
    with pytest.raises(ConfigError, match="no machine has that"):
        session._chosen(parse([]), lanes, Console())
