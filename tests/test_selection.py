"""What is picked, by chips, brushes, lassos and clicks: every figure, table and picture follows, in a real browser."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from browsing import chip, lasso, rows, tiles, visible_curves
from constructed import grid


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
