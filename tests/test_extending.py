"""docs/extending.md, applied: every recipe to one copy of the project, then the tests that hold a new part to its
rules, and a study that uses all of them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r'^```(python|diff) title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
NEW = "worst_mig or threshold or narrow or speed or registries or usable or one_way"
RULES = ("architecture", "config", "objective", "model", "metrics", "metrics_oracles", "figures")


def apply(kind: str, path: Path, text: str) -> None:
    """A whole new file, or a hunk whose old lines must stand in the file once."""
    if kind == "python":
        assert not path.exists()
        path.write_text(text, encoding="utf-8")
        return
    lines = text.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] in " -")
    new = "".join(line[1:] for line in lines if line[0] in " +")
    before = path.read_text(encoding="utf-8")
    assert before.count(old) == 1, f"{path.name} holds {before.count(old)} times:\n{old}"
    path.write_text(before.replace(old, new), encoding="utf-8")


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("extended")
    for name in ("bvae", "analysis", "study", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    recipes = BLOCK.findall((ROOT / "docs" / "extending.md").read_text(encoding="utf-8"))
    assert len(recipes) >= 14
    for kind, path, text in recipes:
        apply(kind, copy / path, text)
    return copy


def run(folder: Path, *arguments: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def test_every_recipe_fits_the_project_as_it_is(extended):
    assert (extended / "analysis" / "metrics" / "worst_mig.py").is_file()


@pytest.mark.slow
def test_a_new_part_is_held_to_its_rules(extended):
    run(extended, "ruff", "check", "bvae", "analysis", "study")
    run(extended, "pytest", "-q", "-x", "-k", NEW, *(f"tests/test_{name}.py" for name in RULES))


@pytest.mark.slow
def test_a_new_part_is_used_by_a_study(extended, small_npz, tmp_path):
    axes = ("--objective", "beta", "threshold", "--architecture", "narrow", "--adam-epsilon", "1e-8", "1e-4")
    size = ("--beta", "4", "--latent-dim", "3", "--seed", "0", "--steps", "8", "--grace-period", "4")
    cheap = ("--batch-size", "8", "--score-images", "60", "--data", str(small_npz), "--storage", str(tmp_path))
    run(extended, "study.run", "--name", "new", *axes, *size, *cheap)
    scores = pd.read_parquet(tmp_path / "new" / "scores.parquet")
    assert set(scores["objective"]) == {"beta", "threshold"}
    assert set(scores["architecture"]) == {"narrow"}
    assert set(scores["adam_epsilon"]) == {1e-8, 1e-4}
    assert scores["worst_mig"].between(0, 1).all()
    assert '<section id="speed">' in (tmp_path / "new" / "report" / "dashboard.html").read_text(encoding="utf-8")
