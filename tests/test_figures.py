"""The figures' data, and that what is drawn is that data."""

from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from constructed import ODD, RUNGS, MadeTrial, grid, write_study, write_study_with_codes

from analysis.figures import FIGURES
from analysis.figures.audit import foresight_data, survival_data
from analysis.figures.curves import MOST_LINES, Curves, curves_data, curves_figure
from analysis.figures.latents import latents_data
from analysis.figures.maps import has_map, map_data, map_figure
from analysis.figures.parallel import parallel_data, parallel_figure
from analysis.figures.rate_distortion import rate_distortion_data, rate_distortion_figure
from analysis.figures.style import BETA_BINS, BetaScale, symbols
from analysis.figures.trade_off import TradeOff, trade_off_data, trade_off_figure
from analysis.ranking import Ranking, rank
from analysis.trials import Study, read_study

TRIALS = [
    MadeTrial("a0", beta=1.0, reconstruction=20.0, mig=0.1),
    MadeTrial("a1", beta=1.0, seed=1, reconstruction=22.0, mig=0.2),
    MadeTrial("b0", beta=4.0, latent_dim=10, reconstruction=40.0, mig=0.4),
    MadeTrial("c0", beta=16.0, reconstruction=60.0, mig=0.3),
    MadeTrial("s0", beta=16.0, seed=1, status="stopped", last=300, reconstruction=200.0, mig=0.01),
]


def read(directory: Path, trials: list[MadeTrial]) -> tuple[Study, Ranking]:
    study = read_study(write_study(directory, trials))
    return study, rank(study)


@pytest.fixture
def trade_off(tmp_path: Path) -> TradeOff:
    return trade_off_data(read(tmp_path / "study", TRIALS)[1])


def test_trade_off_data_are_seeds_and_cells(trade_off: TradeOff) -> None:
    seeds = trade_off.trials.set_index("trial_id")
    assert seeds.loc["a1", ["x", "y"]].tolist() == [22.0, 0.2]
    assert not seeds.loc["s0", "scored"]
    cells = trade_off.cells.set_index("beta")
    assert cells.loc[1.0, ["x", "y"]].tolist() == pytest.approx([21.0, 0.15])
    assert cells.loc[1.0, "x_std"] == pytest.approx(np.sqrt(2))
    assert cells["front"].to_dict() == {1.0: True, 4.0: True, 16.0: False}


def traces(figure: go.Figure) -> dict[str, go.Scatter]:
    return {trace.name: trace for trace in figure.data}


def test_trade_off_draws_the_stopped_hollow_and_the_front_as_steps(trade_off: TradeOff) -> None:
    drawn = traces(trade_off_figure(trade_off))
    assert list(drawn["not finished"].customdata) == ["s0"]
    assert drawn["not finished"].marker.symbol == ("circle-open",)
    assert sorted(drawn["seeds"].customdata) == ["a0", "a1", "b0", "c0"]
    assert list(drawn["front"].x) == [21.0, 40.0]
    assert drawn["front"].line.shape == "hv"


def test_beta_is_a_log_colour_and_the_latent_size_a_symbol(trade_off: TradeOff) -> None:
    drawn = traces(trade_off_figure(trade_off))["seeds"]
    at = list(drawn.customdata).index("b0")
    assert drawn.marker.color[at] == pytest.approx(np.log10(4.0))
    assert len(set(drawn.marker.symbol)) == 2
    assert BetaScale([1, 4, 16]).place(4) == pytest.approx(0.5)
    assert BetaScale([4]).place(4) == 0.5
    assert symbols([10, 4]) == {4: "circle", 10: "square"}


def test_a_stopped_trial_far_away_does_not_squeeze_the_axes(trade_off: TradeOff) -> None:
    low, high = trade_off_figure(trade_off).layout.xaxis.range
    assert low < 20
    assert 60 < high < 80


def test_axes_name_units_and_the_better_side(trade_off: TradeOff) -> None:
    layout = trade_off_figure(trade_off).layout
    assert layout.xaxis.title.text == "reconstruction (nats per image)   ← better"
    assert layout.yaxis.title.text == "MIG   better ↑"


def test_hover_names_trial_settings_and_status_escaped(tmp_path: Path) -> None:
    trials = [MadeTrial("<b>x", status="stopped", last=300), MadeTrial("y", beta=1.0)]
    data = trade_off_data(read(tmp_path / "study", trials)[1])
    hover = data.trials.set_index("trial_id")["name"]["<b>x"]
    assert "&lt;b&gt;x" in hover
    assert "<b>x" not in hover.replace("<b>&lt;b&gt;x", "")
    assert "β = 4, 4 latents" in hover
    assert "stopped at step 300" in hover


