"""Pictures on their data: loops, palettes, where tiles and words are, what a file holds."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis.pictures import (
    COLORS,
    GAP,
    GREYS,
    INK,
    LINE,
    SIDE,
    Side,
    captioned,
    faded,
    pictures,
    save_gif,
    save_png,
    sheet,
    there_and_back,
    written,
)

RANDOM = np.random.default_rng(0)


def test_a_loop_has_no_jump_and_no_pause() -> None:
    loop = there_and_back(np.arange(13)[:, None].astype(np.uint8))[:, 0].astype(int)
    steps = np.diff(np.append(loop, loop[0]))  # Including the step from the last frame to the first.
    assert set(np.abs(steps)) == {1}
    assert (loop.min(), loop.max(), len(loop)) == (0, 12, 24)


def test_a_gif_holds_every_frame_and_loops(tmp_path: Path) -> None:
    frames = there_and_back(np.arange(0, 256, 20, dtype=np.uint8)[:, None, None, None] * np.ones((13, 1, 32, 32)))
    frames = frames.astype(np.uint8)
    save_gif(tmp_path / "a.gif", frames, comment="made")
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.n_frames, gif.info["loop"], gif.info["duration"]) == (24, 0, 80)  # type: ignore[attr-defined]
        assert gif.info["comment"] == b"made"
        for i in range(24):
            gif.seek(i)
            pixels = np.asarray(gif.convert("L"))[None].astype(int)
            assert np.abs(pixels - frames[i]).max() <= 255 / (GREYS - 1) / 2 + 1  # Half a step of the greys.
    assert [p.name for p in tmp_path.iterdir()] == ["a.gif"]


@pytest.mark.parametrize(("channels", "most"), [(1, GREYS), (3, COLORS)])
def test_all_frames_share_one_small_palette(channels: int, most: int) -> None:
    made = pictures(RANDOM.integers(0, 256, (5, channels, 16, 16), dtype=np.uint8))
    palettes = {bytes(p.palette.getdata()[1]) for p in made if p.palette}
    assert len(made) == 5
    assert len(palettes) == 1
    assert max(int(np.asarray(p).max()) for p in made) < most


def test_a_coloured_picture_keeps_its_colours(tmp_path: Path) -> None:
    red = np.zeros((2, 3, 16, 16), np.uint8)
    red[:, 0] = 255
    red[1, 1] = 255
    save_gif(tmp_path / "a.gif", red)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.convert("RGB").getpixel((3, 3)) == (255, 0, 0)
        gif.seek(1)
        assert gif.convert("RGB").getpixel((3, 3)) == (255, 255, 0)


@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_lie_where_their_row_and_column_say(channels: int, tmp_path: Path) -> None:
    grid = RANDOM.integers(0, 256, (2, 3, channels, 20, 30), dtype=np.uint8)
    made = sheet(grid, [["a", "b", "c"], ["", "d", ""]], [Side(["x"]), Side(["y"], bar=0.5)])
    assert made.shape == (channels, 2 * LINE + 2 * (20 + GAP), SIDE + 3 * (30 + GAP))
    for row in range(2):
        for column in range(3):
            top, left = 2 * LINE + row * (20 + GAP), SIDE + column * (30 + GAP)
            np.testing.assert_array_equal(made[:, top : top + 20, left : left + 30], grid[row, column])
    save_png(tmp_path / "a.png", made)
    with Image.open(tmp_path / "a.png") as png:
        assert png.size == made.shape[:0:-1]


def test_a_bar_is_as_long_as_its_share() -> None:
    grid = np.zeros((3, 1, 1, 64, 64), np.uint8)
    made = sheet(grid, [], [Side(["z"], bar=share) for share in (1.0, 0.5, 0.0)])[0]
    lengths = [int((made[66 * row + 8 + LINE, :SIDE] == INK).sum()) for row in range(3)]
    assert lengths == [SIDE - 18, (SIDE - 18) // 2, 0]


def test_the_mark_under_a_frame_goes_from_left_to_right() -> None:
    made = captioned(np.zeros((3, 1, 64, 64), np.uint8), ["a", "b", "c"], [0, 0.5, 1])
    assert made.shape == (3, 1, 128 + LINE + 6, 128)
    marks = [np.flatnonzero(row == INK) for row in made[:, 0, 130]]
    assert [(m[0], m[-1]) for m in marks] == [(4, 7), (62, 65), (120, 123)]


def test_dead_frames_lose_two_thirds_of_their_contrast() -> None:
    frames = np.array([0, 255], np.uint8)
    np.testing.assert_array_equal(faded(frames, dead=False), frames)
    assert faded(frames).tolist() == [96, 181]


def test_words_are_set_smaller_before_they_are_cut() -> None:
    """All of a word that fits at the smallest size is there: nothing touches the right edge."""
    assert (written("orientation", 56, 16)[:, -1] == 255).all()
    assert written("orientation", 56, 16).min() < 128
    assert written("a name much longer than that", 56, 16).shape == (16, 56)
