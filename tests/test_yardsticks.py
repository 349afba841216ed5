"""Null and ceiling rows: measured as the trials are, kept in a file, and shown wherever a score is."""

import json
import re
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from constructed import YARDSTICKS, grid, write_study
from rich.console import Console

from analysis.columns import column
from analysis.dashboard import render
from analysis.figures.trade_off import trade_off_data, trade_off_figure
from analysis.metrics import score
from analysis.ranking import rank
from analysis.report import build_report
from analysis.summary import summary_table
from analysis.trials import read_study
from analysis.yardsticks import FILE, Yardstick, of_score, read_yardsticks, write_yardsticks
from bvae.config import TrialConfig
from bvae.model import VAE
from bvae.training import encode
from study.lanes import Lanes, lanes_of
from study.scoring import scored_indices
from study.space import Settings, plan
from study.yardsticks import YardstickCallback, asked, is_settled, measure, principal_components, settle

SETTINGS = Settings(latent_dim=(2, 3, 4, 5, 6, 7), beta=(1.0,), seed=(0,), score_images=50)


@pytest.fixture(scope="module")
def measured(small_store):
    trials = plan(SETTINGS)
    return measure(small_store, trials[0], asked(trials, SETTINGS) | {"latent_dims": [2, 3]})


@pytest.fixture
def ranking(tmp_path):
    directory = write_study(tmp_path / "study", grid())
    write_yardsticks(YARDSTICKS, directory)
    return rank(read_study(directory))


def test_at_most_four_sizes_are_asked_for_the_ends_among_them():
    assert asked(plan(SETTINGS), SETTINGS) == {
        "budget": "cheap", "images": 50, "latent_dims": [2, 4, 5, 7], "architectures": ["burgess"],
    }  # fmt: skip
    assert asked(plan(Settings()), Settings())["latent_dims"] == [6, 10]


def test_every_null_has_a_row_per_size_and_the_ceiling_one(measured):
    rows = [(row["row"], row["latent_dim"]) for row in measured["rows"]]
    nulls = ["shuffled_factors", "pca", "untrained_encoder"]
    assert rows == [(name, size) for size in (2, 3) for name in nulls] + [("true_factors", None)]
    scores = {name: row["scores"] for (name, _), row in zip(rows, measured["rows"], strict=True)}
    assert scores["true_factors"]["mcc"] == pytest.approx(1)
    assert max(scores[name]["mcc"] for name in nulls) < 0.6
    assert "mig/scale" in scores["pca"]
    assert not [name for name in scores["pca"] if name.startswith("modularity/")]


def test_an_untrained_encoder_is_scored_as_a_trial_is(measured, small_store):
    trial = TrialConfig(latent_dim=3, architecture="burgess", learning_rate=1e-3, batch_size=32, steps=1980)
    validation, _ = scored_indices(small_store, trial, 50)
    posterior = encode(VAE(trial), small_store, validation)
    expected = score(
        posterior.mean.numpy(), small_store.factors(validation), budget="cheap", logvar=posterior.logvar.numpy()
    )
    row = next(r for r in measured["rows"] if r["row"] == "untrained_encoder" and r["latent_dim"] == 3)
    assert {name: row["scores"][name] for name in expected} == pytest.approx(expected, abs=1e-6)


def test_principal_components_are_those_of_the_singular_value_decomposition(small_store):
    trial = TrialConfig()
    validation, _ = scored_indices(small_store, trial, 50)
    ours = principal_components(small_store, trial, validation, 2, 10_000)
    from bvae.data import split

    train = small_store.images(split(len(small_store), "holdout", 0).train).reshape(480, -1).astype(float)
    _, _, axes = np.linalg.svd(train - train.mean(axis=0), full_matrices=False)
    codes = (small_store.images(validation).reshape(len(validation), -1) - train.mean(axis=0)) @ axes[:2].T
    np.testing.assert_allclose(np.abs(ours), np.abs(codes), atol=0.05)
    assert principal_components(small_store, trial, validation, 256, 100).shape == (50, 100)


def test_what_is_there_is_not_measured_again_unless_more_is_asked(small_store, tmp_path, monkeypatch):
    trials = plan(SETTINGS)
    content = asked(trials, SETTINGS) | {"rows": YARDSTICKS["rows"]}
    write_yardsticks(content, tmp_path)
    assert is_settled(tmp_path, asked(trials, SETTINGS))
    monkeypatch.setattr("study.yardsticks.measure", lambda *_: pytest.fail("measured again"))
    settle(tmp_path, small_store, trials, SETTINGS)
    monkeypatch.setattr("study.yardsticks.measure", lambda store, trial, wanted: wanted | {"rows": []})
    more = Settings(latent_dim=(2, 7, 20), score_images=50)
    settle(tmp_path, small_store, plan(more), more)
    assert json.loads((tmp_path / FILE).read_text())["latent_dims"] == [2, 7, 20]


