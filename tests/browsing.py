"""The dashboard of a made study, opened from disk in a real browser, and what a test does and reads there."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from constructed import grid, write_study

from analysis.dashboard import write_dashboard
from analysis.latents import Latent
from analysis.portraits import Portrait
from analysis.ranking import rank
from analysis.sheets import read_sheets, sheet_path, write_sheet
from analysis.traversals import VALUES
from analysis.trials import read_study

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
NAME = "made <script>document.title='stolen'</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse("no Chromium on this machine: apt-get install chromium")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS.split())
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of 24 trials; its best two have sheets of frames whose brightness is the column's number."""
    trials = grid()
    for trial in trials:
        trial.metrics["without_duplicate_gaussian_total_correlation"] = 0.5  # The longest name that a menu has to hold.
    directory = write_study(tmp_path_factory.mktemp("browser") / "study", trials, NAME)
    study = read_study(directory)
    ranking = rank(study)
    latents = [Latent(1, 2.5, "scale"), Latent(0, 0.001)]
    frames = np.broadcast_to(np.arange(13, dtype=np.uint8)[:, None, None, None] * 20, (1, 2, 13, 1, 64, 64))
    images, values = frames[0, 0, :2], np.tile(VALUES, (2, 1))
    drawn = Portrait(latents, values, frames, images, images, np.zeros((2, 2), np.float32), lambda codes: codes)
    for best in ranking.trials["trial_id"].iloc[:2]:
        write_sheet(sheet_path(directory, best), drawn, {"trial_id": best, "range": "prior"})
    return write_dashboard(study, ranking, directory / "dashboard.html", read_sheets(directory, ranking))


@pytest.fixture(scope="module")
def opened(browser: Any, dashboard: Path) -> Any:
    return watched(browser, dashboard)


@pytest.fixture
def page(opened: Any) -> Iterator[Any]:
    """The page with nothing filtered and nothing open; the test fails if the page complained meanwhile."""
    page, complaints = opened
    page.evaluate(
        """() => { document.getElementById("trial").close();
        for (const name of ["beta", "latent_dim", "status"]) filter[name].clear(); brush(null); }"""
    )
    yield page
    assert not complaints, complaints


def watched(browser: Any, dashboard: Path) -> tuple[Any, list[str]]:
    """The page, drawn, with the list of all that it logged as a problem or asked from anywhere."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    complaints: list[str] = []
    page.on(
        "console",
        lambda m: m.type in ("error", "warning") and not m.text.startswith("[.WebGL") and complaints.append(m.text),
    )
    page.on("pageerror", lambda e: complaints.append(str(e)))
    page.on("request", lambda r: r.url.startswith(("file:", "data:", "blob:")) or complaints.append(r.url))
    page.goto(dashboard.as_uri())
    page.wait_for_selector("html[data-drawn]")
    return page, complaints


def chip(page: Any, group: str, text: str) -> Any:
    return page.locator("#filters div", has=page.locator(".of", has_text=group)).get_by_role(
        "button", name=text, exact=True
    )


def rows(page: Any) -> int:
    return int(page.locator("#trial-table tbody tr").count())


def visible_curves(page: Any) -> int:
    traces = "document.querySelector('#learning-curves .plot').data"
    return int(page.evaluate(f"{traces}.filter((t) => t.meta?.trial && t.visible !== false).length"))


def tiles(page: Any, figure: str, panel: int = 0) -> Any:
    """The numbers of a figure's tiles, as they are drawn now."""
    return page.evaluate(f"document.querySelectorAll('#{figure} .plot')[{panel}].data[0].z")


def lasso(page: Any, rows: list[int]) -> list[dict[str, Any]]:
    """Lasso these trials in the trade-off; what they are."""
    picked: list[dict[str, Any]] = page.evaluate(
        """(rows) => { const plot = document.querySelector("#trade-off .plot");
        const trials = rows.map((row) => study.trials[row]);
        const points = trials.map((trial) => ({ data: { meta: { trials: 1 } }, customdata: trial.id }));
        plot.emit("plotly_selected", { points }); return trials; }""",
        rows,
    )
    return picked
