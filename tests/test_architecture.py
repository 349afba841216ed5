"""The import rule: bvae <- analysis <- study; ray only in study, plotly only in analysis, no torch in
analysis.metrics."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bvae", "analysis", "study")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
ALLOWED = {"bvae": {"bvae"}, "analysis": {"bvae", "analysis"}, "study": {"bvae", "analysis", "study"}}


def imported(path: Path) -> set[str]:
    """Full names of the modules that a file imports anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names.add(node.module)
    return names


def top(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def test_there_is_something_to_check():
    assert {path.relative_to(ROOT).parts[0] for path in FILES} == set(PACKAGES)
    assert "ray" in set().union(*(top(imported(path)) for path in FILES))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path):
    package = path.relative_to(ROOT).parts[0]
    names = imported(path)
    assert top(names) & set(PACKAGES) <= ALLOWED[package]
    if package != "study":
        assert "ray" not in top(names)
    if package != "analysis":
        assert not {"plotly", "PIL", "imageio"} & top(names)
    elif "metrics" in path.relative_to(ROOT).parts:
        assert not {"torch", "bvae", "plotly", "PIL"} & top(names)
    assert not {"pickle", "cloudpickle", "dill"} & top(names)


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("study.trainable", {"plotly", "PIL", "matplotlib"}),  # Tune itself loads pandas.
        ("bvae.training", {"ray", "plotly", "pandas", "sklearn"}),
        ("analysis.metrics", {"torch", "ray", "plotly", "sklearn", "numba"}),
        ("analysis.__main__", {"torch", "ray"}),
    ],
)
def test_importing_a_module_loads_nothing_heavy_that_it_does_not_need(module, without):
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & {without!r}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert loaded.stdout.split() == []


def test_names_that_say_nothing_are_not_used():
    assert not {path.stem for path in FILES} & {"utils", "helpers", "base", "manager", "common", "misc"}