@pytest.mark.parametrize("through", [True, False])
def test_they_are_waited_for_at_the_end_of_the_trials_but_not_when_a_person_interrupts(
    tmp_path, monkeypatch, through
) -> None:
    given: list[str] = []
    monkeypatch.setattr("study.yardsticks.ray.get", lambda task: given.append(task) or {"rows": []})
    monkeypatch.setattr("study.yardsticks.ray.cancel", lambda task, force: given.append(f"no {task}"))
    lanes = Lanes([{"trial_id": "a"}], lanes_of(1, None, {}), look=lambda: [{"CPU": 1}])
    callback = YardstickCallback(tmp_path, None, plan(SETTINGS), SETTINGS, lanes)
    callback._task = "the rows"
    lanes.suggest("tune's a")
    if through:
        lanes.on_trial_complete("tune's a", {})
    callback.on_experiment_end([])
    assert given == ["the rows" if through else "no the rows"]
    assert (tmp_path / FILE).exists() == through


def test_the_best_of_the_sizes_is_what_a_score_is_held_against(ranking):
    expected = [
        Yardstick("shuffled factors", "null", 0.002),
        Yardstick("untrained encoder", "null", 0.007),
        Yardstick("PCA of the images", "null", 0.025),
        Yardstick("true factors", "ceiling", 0.88),
    ]
    for name in ("mig", "test_mig", "sampled_mig"):
        assert of_score(ranking.yardsticks, column(name)) == expected
    assert of_score(ranking.yardsticks, column("sap")) == [Yardstick("true factors", "ceiling", 0.25)]
    for name in ("reconstruction", "kl", "active_latents"):
        assert of_score(ranking.yardsticks, column(name)) == []


@pytest.mark.parametrize("content", [None, "{", "[]", '{"rows": [{"row": "pca"}]}', '{"rows": 3}'])
def test_a_study_without_a_whole_file_has_no_rows_and_reports_all_the_same(tmp_path: Path, content) -> None:
    directory = write_study(tmp_path / "study", grid())
    if content is not None:
        (directory / FILE).write_text(content)
    assert len(read_yardsticks(directory)) == 0
    report = build_report(directory, traversals=False)
    text = StringIO()
    Console(file=text, width=80).print(summary_table(report.ranking))
    assert "true factors" not in text.getvalue()
    assert pd.read_csv(directory / "report" / "yardsticks.csv").columns[0] == "row"


def test_the_terminal_shows_them_under_the_cells(ranking):
    text = StringIO()
    Console(file=text, width=80).print(summary_table(ranking))
    lines = [line.split() for line in text.getvalue().splitlines()]
    assert ["PCA", "of", "the", "images", "0.0250", "null"] in lines
    assert ["true", "factors", "0.880", "ceiling"] in lines


def test_the_trade_off_draws_them_as_dashed_lines_and_names_what_lies_beyond(ranking):
    figure = trade_off_figure(trade_off_data(ranking))
    low, high = figure.layout.yaxis.range
    assert [shape.y0 for shape in figure.layout.shapes] == [0.002, 0.007, 0.025]
    assert {shape.line.dash for shape in figure.layout.shapes} == {"dash"}
    assert low < 0.002 < high < 0.88
    assert "↑ true factors 0.880" in [note.text for note in figure.layout.annotations]
    other = trade_off_figure(trade_off_data(ranking, y="kl"))
    assert not other.layout.shapes


def test_the_dashboard_and_the_csv_show_them(ranking, tmp_path):
    study = read_study(tmp_path / "study")
    page = render(study, ranking, {}, [])
    table = page[page.index('<tbody class="yardsticks">') :]
    rows = table[: table.index("</tbody>")].split("</tr>")
    row = next(row for row in rows if "PCA of the images <i>null</i>" in row)
    assert re.findall(r"<td>([^<]+)</td>", row) == ["–", "0.0250"]  # reconstruction has none, MIG has
    csv = pd.read_csv(build_report(tmp_path / "study", traversals=False).directory / "yardsticks.csv")
    assert csv[["row", "kind", "latent_dim", "mig"]].iloc[-1].tolist()[:2] == ["true_factors", "ceiling"]
    assert len(csv) == 5
