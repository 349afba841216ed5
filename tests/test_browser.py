"""The dashboard in a real browser, opened from disk: nothing is fetched, nothing fails, what is clicked answers.

Screenshots at desktop and phone width, light and dark, are kept in artifacts/ for people to look at.
"""

from pathlib import Path
from typing import Any

import pytest
from browsing import NAME, lasso, rows, watched
from constructed import ODD, grid, write_study

from analysis.dashboard import write_dashboard
from analysis.ranking import rank
from analysis.trials import read_study

ARTIFACTS = Path(__file__).parents[1] / "artifacts"


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
