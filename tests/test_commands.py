"""Every command and every Python block in the README and the documentation.

What is quick is run as it stands, in a folder that holds what the pages speak of. A study's command is read by its own
parser and planned, not trained: whole studies are in test_end_to_end.py. Examples are run by test_examples.py. A
command that no rule here knows fails.
"""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest
from constructed import grid, write_study
from ray.scripts.scripts import cli

from analysis import __main__ as analysis_main
from analysis import traversals
from analysis.report import build_report
from bvae import checkpoint, export
from bvae.config import TrialConfig, UserError
from bvae.training import train
from study import run as study_run
from study.checks import check
from study.space import plan

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *ROOT.glob("CONTRIBUTING.md"), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(language: str) -> list[tuple[Path, str]]:
    pattern = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [(page, block) for page in PAGES for block in pattern.findall(page.read_text(encoding="utf-8"))]


def commands() -> list[str]:
    """All command lines, each once, without comments."""
    lines = [line for _, block in blocks("sh") for line in block.replace("\\\n", " ").splitlines()]
    return list(dict.fromkeys(shlex.join(words) for line in lines if (words := shlex.split(line, comments=True))))


@pytest.fixture(scope="module")
def desk(tmp_path_factory, small_npz, small_store):
    """A folder that holds what the pages speak of."""
    folder = tmp_path_factory.mktemp("desk")
    build_report(write_study(folder / "runs" / "quick", grid()), traversals=False)
    write_study(folder / "runs" / "more", grid(betas=(16,)), name="more")
    shutil.copy(small_npz, folder / "my_images.npz")
    [report] = train(TrialConfig(architecture="burgess", latent_dim=3, steps=1, batch_size=8), small_store, [1])
    checkpoint.save(folder / "checkpoint.safetensors", report.checkpoint())
    return folder


def plan_study(arguments: list[str]) -> None:
    options = study_run.parse(arguments)
    study_run.check_options(options)
    check(options.settings)
    assert plan(options.settings)


def make(arguments: list[str]) -> None:
    subprocess.run(["make", "--dry-run", *arguments], cwd=ROOT, check=True, capture_output=True)


def install(arguments: list[str]) -> None:
    extras = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("[project.optional-dependencies]")[1]
    asked = re.fullmatch(r"install -e \.(?:\[([\w,]+)\])?", " ".join(arguments))
    assert asked, "only this project, editable, with its extras"
    assert set(asked[1].split(",") if asked[1] else ()) <= set(re.findall(r"^(\w+) = \[", extras, re.MULTILINE))


def parse_ray(arguments: list[str]) -> dict:
    """What Ray's own command line makes of it; the study that a job runs is planned."""
    command, name, context = cli, "ray", None
    while isinstance(command, click.Group):
        context = command.make_context(name, arguments, parent=context)
        name, command, arguments = command.resolve_command(context, [*context._protected_args, *context.args])
    parameters = command.make_context(name, arguments, parent=context).params
    if file := parameters.get("cluster_config_file"):
        assert (ROOT / file).is_file()
    if entrypoint := parameters.get("entrypoint"):
        assert entrypoint[:3] == ("python", "-m", "study.run")
        plan_study(list(entrypoint[3:]))
    if inner := parameters.get("cmd"):
        assert inner.startswith("ray ")
        parse_ray(shlex.split(inner)[1:])
    return parameters


def run_example(path: str) -> None:
    assert (ROOT / path).is_file()
    assert f'example("{Path(path).name}"' in (ROOT / "tests" / "test_examples.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", commands())
def test_a_command_does_what_it_says(command, desk, monkeypatch):
    monkeypatch.chdir(desk)
    monkeypatch.setattr(export, "export", lambda vae, folder, formats: [])  # test_export.py runs it.
    words = [word for word in shlex.split(command) if not re.fullmatch(r"[A-Z_]+=\S*", word)]
    match words:
        case ["export"]:
            assert set(re.findall(r"(\w+)=", command)) <= {"RAY_AUTH_MODE", "RAY_API_SERVER_ADDRESS"}
        case ["make", *arguments]:
            make(arguments)
        case ["pip", *arguments]:
            install(arguments)
        case ["python", "-m", module, *_, "--help"]:
            main = {"study.run": study_run.main, "analysis.traversals": traversals.main, "bvae.export": export.main}
            with pytest.raises(SystemExit, match="0"):
                main[module](["--help"])
        case ["python", "-m", "study.run", *arguments]:
            plan_study(arguments)
        case ["python", "-m", "analysis", *arguments]:
            assert analysis_main.main(arguments) == 0
        case ["python", "-m", "analysis.traversals", *arguments]:
            assert traversals.main(arguments) == 0
        case ["python", "-m", "bvae.export", *arguments]:
            assert export.main(arguments) == 0
        case ["ray", *arguments]:
            parse_ray(arguments)
        case ["python", path, *_] if path.startswith("examples/"):
            run_example(path)
        case _:
            pytest.fail(f"no rule in this file knows how to try {command!r}")


@pytest.mark.parametrize("page", dict.fromkeys(page for page, _ in blocks("python")), ids=lambda page: page.name)
def test_the_python_of_a_page_runs_from_top_to_bottom(page, desk, monkeypatch):
    monkeypatch.chdir(desk)
    code = "\n".join(block for found, block in blocks("python") if found == page)
    exec(compile(code, str(page), "exec"), {"__name__": page.stem})


@pytest.mark.parametrize("wrong", [["--bta", "4"], ["--beta", "high"], ["--preset", "huge"], ["--num-samples", "0"]])
def test_a_study_command_that_is_wrong_would_be_seen(wrong):
    with pytest.raises((SystemExit, UserError)):
        plan_study(wrong)


@pytest.mark.parametrize(
    "wrong", ["up", "upp cluster.yaml", "job submit --no-wit -- python -m study.run", "down cluster.yaml --soon"]
)
def test_a_ray_command_that_is_wrong_would_be_seen(wrong):
    with pytest.raises(click.UsageError):
        parse_ray(wrong.split())


@pytest.mark.parametrize("wrong", ["--bta 4", "--storage"])
def test_a_job_whose_study_is_wrong_would_be_seen(wrong):
    with pytest.raises(SystemExit):
        parse_ray(["job", "submit", "--", "python", "-m", "study.run", *wrong.split()])


def test_there_is_something_to_try():
    assert len(commands()) > 20
    assert {"make study", "make test"} <= set(commands())
