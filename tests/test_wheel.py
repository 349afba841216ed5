"""The project as others install it: the wheel holds all of it and works without the checkout. And how it is cited."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
import yaml
from constructed import grid, write_study

ROOT = Path(__file__).parents[1]
PACKAGES = ("bvae", "analysis", "study")


def in_pyproject(key: str) -> str:
    [value] = re.findall(rf'^{key} = "([^"]+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    return value


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(built), str(source)], check=True)
    [path] = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory):
    """Run Python in a new environment in which the wheel is installed, from a folder far from the checkout.

    The dependencies are those of this environment, by a path file: torch alone would take minutes to install again.
    Path files inside that folder are not followed, so an editable install of the checkout does not come with them.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder / "venv", with_pip=False)
    interpreter = folder / "venv" / "bin" / "python"
    site = subprocess.check_output(
        [interpreter, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    )
    (Path(site.strip()) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", str(interpreter), "install", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(wheel)], check=True)

    def run(*arguments: str) -> str:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        done = subprocess.run(
            [interpreter, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_packages(wheel):
    there = {str(path.relative_to(ROOT)) for name in PACKAGES for path in (ROOT / name).rglob("*") if path.is_file()}
    there = {path for path in there if "__pycache__" not in path}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == there


@pytest.mark.slow
def test_the_commands_work_from_the_wheel_alone(python, tmp_path):
    assert "site-packages/study" in python("-c", "import study; print(study.__path__[0])")
    assert "--latent-dim" in python("-m", "study.run", "--help")
    assert "--formats" in python("-m", "bvae.export", "--help")
    directory = write_study(tmp_path / "study", grid())
    assert "dashboard.html" in python("-m", "analysis", str(directory), "--no-traversals")
    assert python("-c", "from bvae import VAE, TrialConfig; VAE(TrialConfig(latent_dim=2))") == ""


def test_the_citation_file_is_complete_and_of_this_version():
    """The keys that the Citation File Format 1.2.0 requires, and those that make a citation."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "abstract", "keywords"} <= set(cited)
    assert all("name" in author or "family-names" in author for author in cited["authors"])
    assert cited["type"] == "software"
    assert cited["license"] == in_pyproject("license")
    assert cited["version"] == in_pyproject("version")
    assert cited["title"].startswith(in_pyproject("name"))


def test_the_changelog_begins_with_this_version():
    versions = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert versions[0] == in_pyproject("version")
