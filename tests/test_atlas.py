"""The atlas: who stands where, what is said where nothing stands, and that a picture is the right row of its sheet."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from constructed import MadeTrial, write_study
from PIL import Image

from analysis.atlas import MOST, Atlas, Tile, atlas_frames, atlases, write_atlases
from analysis.pictures import LINE, SIDE
from analysis.ranking import Ranking, rank
from analysis.trials import read_study

FACTORS = ("shape", "scale", "x")


def ranked(directory: Path, trials: list[MadeTrial]) -> Ranking:
    return rank(read_study(write_study(directory / "study", trials)))


def sheet(*factors: str | None, shade: int = 0) -> dict[str, Any]:
    """A sheet of three columns of 8 x 8 whose pixels say row and column: 17 · (5 · row + column) + shade."""
    rows = np.arange(len(factors) + 1)[:, None] * 5 + np.arange(3)
    pixels = (rows * 17 + shade).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    latents = [
        {"latent": i, "kl": 3.0 - i, "factor": factor, "sign": (-1) ** i, "symbol": f"{'-' * (i % 2)}z{i}"}
        for i, factor in enumerate(factors)
    ]
    src = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    return {"columns": 3, "latents": latents, "src": src}


TRIALS = [
    MadeTrial("a", beta=1, latent_dim=4),
    MadeTrial("b", beta=4, latent_dim=4),
    MadeTrial("c", beta=4, latent_dim=10, seed=1),
    MadeTrial("d", beta=1, latent_dim=10, seed=1, status="stopped", last=300),
    MadeTrial("e", beta=16, latent_dim=4, status="failed", last=100, error="boom"),
    MadeTrial("f", beta=1, latent_dim=10, seed=0),
]
SHEETS = {"a": sheet("x", "scale"), "b": sheet(None, "x", shade=3), "c": sheet("scale", None)}


def test_each_trial_stands_at_its_beta_and_its_size_and_seed(tmp_path: Path) -> None:
    scale, x = atlases(ranked(tmp_path, TRIALS), SHEETS, FACTORS)
    assert (scale.factor, x.factor) == ("scale", "x")  # In the data's order; no page of what nobody has.
    assert x.betas == (1.0, 4.0, 16.0)
    assert x.rows == (("4 latents", "seed 0"), ("10 latents", "seed 0"), ("10 latents", "seed 1"))
    assert x.tiles == (
        (Tile("z0  3.0 nats", "a", 0), Tile("-z1  2.0 nats", "b", 1), Tile("failed", "e")),
        (Tile("not drawn", "f"), Tile(), Tile()),
        (Tile("stopped, 300", "d"), Tile("no latent", "c"), Tile()),
    )


def test_a_factor_that_one_trial_has_gets_no_page(tmp_path: Path) -> None:
    assert atlases(ranked(tmp_path, TRIALS), {"a": SHEETS["a"]}, FACTORS) == []


def test_of_many_seeds_and_betas_some_are_shown(tmp_path: Path) -> None:
    trials = [MadeTrial(f"t{b}-{s}", beta=2.0**b, seed=s) for b in range(14) for s in range(14)]
    drawn = {t.trial_id: sheet("x") for t in trials if t.seed != 3}
    [page] = atlases(ranked(tmp_path, trials), drawn, FACTORS)
    assert len(page.betas) == len(page.rows) == MOST
    assert (page.betas[0], page.betas[-1]) == (1.0, 2.0**13)
    assert ("4 latents", "seed 3") not in page.rows


def test_other_settings_that_differ_make_rows_of_their_own(tmp_path: Path) -> None:
    trials = [MadeTrial(f"{rate}", settings={"learning_rate": rate}) for rate in (1e-3, 1e-4)]
    [page] = atlases(ranked(tmp_path, trials), {t.trial_id: sheet("x") for t in trials}, FACTORS)
    assert page.rows == (
        ("4 latents", "learning rate 0.0001", "seed 0"),
        ("4 latents", "learning rate 0.001", "seed 0"),
    )


def test_a_tile_shows_the_row_of_its_latent_frame_by_frame(tmp_path: Path) -> None:
    _, page = atlases(ranked(tmp_path, TRIALS), SHEETS, FACTORS)
    frames = atlas_frames(page, SHEETS)
    assert frames.shape == (3, 1, LINE + 3 * (8 + LINE + 2), SIDE + 3 * (8 + 2))
    for v in range(3):
        assert (frames[v, 0, LINE : LINE + 8, SIDE : SIDE + 8] == 17 * v).all()
        assert (frames[v, 0, LINE : LINE + 8, SIDE + 10 : SIDE + 18] == 17 * (5 + v) + 3).all()


def test_a_page_is_written_once_and_removed_when_its_factor_is_gone(tmp_path: Path) -> None:
    pages = atlases(ranked(tmp_path, TRIALS), SHEETS, FACTORS)
    paths = write_atlases(tmp_path, pages, SHEETS)
    assert [p.relative_to(tmp_path).as_posix() for p in paths] == ["atlas/scale.gif", "atlas/x.gif"]
    with Image.open(paths[1]) as gif:
        assert (gif.n_frames, gif.info["loop"]) == (4, 0)  # type: ignore[attr-defined]
    before = paths[1].stat()
    assert write_atlases(tmp_path, pages, SHEETS) == paths
    assert paths[1].stat().st_ino == before.st_ino
    news = SHEETS | {"a": sheet("x", "scale", shade=1)}
    assert write_atlases(tmp_path, pages[1:], news) == paths[1:]
    assert paths[1].stat().st_ino != before.st_ino
    assert not paths[0].exists()
    assert write_atlases(tmp_path / "nowhere", [], {}) == []


@pytest.mark.parametrize(("factor", "name"), [("../a b", "_a_b.gif"), ("größe", "größe.gif"), ("x/y", "x_y.gif")])
def test_a_factor_with_any_name_stays_in_the_folder(factor: str, name: str, tmp_path: Path) -> None:
    page = Atlas(factor, (1.0,), (("seed 0",),), ((Tile("z0", "a", 0),),))
    [first, second] = write_atlases(tmp_path, [page, page], SHEETS)
    assert first == tmp_path / "atlas" / name
    assert second.name == name.replace(".gif", "_.gif")
    assert sorted(tmp_path.rglob("*.gif")) == sorted([first, second])
