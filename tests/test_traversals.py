"""Traversals by a decoder whose pictures are known: each latent's value is written into its own rows of the image."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from analysis.traversals import (
    DEAD,
    VALUES,
    Latent,
    contact_sheet,
    frame_sheet,
    overview,
    pictures,
    save_gif,
    there_and_back,
    traverse,
    traverse_all,
    write_gifs,
)

CODES = np.array([[0.0, 1.0, -1.0], [2.0, -2.0, 0.5]], np.float32)
LATENTS = [Latent(2, 3.0, "scale"), Latent(0, 0.5), Latent(1, 0.001)]


def decode(codes: NDArray[np.float32]) -> NDArray[np.float32]:
    """64 x 64 images with a band of 16 rows per latent, as bright as (z + 4) / 8."""
    brightness = np.pad((codes + 4) / 8, ((0, 0), (0, 4 - codes.shape[1])))
    return np.repeat(np.repeat(brightness, 16, axis=1)[:, None, :, None], 64, axis=3)


def shown(frames: NDArray[np.uint8], latent: int) -> NDArray[np.float64]:
    """The values that frames (..., C, H, W) show of a latent."""
    return np.asarray(frames[..., 0, 16 * latent + 4, 5] / 255 * 8 - 4)


def test_one_latent_moves_and_the_others_stay() -> None:
    frames = traverse(decode, CODES[0], 1, VALUES)
    assert frames.shape == (13, 1, 64, 64)
    assert frames.dtype == np.uint8
    np.testing.assert_allclose(shown(frames, 1), VALUES, atol=0.02)
    np.testing.assert_allclose(shown(frames, 0), 0.0, atol=0.02)
    np.testing.assert_allclose(shown(frames, 2), -1.0, atol=0.02)


def test_all_at_once_equals_one_by_one_in_few_calls() -> None:
    calls = []

    def counted(codes: NDArray[np.float32]) -> NDArray[np.float32]:
        calls.append(len(codes))
        return decode(codes)

    frames = traverse_all(counted, CODES, VALUES)
    assert frames.shape == (2, 3, 13, 1, 64, 64)
    assert calls == [2 * 3 * 13]
    for sample, code in enumerate(CODES):
        for latent in range(3):
            np.testing.assert_array_equal(frames[sample, latent], traverse(decode, code, latent, VALUES))


@pytest.mark.parametrize("latent", [-1, 3])
def test_a_latent_that_does_not_exist_is_refused(latent: int) -> None:
    with pytest.raises(ValueError, match="between 0 and 2"):
        traverse(decode, CODES[0], latent, VALUES)


def test_the_values_reach_both_ends_and_the_middle() -> None:
    assert (VALUES[0], VALUES[6], VALUES[-1]) == (-3.0, 0.0, 3.0)


def test_a_loop_has_no_jump_and_no_pause() -> None:
    loop = there_and_back(np.arange(13)[:, None].astype(np.uint8))[:, 0].astype(int)
    steps = np.diff(np.append(loop, loop[0]))  # Including the step from the last frame to the first.
    assert set(np.abs(steps)) == {1}
    assert (loop.min(), loop.max(), len(loop)) == (0, 12, 24)


def test_latents_below_the_bound_are_dead() -> None:
    assert Latent(0, DEAD / 2).dead
    assert not Latent(0, DEAD).dead
    assert [of.name for of in LATENTS] == ["scale", "0.50 nats", "dead"]


def test_a_gif_holds_every_frame_and_loops(tmp_path: Path) -> None:
    frames = there_and_back(traverse(decode, CODES[0], 1, VALUES))
    save_gif(tmp_path / "a.gif", frames)
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.n_frames, gif.info["loop"], gif.info["duration"]) == (24, 0, 80)  # type: ignore[attr-defined]
        for i in range(24):
            gif.seek(i)
            pixels = np.asarray(gif.convert("L"))[None].astype(int)
            assert np.abs(pixels - frames[i]).max() <= 255 / 31 / 2 + 1  # Half a step of 32 greys.


def test_all_frames_share_a_palette_in_grey_and_in_colour() -> None:
    grey = pictures(traverse(decode, CODES[0], 1, VALUES))
    colour = np.random.default_rng(0).integers(0, 256, (5, 3, 16, 16), dtype=np.uint8)
    assert len({bytes(p.palette.getdata()[1]) for p in grey if p.palette}) == 1
    assert len({bytes(p.palette.getdata()[1]) for p in pictures(colour) if p.palette}) == 1


def test_a_coloured_picture_keeps_its_colours(tmp_path: Path) -> None:
    red = np.zeros((2, 3, 16, 16), np.uint8)
    red[:, 0] = 255
    red[1, 1] = 255
    save_gif(tmp_path / "a.gif", red)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.convert("RGB").getpixel((3, 3)) == (255, 0, 0)
        gif.seek(1)
        assert gif.convert("RGB").getpixel((3, 3)) == (255, 255, 0)


def test_a_frame_sheet_has_a_row_per_latent_in_the_given_order() -> None:
    frames = traverse_all(decode, CODES, VALUES)
    images = np.stack([np.full((1, 64, 64), v, np.uint8) for v in (10, 20)])
    sheet = frame_sheet(frames[0], LATENTS, images, images + 5)
    assert sheet.shape == (1, 4 * 64, 13 * 64)
    np.testing.assert_array_equal(
        sheet[:, :64, 64:128], frames[0, 2, 1]
    )  # Row 0 is latent 2, column 1 its second value.
    assert [sheet[0, 3 * 64, 64 * i] for i in range(4)] == [10, 15, 20, 25]


def test_dead_latents_are_greyed_where_people_look() -> None:
    frames = traverse_all(decode, CODES, VALUES)
    images = frames[:, 0, 6]
    moving = overview(frames, images, LATENTS)
    assert moving.shape[0] == 13
    alive, dead = moving[:, 0, 40:80, 70:130], moving[:, 0, 40:80, 3 * 66 + 4 : 3 * 66 + 60]
    assert np.ptp(dead.astype(int)) <= 256 / 3 < np.ptp(alive.astype(int))
    assert contact_sheet(frames[0], LATENTS, VALUES).shape == (1, 16 + 3 * 66, 92 + 13 * 66)


def test_the_folder_has_the_promised_names_and_replaces_an_older_one(tmp_path: Path) -> None:
    frames = traverse_all(decode, CODES, VALUES)
    folder = tmp_path / "gif" / "1"
    (folder / "7").mkdir(parents=True)  # Of an older report with more samples.
    write_gifs(folder, frames, frames[:, 0, 6], LATENTS, {"trial_id": "t3"})
    names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    each = [f"{s}/traversal_latent_dim_{d}.gif" for s in range(2) for d in range(3)]
    assert names == sorted([*each, "contact_sheet.png", "traversals.gif", "trial.json"])
    assert not (folder / "7").exists()
    assert json.loads((folder / "trial.json").read_text()) == {"trial_id": "t3"}
    assert [p.name for p in folder.parent.iterdir()] == ["1"]  # No temporary folder is left.


def test_gifs_are_small(tmp_path: Path) -> None:
    frames = traverse_all(decode, CODES, VALUES)
    write_gifs(tmp_path / "1", frames, frames[:, 0, 6], LATENTS, {})
    assert max(p.stat().st_size for p in tmp_path.rglob("*.gif")) < 100_000
