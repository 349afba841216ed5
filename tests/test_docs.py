"""The documentation says what the code does: it is built strictly, and its tables name what there is."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from analysis import __main__ as analysis_main
from analysis import traversals
from analysis.events import ENDED, FIELDS
from analysis.figures import FIGURES
from analysis.metrics import METRICS
from bvae import export
from bvae.checkpoint import FORMAT
from study import run as study_run
from study.space import PRESETS, plan

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def first_column(text: str) -> set[str]:
    """What the first cells of all tables name in code."""
    cells = re.findall(r"^\| *([^|]*)\|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it: mkdocs.yml is strict, so that a dead link fails."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert built.returncode == 0, built.stderr
    return folder


def test_the_site_asks_no_other_host_for_anything(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 10
    for path in pages:
        loads = re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", path.read_text(encoding="utf-8"))
        assert not [tag for tag in loads if "//" in tag], path.name


def test_every_page_is_in_the_menu_and_the_api_has_its_docstrings(site):
    home = (site / "index.html").read_text(encoding="utf-8")
    for path in DOCS.rglob("*.md"):
        assert f'href="{path.relative_to(DOCS).with_suffix(".html")}"' in home, path.name
    assert "How far the code that knows a factor best" in (site / "api" / "metrics.html").read_text(encoding="utf-8")


def test_the_metrics_page_has_every_metric():
    named = first_column(page("metrics"))
    assert named == set(METRICS)
    directed = sum(metric.mode is not None for metric in METRICS.values())
    assert list(METRICS)[:directed] == [name for name, metric in METRICS.items() if metric.mode]
    assert (directed, len(METRICS) - directed) == (16, 3), "“The first sixteen ... the last three”"


def test_the_files_page_has_every_event_with_its_fields_and_every_ending():
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", page("files"), re.MULTILINE))
    for event, names in FIELDS.items():
        assert set(names) <= set(re.findall(r"`(\w+)`", rows[event])), event
    assert set(ENDED) <= set(re.findall(r"`(\w+)`", rows["trial_ended"]))
    assert FORMAT in page("files")


def test_the_files_page_has_every_key_of_study_json(small_store):
    from study.directory import describe

    described = describe("s", PRESETS["quick"], small_store, None, [], [], {})
    assert set(described) <= first_column(page("files"))


def test_the_dashboard_page_has_every_figure():
    rows = re.findall(r"^\| ([^|]+?) +\|", page("dashboard"), re.MULTILINE)
    assert set(rows) - {"Figure", "---"} == {figure.title for figure in FIGURES}


def test_the_scheduler_page_names_tests_that_exist():
    named = re.findall(r"`(test_\w+)`", page("scheduler"))
    there = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("test_*.py"))
    assert len(named) > 10
    assert [name for name in named if f"def {name}(" not in there] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_what_a_page_outside_the_site_links_to_is_there(name):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / name).read_text(encoding="utf-8"))
    here = [link for link in links if "://" not in link]
    assert [link for link in here if not (ROOT / link).exists()] == []


def test_the_guide_has_every_preset_with_its_size():
    for name, settings in PRESETS.items():
        [row] = re.findall(rf"^\| `{name}` \|.*$", page("guide"), re.MULTILINE)
        trials, steps, batch = len(plan(settings)), settings.steps, settings.batch_size[0]
        assert re.search(rf"= {trials} \| {steps:,} × {batch} images", row), row


@pytest.fixture
def options(capsys) -> set[str]:
    """Every option of every command, from its own --help."""
    for command in (study_run.main, analysis_main.main, traversals.main, export.main):
        with pytest.raises(SystemExit, match="0"):
            command(["--help"])
    return set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))


@pytest.mark.parametrize("path", [ROOT / "README.md", *DOCS.glob("*.md")], ids=lambda path: path.name)
def test_every_option_named_in_a_page_exists(path, options):
    assert "--latent-dim" in options
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    # Blocks are tried by test_commands.py; what begins with ray is Ray's.
    assert set(re.findall(r"`(?!ray )[^`]*?(--[a-z][a-z-]+)[^`]*`", text)) <= options