def test_a_cell_says_its_spread_and_the_interval_of_its_mean(trade_off: TradeOff) -> None:
    drawn = traces(trade_off_figure(trade_off))["cell mean ± std"]
    at = [rank for rank, *_ in drawn.customdata].index(trade_off.cells.set_index("beta").loc[1.0, "rank"])
    _, x, _ = drawn.customdata[at]
    assert x.startswith("21.0 ± 1.4; mean in ")
    assert x.endswith("(95 %)")
    assert drawn.text[at].endswith("2 of 2 seeds finished")


def test_every_figure_shows_a_beta_alike(tmp_path: Path) -> None:
    """The largest β and size were stopped: figures of finished trials must not give their marks to others."""
    gone = MadeTrial("s", beta=64.0, latent_dim=2, status="stopped", last=100)
    study, ranking = read(tmp_path / "study", [*TRIALS, gone])
    key = trade_off_data(ranking).key
    assert rate_distortion_data(study, ranking).key.symbol == key.symbol == {2: "circle", 4: "square", 10: "diamond"}
    for scale in (key.scale, curves_data(study, ranking, "mig").scale, parallel_data(ranking).scale):
        assert (scale.low, scale.high) == (0.0, pytest.approx(np.log10(64)))


def test_curves_hold_every_finite_report(tmp_path: Path) -> None:
    study, ranking = read(tmp_path / "study", TRIALS)
    data = curves_data(study, ranking, "mig")
    curves = {c.name: c for c in data.curves}
    assert data.rungs == list(RUNGS)
    assert curves["s0"].steps == [100, 200, 300]
    assert curves["s0"].values[-1] == pytest.approx(0.01)
    assert curves["a0"].steps[-1] == 2700


def test_curves_end_hollow_where_a_trial_was_stopped(tmp_path: Path) -> None:
    study, ranking = read(tmp_path / "study", TRIALS)
    figure = curves_figure(curves_data(study, ranking, "mig"))
    drawn = traces(figure)
    assert drawn["s0"].marker.symbol == "circle-open"
    assert drawn["a0"].marker.symbol == "circle"
    assert [s > 0 for s in drawn["s0"].marker.size] == [False, False, True]
    assert [shape.x0 for shape in figure.layout.shapes] == list(RUNGS)


def test_null_in_a_report_is_left_out_of_its_curve(tmp_path: Path) -> None:
    study, ranking = read(tmp_path / "study", [MadeTrial("a"), MadeTrial("n", seed=1, metrics={"mig": None})])
    assert [c.name for c in curves_data(study, ranking, "mig").curves] == ["a"]


def test_many_trials_become_bands(tmp_path: Path) -> None:
    betas = np.geomspace(0.5, 32, MOST_LINES + 4)
    trials = [MadeTrial(f"t{i}", beta=float(b), last=100, mig=i / 1000) for i, b in enumerate(betas)]
    data = curves_data(*read(tmp_path / "study", trials), "mig")
    assert len(data.curves) == BETA_BINS
    first = data.curves[0]
    members = [i / 1000 for i, b in enumerate(betas) if np.log10(b) < np.log10(0.5) + np.log10(64) / 8 + 1e-9]
    assert first.values == pytest.approx([np.median(members)])
    assert first.low == pytest.approx([np.quantile(members, 0.1)])
    assert all(c.low is not None for c in data.curves)
    curves_figure(data)


