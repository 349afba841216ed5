"""The page as text: what it says, that names stay names, that nothing is fetched, that it stays small."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from constructed import MadeTrial, grid, write_study, write_study_with_codes

from analysis import dashboard
from analysis.dashboard import within_budget, write_dashboard
from analysis.figures import FIGURES
from analysis.markup import facts
from analysis.page_data import page_data
from analysis.ranking import rank
from analysis.trials import Study, read_study

NASTY = "</script><script>alert(1)</script> & \u2028 $name"


def page(directory: Path, trials: list[MadeTrial], name: str = "made", **more: Any) -> str:
    study = read_study(write_study(directory / "study", trials, name))
    return write_dashboard(study, rank(study), directory / "dashboard.html", **more).read_text(encoding="utf-8")


def data_of(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="study">(.*?)</script>', html, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found.group(1))
    return data


def rows_of(html: str) -> dict[str, dict[str, Any]]:
    """The trials of a page by their ids, each with its entry of every column."""
    columns = data_of(html)["trials"]
    groups = {name: columns.pop(name) for name in ("scores", "test", "settings")}
    fixed = columns.pop("fixed")
    rows = {}
    for i, trial_id in enumerate(columns["id"]):
        rows[trial_id] = {name: values[i] for name, values in columns.items()}
        rows[trial_id] |= {g: {name: values[i] for name, values in of.items()} for g, of in groups.items()}
        rows[trial_id]["settings"] |= fixed
    return rows


def without_plotly(html: str) -> str:
    return html.replace(dashboard.get_plotlyjs(), "")


def test_names_that_a_user_chose_are_only_names(tmp_path: Path) -> None:
    trials = [
        MadeTrial(NASTY, status="failed", last=None, error=f"Traceback\n{NASTY}"),
        MadeTrial("b", settings={"architecture": NASTY}),
    ]
    html = without_plotly(page(tmp_path, trials, name=NASTY, notes=[NASTY]))
    assert "<script>alert" not in html
    assert html.count("<script") == html.count("</script>") == 3
    assert NASTY in rows_of(html)  # It arrives whole all the same.
    assert "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt; &amp;" in html


def test_the_page_may_ask_nobody_for_anything(tmp_path: Path) -> None:
    html = page(tmp_path, grid())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy
    rules = dict(rule.strip().split(" ", 1) for rule in policy.group(1).split(";"))
    assert rules["default-src"] == "'none'"
    assert not [source for source in " ".join(rules.values()).split() if "http" in source or source == "*"]
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', without_plotly(html))
    assert html.count(dashboard.get_plotlyjs()) == 1


def test_every_figure_of_the_registry_is_on_the_page_in_order(tmp_path: Path) -> None:
    study = read_study(write_study_with_codes(tmp_path / "study", grid()))
    html = write_dashboard(study, rank(study), tmp_path / "dashboard.html").read_text(encoding="utf-8")
    places = [html.index(f'<section id="{f.name}">') for f in FIGURES]
    assert places == sorted(places)
    assert list(data_of(html)["figures"]) == [f.name for f in FIGURES]


def test_the_page_knows_why_each_trial_ended(tmp_path: Path) -> None:
    trials = [
        MadeTrial("a"),
        MadeTrial("s", seed=1, status="stopped", last=300),
        MadeTrial("f", seed=2, status="failed", last=100, error="Traceback (most recent call last):\nMemoryError: out"),
    ]
    rows = rows_of(page(tmp_path, trials))
    assert rows["s"]["decisions"] == [
        [100, True, "in the top third of those that reached the rung"],
        [300, False, "4 of 5 at this rung are on better fronts", False, []],
    ]
    assert (rows["f"]["error"], rows["a"]["error"]) == ("MemoryError: out", "")
    assert rows["s"]["rank"] is None
    assert rows["a"]["rank"] == 1


def test_the_data_hold_scores_settings_and_curves(tmp_path: Path) -> None:
    html = page(tmp_path, [MadeTrial("a", mig=0.25)])
    [trial] = rows_of(html).values()
    assert trial["scores"]["mig"] == 0.25
    assert trial["test"]["mig"] == pytest.approx(0.2525)
    assert trial["settings"]["batch_size"] == 64
    steps, values = data_of(html)["curves"]["mig"]["values"]["a"]
    assert (steps[0], steps[-1], values[-1]) == (100, 2700, 0.25)


def test_marks_refer_to_their_trials_by_row(tmp_path: Path) -> None:
    data = data_of(page(tmp_path, [MadeTrial("a", mig=0.1), MadeTrial("b", beta=1.0, mig=0.4)]))
    seeds = next(t for t in data["figures"]["trade-off"]["panels"][0]["data"] if t["name"] == "seeds")
    of = [data["trials"]["id"][row] for row in seeds["customdata"]]
    assert dict(zip(of, seeds["y"], strict=True)) == {"a": 0.1, "b": 0.4}
    assert "text" not in seeds
    assert not {"color", "symbol"} & set(seeds["marker"])


def test_numbers_that_json_lacks_become_null(tmp_path: Path) -> None:
    html = page(tmp_path, [MadeTrial("a"), MadeTrial("n", seed=1, metrics={"mig": None, "test_mig": None})])
    assert rows_of(html)["n"]["scores"]["mig"] is None
    assert "NaN" not in json.dumps(data_of(html))


def test_what_is_missing_is_said_at_the_top(tmp_path: Path) -> None:
    assert '<p class="note">No traversals: no torch.</p>' in page(tmp_path, grid(), notes=["No traversals: no torch."])


def test_the_size_budget_is_kept_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard, "SHEET_BUDGET", 1000)
    sheet = {"src": "x" * 400, "trial_id": "t0", "values": [0.0], "latents": [], "pairs": 0}
    sheets = {f"t{i}": sheet for i in range(5)}
    kept, left_out = within_budget(sheets)
    assert (list(kept), left_out) == (["t0", "t1"], 3)
    html = page(tmp_path, grid(), sheets=sheets)
    assert list(data_of(html)["sheets"]) == ["t0", "t1"]
    assert "The traversals of 3 trials are left out" in html


def test_a_hundred_trials_stay_under_the_size_that_is_promised(tmp_path: Path) -> None:
    """With traversals that fill their budget, an atlas of five factors, mutual information and curves."""
    trials = [MadeTrial(f"t{i}", beta=2.0 ** (i % 8), latent_dim=10 + i // 8 % 3, seed=i // 24) for i in range(100)]
    factors = ["shape", "scale", "orientation", "x", "y", *[None] * 5]
    latents = [
        {"latent": i, "kl": 9 - i, "factor": f, "symbol": f"-z{i}", "low": -3, "high": 3} for i, f in enumerate(factors)
    ]
    sheet = {"src": "x" * (dashboard.SHEET_BUDGET // 100), "columns": 13, "pairs": 6, "latents": latents}
    html = page(tmp_path, trials, sheets={t.trial_id: {**sheet, "trial_id": t.trial_id} for t in trials})
    data = data_of(html)
    assert len(data["sheets"]) == 100
    assert len(data["atlas"]) == 5
    assert len(data["trials"]["information"]) == len(data["curves"]["mig"]["values"]) == 100
    assert len(html.encode()) < 25e6


def test_a_page_of_very_many_trials_leaves_their_details_out_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "this page keeps no curves and no mutual information"
    assert said not in page(tmp_path / "few", grid())
    monkeypatch.setattr("analysis.page_data.DETAILED_TRIALS", 20)
    html = page(tmp_path / "many", grid())
    data = data_of(html)
    assert (data["trials"]["information"], data["curves"]["mig"]["values"]) == ([], {})
    assert said in html
    assert data["figures"]["information"]["panels"], "the best cell is still shown"


def test_the_ranking_says_how_many_stopped_and_where_and_which_is_the_knee(tmp_path: Path) -> None:
    front = [MadeTrial(f"f{i}", beta=2.0**i, reconstruction=20 + 10 * i, mig=m) for i, m in enumerate((0.1, 0.35, 0.4))]
    ends = [("stopped", 100), ("stopped", 300), ("stopped", 300), ("failed", 50)]
    others = [MadeTrial(f"o{i}", seed=1 + i, status=s, last=last) for i, (s, last) in enumerate(ends)]
    html = page(tmp_path, [*front, *others])
    rows = re.findall(r'<tr data-cell="(\d)".*?</tr>', html)
    assert rows == ["1", "2", "3"]
    first, _, third = re.findall(r'<tr data-cell="\d".*?</tr>', html)
    assert '★ 1<i class="knee">knee</i>' in first
    assert html.count('class="knee"') == 1
    assert "1/5" in third
    assert "3 stopped at 100, 300 (2) · 1 failed" in third


def test_every_weight_has_its_cell(tmp_path: Path) -> None:
    front = [MadeTrial(f"f{i}", beta=2.0**i, reconstruction=20 + 10 * i, mig=m) for i, m in enumerate((0.1, 0.35, 0.4))]
    html = page(tmp_path, front)
    found = re.findall(r'data-to="([\d.]+)" data-cell="(\d)" data-take="([^"]*)"', html)
    assert [float(to) for to, _, _ in found] == sorted(float(to) for to, _, _ in found)
    assert float(found[-1][0]) == 1
    assert found[0][2] == "β = 4, 4 latents: reconstruction 40.0 nats per image, MIG 0.400"
    assert found[-1][2] == "β = 1, 4 latents: reconstruction 20.0 nats per image, MIG 0.100"


def test_a_study_that_still_runs_says_so(tmp_path: Path) -> None:
    assert "The study is unfinished" in page(tmp_path, [MadeTrial("a"), MadeTrial("u", status="unfinished", last=200)])
    assert "The study is unfinished" not in page(tmp_path / "done", [MadeTrial("a")])


def test_the_page_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = page(tmp_path, grid())
    study = read_study(tmp_path / "study")

    def broken(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", broken)
    with pytest.raises(OSError, match="disk full"):
        write_dashboard(study, rank(study), tmp_path / "dashboard.html", notes=["news"])
    assert (tmp_path / "dashboard.html").read_text(encoding="utf-8") == before


def test_page_data_needs_no_decisions(tmp_path: Path) -> None:
    study = read_study(write_study(tmp_path / "study", [MadeTrial("a", last=50, status="unfinished")]))
    assert isinstance(study, Study)
    assert page_data(study, rank(study), {f.name: {} for f in FIGURES}, {}, [])["trials"]["decisions"] == [[]]


def test_device_time_stands_by_lane_with_its_cost_and_what_stopping_saved(tmp_path: Path) -> None:
    study = read_study(write_study(tmp_path, [MadeTrial(name, seed=i) for i, name in enumerate("abc")]))
    spent = study.trials.assign(
        lane=["gpu", "cpu", "gpu"],
        device_seconds=[3600.0, 600.0, 7200.0],
        saved_device_seconds=[0.0, 0.0, 1800.0],
        audit_device_seconds=[0.0, 120.0, 0.0],
        cost=[1.2, None, 2.4],
        saved_cost=[0.0, None, 0.6],
    )
    html = facts(replace(study, trials=spent), rank(study))
    gpu = "<b>3.0 h</b><span>of GPU time, all trials</span><span>30 min saved by stopping early · cost 3.60, saved 0.60"
    assert gpu in html
    assert (
        "<b>10 min</b><span>of core time, all trials</span><span>nothing was stopped early · 2 min of it for the audit"
        in html
    )
