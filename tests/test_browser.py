"""The dashboard in a real browser, opened from disk: nothing is fetched, nothing fails, what is clicked answers.

Screenshots at desktop and phone width, light and dark, are kept in artifacts/ for people to look at.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from constructed import ODD, grid, write_study

from analysis.dashboard import write_dashboard
from analysis.latents import Latent
from analysis.portraits import Portrait
from analysis.ranking import rank
from analysis.sheets import read_sheets, sheet_path, write_sheet
from analysis.traversals import VALUES
from analysis.trials import read_study

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium")
ARGUMENTS = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
ARTIFACTS = Path(__file__).parents[1] / "artifacts"
NAME = "made <script>document.title='stolen'</script>"


@pytest.fixture(scope="module")
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
def browser() -> Iterator[Any]:
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS.split())
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def opened(browser: Any, dashboard: Path) -> Any:
    return watched(browser, dashboard)


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


@pytest.fixture
def page(opened: Any) -> Iterator[Any]:
    """The page with nothing filtered and nothing open; the test fails if the page complained meanwhile."""
    page, complaints = opened
    page.evaluate(
        """() => { document.getElementById("trial").close();
        for (const name of ["beta", "latent_dim", "status"]) filter[name].clear(); brush(null); }"""
    )
    yield page
    assert complaints == []


def chip(page: Any, group: str, text: str) -> Any:
    return page.locator("#filters div", has=page.locator(".of", has_text=group)).get_by_role(
        "button", name=text, exact=True
    )


def rows(page: Any) -> int:
    return int(page.locator("#trial-table tbody tr").count())


def visible_curves(page: Any) -> int:
    traces = "document.querySelector('#learning-curves .plot').data"
    return int(page.evaluate(f"{traces}.filter((t) => t.meta?.trial && t.visible !== false).length"))


def test_a_name_is_only_a_name(page: Any) -> None:
    assert page.title() == f"{NAME} · β-VAE study"
    assert page.locator("h1").inner_text() == NAME


def test_every_figure_is_drawn(page: Any) -> None:
    sections = page.locator("section:has(.panels)")
    for i in range(sections.count()):
        assert sections.nth(i).locator(".plot .main-svg").count() > 0, sections.nth(i).get_attribute("id")


def test_the_menu_changes_the_axis(page: Any) -> None:
    title = page.locator("#trade-off .ytitle")
    assert title.text_content().startswith("MIG")
    page.select_option("#trade-off-menu", index=1)
    page.wait_for_function("!document.querySelector('#trade-off .ytitle').textContent.startsWith('MIG')")
    page.select_option("#trade-off-menu", index=0)


def test_chips_filter_figures_and_tables(page: Any) -> None:
    assert (rows(page), visible_curves(page)) == (24, 24)
    chip(page, "β", "4").click()
    assert (rows(page), visible_curves(page)) == (6, 6)
    assert page.locator("#ranking tr.dim").count() == 6
    chip(page, "latents", "10").click()
    assert rows(page) == 3
    page.get_by_role("button", name="Show all", exact=True).click()
    assert (rows(page), page.locator("#ranking tr.dim").count()) == (24, 0)


def test_brushing_the_trade_off_filters_everything(page: Any) -> None:
    page.evaluate(
        """() => { const plot = document.querySelector("#trade-off .plot");
        const trace = plot.data.find((t) => t.name === "seeds");
        const points = [0, 1, 2].map((i) => ({ data: trace, customdata: trace.customdata[i] }));
        plot.emit("plotly_selected", { points }); }"""
    )
    assert (rows(page), visible_curves(page)) == (3, 3)
    assert "3 of 24 trials" in page.locator("#filters").inner_text()


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


def test_maps_are_of_the_trials_that_are_picked(page: Any) -> None:
    """Reconstruction: the mean of each β and latent size, over those of the brushed trials that finished."""
    whole = tiles(page, "maps")
    picked = lasso(page, [1, 2, 5, 23])
    assert picked[-1]["rank"] is None
    expected = [[None] * 4, [None] * 4]
    for i, latents in enumerate((4, 10)):
        for j, beta in enumerate((1, 2, 4, 8)):
            of = [t for t in picked if t["rank"] and (t["latent_dim"], t["beta"]) == (latents, beta)]
            if of:
                expected[i][j] = pytest.approx(np.mean([t["scores"]["reconstruction"] for t in of]))
    assert tiles(page, "maps") == expected
    assert expected != whole
    page.get_by_role("button", name="Show all", exact=True).click()
    assert tiles(page, "maps") == whole


def test_kl_per_latent_has_the_rows_of_the_trials_that_are_picked(page: Any) -> None:
    shown = "document.querySelector('#latents .plot').data[0].customdata.map((row) => row[0])"
    whole = page.evaluate(shown)
    picked = lasso(page, [1, 4, 23])
    assert page.evaluate(shown) == [t["id"] for t in picked if t["rank"]]
    assert len(tiles(page, "latents")) == 2
    lasso(page, [23])  # Stopped: no row is left, and the figure says so.
    assert "Nothing to show of what is picked" in page.locator("#latents .plot").text_content()
    page.get_by_role("button", name="Show all", exact=True).click()
    assert page.evaluate(shown) == whole


def test_agreement_is_spearman_s_over_the_trials_that_are_picked(page: Any) -> None:
    whole = tiles(page, "agreement")
    chip(page, "latents", "4").click()
    picked = page.evaluate("picked.filter((trial) => trial.rank)")
    assert len(picked) > 4
    reconstruction, mig = (pd.Series([t["scores"][m] for t in picked]).rank() for m in ("reconstruction", "mig"))
    assert tiles(page, "agreement")[0][0] == pytest.approx(-np.corrcoef(reconstruction, mig)[0, 1])
    lasso(page, [0, 1])
    assert "Nothing to show of what is picked" in page.locator("#agreement .plot").first.text_content()
    page.get_by_role("button", name="Show all", exact=True).click()
    assert tiles(page, "agreement") == whole
    # What the page computes of all is what Python computed of all.
    for panel in (0, 1):
        found = page.evaluate(
            f"followAgreement(document.querySelectorAll('#agreement .plot')[{panel}].data[0].meta.agreement).z"
        )
        same = [
            [a == pytest.approx(b) if b is not None else a is None for a, b in zip(*rows, strict=True)]
            for rows in zip(found, tiles(page, "agreement", panel), strict=True)
        ]
        assert all(all(row) for row in same)


def test_survival_is_that_of_the_trials_that_are_picked(page: Any) -> None:
    lines = "document.querySelector('#audit .plot').data.map((t) => t.visible === false ? null : t.y.at(-1))"
    chip(page, "ended", "stopped").click()
    assert set(page.evaluate(lines)) <= {0, None}  # None of a β that had nobody stopped.
    page.get_by_role("button", name="Show all", exact=True).click()
    chip(page, "β", "4").click()
    assert [y is None for y in page.evaluate(lines)] == [True, True, False, True]


def test_a_cell_is_lit_only_with_all_its_finished_trials(page: Any) -> None:
    cell = page.evaluate("study.trials[0].cell")
    seeds = page.evaluate("(cell) => study.trials.flatMap((t, i) => t.cell === cell && t.rank ? [i] : [])", cell)
    assert len(seeds) > 1
    row = page.locator(f"#ranking tr[data-cell='{cell}']")
    lasso(page, seeds)
    assert "dim" not in row.get_attribute("class")
    bars = "document.querySelector('#trade-off .plot').data.find((t) => t.meta?.cells).error_y.array"
    assert page.evaluate(f"{bars}.filter((size) => size !== null).length") == 1
    lasso(page, seeds[:1])
    assert page.evaluate(f"{bars}.filter((size) => size !== null).length") == 0
    assert "dim" in row.get_attribute("class")


def test_what_can_t_follow_says_so_while_something_is_picked(page: Any) -> None:
    sentence = page.locator("#moved .beyond")
    assert not sentence.is_visible()
    lasso(page, [0])
    assert sentence.inner_text() == "The shares and their intervals are of all trials that finished."
    assert page.locator("#ranking .beyond").is_visible()


def test_the_first_trial_fades_like_any_other(page: Any) -> None:
    lasso(page, [3])
    assert rows(page) == 1


def test_a_click_on_a_map_picks_the_trials_of_its_tile(page: Any) -> None:
    page.evaluate(
        """() => { const plot = document.querySelector("#maps .plot");
        plot.emit("plotly_click", { points: [{ data: plot.data[0], pointNumber: [1, 2] }] }); }"""
    )
    assert page.evaluate("picked.map((t) => [t.latent_dim, t.beta])") == [[10, 4]] * 3


def test_a_brush_from_elsewhere_leaves_only_its_lines_on_the_axes(page: Any) -> None:
    lines = "document.querySelector('#parallel .plot').data[0].dimensions[0].values.length"
    lasso(page, [0, 3])
    assert page.evaluate(lines) == 2


def test_traversals_are_of_the_trials_that_are_picked(page: Any) -> None:
    lasso(page, [1])
    assert page.locator("#traversals figure").count() == 1
    lasso(page, [23])
    assert "No trial that is picked has traversals" in page.locator("#traversals").inner_text()


def test_brushing_an_axis_filters_everything_and_can_be_undone(page: Any) -> None:
    """Keep the lines with MIG above the 18th of 24 values, as a drag on that axis would."""
    restyle = """(ranges) => { const node = document.querySelector("#parallel .plot");
        const at = node.data[0].dimensions.findIndex((d) => d.label === "MIG");
        const bound = study.trials.map((t) => t.scores.mig).sort((a, b) => a - b)[17];
        Plotly.restyle(node, { [`dimensions[${at}].constraintrange`]: ranges ? [[bound + 1e-9, 1]] : [null] }); }"""
    page.evaluate(restyle, True)
    page.wait_for_function("document.querySelectorAll('#trial-table tbody tr').length === 6")
    assert visible_curves(page) == 6
    page.evaluate(restyle, False)
    page.wait_for_function("document.querySelectorAll('#trial-table tbody tr').length === 24")


def test_a_click_on_a_point_opens_that_trial(page: Any) -> None:
    place, trial_id = page.evaluate(
        """() => { const plot = document.querySelector("#trade-off .plot");
        const at = plot.data.findIndex((t) => t.name === "seeds"); const trace = plot.data[at];
        plot.scrollIntoView({ behavior: "instant", block: "center" });
        const points = plot.querySelectorAll(".scatterlayer .trace")[at].querySelectorAll(".point");
        const now = points[0].getBoundingClientRect();
        return [[now.x + now.width / 2, now.y + now.height / 2], trace.customdata[0]]; }"""
    )
    page.mouse.move(*place)
    page.mouse.click(*place)
    page.wait_for_selector("dialog[open]")
    assert page.locator("dialog h2").inner_text().strip() == trial_id
    assert page.url.endswith(f"#trial={trial_id}")


def test_a_stopped_trial_says_why(page: Any) -> None:
    row = page.locator("#trial-table tbody tr", has=page.locator(".status.stopped")).first
    row.click()
    text = page.locator("dialog").inner_text()
    assert "4 of 5 at this rung are on better fronts" in text
    assert "stopped at step" in text
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="hidden")


def test_a_trial_s_details_show_its_own_mutual_information(page: Any) -> None:
    made = {trial.trial_id: trial for trial in grid()}
    seen = []
    for row in (0, 7, 23):
        trial = made[page.evaluate("(row) => { openTrial(study.trials[row].id); return study.trials[row].id; }", row)]
        living, dead = page.evaluate("document.querySelector('#trial-information .plot').data.map((t) => t.z)")
        matrix = trial.report(trial.last or 0)["mutual_information"]
        assert living[:3] == matrix[:3], "the strongest latents are the first"
        assert dead[3:] == matrix[3:]
        assert {value for row in (*living[3:], *dead[:3]) for value in row} == {None}
        seen.append(living)
    assert seen[0] != seen[1] != seen[2]
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="hidden")


def test_the_audit_lists_who_was_not_to_go_on(page: Any) -> None:
    table = page.locator("#stopped tbody tr")
    stopped = page.evaluate("study.trials.filter((trial) => trial.status === 'stopped').length")
    assert table.count() == stopped > 2
    text = table.first.inner_text()
    assert "4 of 5 at this rung are on better fronts" in text
    assert text.endswith("stopped")
    assert table.first.locator(".link").last.inner_text() == "t0"  # Who beat it.
    lasso(page, [0, 23])
    assert table.count() == 1


def test_the_weight_picks_a_cell(page: Any) -> None:
    for weight in ("0", "1"):
        page.locator("#weight").fill(weight)
        chosen = page.locator("#ranking tr.chosen")
        best = page.evaluate(
            """(first) => { const rows = [...document.querySelectorAll("#ranking tr.front")];
            const front = rows.map((row) => Number(row.dataset.cell));
            const worth = (cell) => { const of = study.trials.filter((t) => t.cell === cell && t.rank);
              return of.reduce((sum, t) => sum + (first ? -t.scores.reconstruction : t.scores.mig), 0) / of.length; };
            return front.sort((a, b) => worth(b) - worth(a))[0]; }""",
            weight == "1",
        )
        assert chosen.get_attribute("data-cell") == str(best)
        assert page.locator("#take").inner_text().startswith(f"{float(weight):.2f}: take ")


def test_mutual_information_is_that_of_the_best_trials_picked(page: Any) -> None:
    made = {trial.trial_id: trial for trial in grid()}
    whole = [tiles(page, "information", panel) for panel in (0, 1, 2)]
    headings = page.locator("#information h3").all_inner_texts()
    picked = lasso(page, [5, 9])
    for panel, trial in enumerate(picked):
        matrix = made[trial["id"]].report(made[trial["id"]].last or 0)["mutual_information"]
        assert tiles(page, "information", panel)[:3] == matrix[:3]
        assert page.locator("#information h3").nth(panel).inner_text() == f"{trial['label']}, seed {trial['seed']}"
    assert "Nothing to show of what is picked" in page.locator("#information .plot").nth(2).text_content()
    page.get_by_role("button", name="Show all", exact=True).click()
    assert [tiles(page, "information", panel) for panel in (0, 1, 2)] == whole
    assert page.locator("#information h3").all_inner_texts() == headings


def test_traversals_move_stop_and_follow_the_slider(page: Any) -> None:
    frame = page.locator("#traversals .tile .frame").first
    frame.scroll_into_view_if_needed()
    position = "(node) => node.style.backgroundPosition"
    before = frame.evaluate(position)
    page.wait_for_function(f"(was) => ({position})(document.querySelector('#traversals .frame')) !== was", arg=before)
    page.locator("#traversals").get_by_role("button", name="Pause").first.click()
    slider = page.locator("#traversals input").first
    slider.fill("12")
    assert frame.evaluate(position).startswith("100% 0%")
    slider.fill("0")
    page.wait_for_timeout(300)
    assert frame.evaluate(position).startswith("0% 0%")
    assert page.locator("#traversals .tile.dead").count() == 2  # One of each trial.


def test_one_slider_moves_the_whole_atlas_and_a_tile_opens_its_trial(page: Any) -> None:
    atlas = page.locator("#atlas")
    atlas.scroll_into_view_if_needed()
    atlas.locator("input").fill("12")
    frames = atlas.locator(".place .frame:not(.none)")
    positions = [frames.nth(i).evaluate("(node) => node.style.backgroundPosition") for i in range(frames.count())]
    assert positions == ["100% 0%"] * 2
    tile = atlas.locator(".place:has(.frame:not(.none))").first
    tile.click()
    page.wait_for_selector("dialog[open]")
    assert page.locator("dialog h2").inner_text().strip() == tile.get_attribute("data-trial")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="hidden")


def test_the_table_sorts(page: Any) -> None:
    page.locator("#trial-table").get_by_role("button", name="MIG").click()
    page.locator("#trial-table").get_by_role("button", name="MIG").click()
    values = page.evaluate("study.trials.map((t) => t.scores.mig)")
    first = page.locator("#trial-table tbody tr").first.locator("button.link").inner_text()
    assert first == page.evaluate("(best) => study.trials.find((t) => t.scores.mig === best).id", max(values))


def test_the_theme_reaches_the_figures(page: Any) -> None:
    color = "getComputedStyle(document.querySelector('#trade-off .xtitle')).fill"
    light = page.evaluate(color)
    page.locator("#theme").click()
    page.wait_for_function(f"(was) => {color} !== was", arg=light)


@pytest.mark.parametrize("name", ODD)
def test_odd_studies_open_filter_and_show_every_trial(browser: Any, name: str, tmp_path: Path) -> None:
    study = read_study(write_study(tmp_path / "study", ODD[name]))
    page, complaints = watched(browser, write_dashboard(study, rank(study), tmp_path / "dashboard.html"))
    page.evaluate(
        """async () => { for (const trial of study.trials) { openTrial(trial.id); brush([trial.id]); }
        document.getElementById("trial").close(); brush([]); brush(null);
        await new Promise((done) => setTimeout(done, 100)); }"""
    )
    assert rows(page) == len(ODD[name])
    assert complaints == []
    page.close()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_desktop_and_phone(browser: Any, dashboard: Path, width: int, scheme: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page.goto(dashboard.as_uri())
    page.wait_for_selector("html[data-drawn]")
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"dashboard-{width}-{scheme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