def test_an_unknown_score_has_no_curves(tmp_path: Path) -> None:
    data = curves_data(*read(tmp_path / "study", TRIALS), "nothing")
    assert data == Curves(data.column, list(RUNGS), [], {}, data.scale)


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("figure", FIGURES, ids=lambda f: f.name)
def test_every_figure_draws_every_odd_study(figure, name: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for panel in figure.panels(*read(tmp_path / "study", ODD[name])).values():
        assert panel.layout.title.text
        has_data = any(trace.type == "parcoords" or trace.x is not None for trace in panel.data)
        tiles = [np.array(trace.z, float) for trace in panel.data if trace.type == "heatmap"]
        has_data &= not tiles or any(np.isfinite(z).any() for z in tiles)
        assert has_data or panel.layout.annotations[0].text, "an empty figure says why"
        panel.to_json()


FOLLOWING = {"trial", "trials", "cells", "rows", "parallel", "map", "agreement", "survival", "beyond", "scenery"}


@pytest.mark.parametrize("trials", [grid(), grid(seeds=30)], ids=["lines", "bands"])
@pytest.mark.parametrize("figure", FIGURES, ids=lambda f: f.name)
def test_every_trace_says_how_it_follows_what_is_picked(figure, trials, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    study = read_study(write_study_with_codes(tmp_path / "study", trials))
    for panel in figure.panels(study, rank(study)).values():
        for trace in panel.data:
            assert len(FOLLOWING & set(trace.meta or ())) == 1, trace


def test_rate_and_distortion_of_finished_trials_with_ln_n(tmp_path: Path) -> None:
    study, ranking = read(tmp_path / "study", TRIALS)
    data = rate_distortion_data(study, ranking)
    assert sorted(data.trials["trial_id"]) == ["a0", "a1", "b0", "c0"]
    row = data.trials.set_index("trial_id").loc["b0"]
    assert (row["y"], row["x"]) == (
        40.0,
        pytest.approx(study.scores["kl"][study.scores["beta"] == 4.0].iloc[0]),
    )
    figure = rate_distortion_figure(data)
    assert figure.layout.shapes[0].x0 == pytest.approx(np.log(737280))
    assert "13.51" in figure.layout.annotations[0].text
    for line in figure.data[:-1]:
        assert np.ptp(np.array(line.x) + np.array(line.y)) == pytest.approx(0)  # The ELBO is the same all along.


def test_maps_are_means_over_finished_trials(tmp_path: Path) -> None:
    data = map_data(read(tmp_path / "study", TRIALS)[1], "reconstruction")
    assert (data.betas, data.latent_dims) == ([1.0, 4.0, 16.0], [4, 10])
    np.testing.assert_allclose(data.means, [[21.0, np.nan, 60.0], [np.nan, 40.0, np.nan]])
    assert data.seeds.tolist() == [[2, 0, 1], [0, 1, 0]]
    assert map_figure(data).data[0].reversescale  # Less is better, and better is darker.


def test_a_random_search_has_no_map(tmp_path: Path) -> None:
    trials = [MadeTrial(f"t{i}", beta=1 + i / 10, last=100) for i in range(40)]
    assert not has_map(read(tmp_path / "random", trials)[1])
    assert not has_map(read(tmp_path / "one", [MadeTrial("a")])[1])
    assert has_map(read(tmp_path / "grid", TRIALS)[1])


def test_kl_per_latent_falls_and_ends_with_the_latent_size(tmp_path: Path) -> None:
    trials = [
        MadeTrial("a", latent_dim=3, metrics={"kl_per_latent": [0.1, 2.0, None]}),
        MadeTrial("b", latent_dim=2, beta=1.0, mig=0.1, metrics={"kl_per_latent": [1.0, 0.0]}),
    ]
    data = latents_data(*read(tmp_path / "study", trials))
    assert data.trial_ids == ["a", "b"]
    np.testing.assert_array_equal(data.kl, [[2.0, 0.1, np.nan], [1.0, 0.0, np.nan]])


def test_survival_counts_who_trained_past_each_rung(tmp_path: Path) -> None:
    trials = [
        *(MadeTrial(f"a{i}", beta=1.0, seed=i) for i in range(3)),
        MadeTrial("a3", beta=1.0, seed=3, status="stopped", last=300),
        MadeTrial("b0", beta=4.0, status="stopped", last=100),
        MadeTrial("b1", beta=4.0, seed=1, status="failed", last=None),
    ]
    data = survival_data(*read(tmp_path / "study", trials))
    assert data.steps == [0, 100, 300, 900, 2700]
    assert data.lines == [
        ("β = 1", 1.0, [1.0, 1.0, 0.75, 0.75, 0.75], 4, (1.0, 1.0)),
        ("β = 4", 4.0, [0.5, 0.0, 0.0, 0.0, 0.0], 2, (4.0, 4.0)),
    ]


def test_foresight_is_the_rank_correlation_with_the_end(tmp_path: Path) -> None:
    """All made trials fall alike, so that reconstruction keeps its order; MIG is turned round at one rung."""
    trials = [MadeTrial(f"t{i}", seed=i, reconstruction=20.0 + i, mig=0.1 + i / 100) for i in range(5)]
    study, ranking = read(tmp_path / "study", trials)
    study.scores.loc[study.scores["step"] == 300, "mig"] *= -1
    data = foresight_data(study, ranking)
    assert data.rho["reconstruction"] == pytest.approx([1, 1, 1])
    assert data.rho["mig"] == pytest.approx([1, -1, 1])
    few = foresight_data(*read(tmp_path / "few", trials[:3]))
    assert np.isnan(few.rho["mig"]).all()


def test_parallel_axes_are_settings_then_scores(tmp_path: Path) -> None:
    trials = [*TRIALS, MadeTrial("n", metrics={"mig": None})]
    data = parallel_data(read(tmp_path / "study", trials)[1])
    assert "n" not in data.trial_ids
    titles = [a.title for a in data.axes]
    assert titles[:5] == ["β", "latent size", "status", "reconstruction", "MIG"]
    beta, _, status, reconstruction, _ = data.axes[:5]
    at = data.trial_ids.index("s0")
    assert beta.values[at] == pytest.approx(np.log10(16))
    assert beta.words == ["1", "4", "16"]
    assert status.words is not None
    assert status.words[int(status.values[at])] == "stopped"
    assert reconstruction.values[at] == 200.0
    assert parallel_figure(data).data[0].meta["parallel"] == data.trial_ids
