"""Sheets of frames, which the dashboard plays: what lies where, what is drawn again and what is not."""

import json
from pathlib import Path

import numpy as np
import pytest
from constructed import FakeStore
from numpy.typing import NDArray
from PIL import Image

from analysis.latents import Latent
from analysis.portraits import Portrait
from analysis.report import build_report
from analysis.sheets import ROWS, frame_sheet, read_sheets, write_sheet
from analysis.traversals import VALUES

FRAMES = np.random.default_rng(0).integers(0, 256, (30, 13, 1, 64, 64), dtype=np.uint8)
LATENTS = [Latent(2, 3.0, "scale", -1), Latent(0, 0.001)]


def decode(codes: NDArray[np.float32]) -> NDArray[np.float32]:
    raise AssertionError("a sheet decodes nothing")


def test_a_frame_sheet_has_a_row_per_latent_in_the_given_order() -> None:
    images = np.stack([np.full((1, 64, 64), v, np.uint8) for v in range(10, 90, 10)])
    sheet = frame_sheet(FRAMES, LATENTS, images, images + 5)
    assert sheet.shape == (1, 3 * 64, 13 * 64)
    np.testing.assert_array_equal(sheet[:, :64, 64:128], FRAMES[2, 1])  # Row 0 is latent 2, column 1 its second value.
    pairs = [sheet[0, 2 * 64, 64 * i] for i in range(13)]  # Six pairs and a half fit.
    assert pairs == [10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70]


def test_a_sheet_says_what_its_rows_are(tmp_path: Path) -> None:
    values = np.tile(VALUES, (30, 1)) * np.where(np.arange(30) == 2, -1, 1)[:, None]
    images = FRAMES[:8, 0]
    drawn = Portrait(LATENTS, values, FRAMES[None], images, images, np.zeros((8, 30), np.float32), decode)
    write_sheet(tmp_path / "sheets" / "a.png", drawn, {"trial_id": "a"})
    about = json.loads((tmp_path / "sheets" / "a.json").read_text())
    first = {
        "latent": 2,
        "kl": 3.0,
        "factor": "scale",
        "sign": -1,
        "symbol": "-z2",
        "dead": False,
        "low": -3,
        "high": 3,
    }
    assert about["latents"][0] == first
    assert about["latents"][1]["dead"]
    assert (about["trial_id"], about["columns"], about["pairs"]) == ("a", 13, 6)
    with Image.open(tmp_path / "sheets" / "a.png") as png:
        assert png.size == (13 * 64, 3 * 64)


def test_only_the_strongest_latents_get_a_row(tmp_path: Path) -> None:
    latents = [Latent(d, 30.0 - d) for d in range(30)]
    images = FRAMES[:1, 0]
    drawn = Portrait(latents, np.tile(VALUES, (30, 1)), FRAMES[None], images, images, np.zeros((1, 30)), decode)
    write_sheet(tmp_path / "a.png", drawn, {})
    with Image.open(tmp_path / "a.png") as png:
        assert png.size == (13 * 64, (ROWS + 1) * 64)


@pytest.fixture
def built(with_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run directory whose report is built; to draw once more is an error."""
    build_report(with_checkpoint, best=1, store=FakeStore())  # type: ignore[arg-type]

    def never(*_: object) -> None:
        raise AssertionError("drawn twice")

    monkeypatch.setattr("analysis.sheets.portrait", never)
    return with_checkpoint


def test_what_was_drawn_is_not_drawn_again(built: Path) -> None:
    report = build_report(built, best=1, store=FakeStore())  # type: ignore[arg-type]
    assert len(report.gifs) == 1
    assert len(read_sheets(report.directory, report.ranking)) == 1


def test_another_range_is_drawn_anew(built: Path) -> None:
    with pytest.raises(AssertionError, match="drawn twice"):
        build_report(built, best=1, store=FakeStore(), span="posterior")  # type: ignore[arg-type]


def test_images_of_another_study_are_not_used(with_checkpoint: Path) -> None:
    path = with_checkpoint / "study.json"
    path.write_text(path.read_text().replace('"source": "dsprites"', '"source": "dsprites", "sha256": "of dsprites"'))
    report = build_report(with_checkpoint, best=1, store=FakeStore())  # type: ignore[arg-type]
    assert "the images of fake are not those that the study made was trained on" in report.notes[0]
    assert report.gifs == ()
