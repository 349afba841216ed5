"""Frames as labelled pictures, and pictures as small files. Nothing here knows a model.

Frames are (..., C, H, W) uint8 with C 1 or 3. All pictures of a file share one palette: 16 greys, or 64 colours made
from all of its frames, so that nothing flickers and files stay small.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Frames = NDArray[np.uint8]

MILLISECONDS = 80  # a frame of a GIF
GREYS, COLORS = 16, 64
PAPER, INK, SOFT, QUIET = 255, 30, 110, 150  # greys of the paper and of what is written on it
GAP = 2  # pixels between tiles
LINE = 16  # pixels that a line of text takes
SIDE = 96  # pixels left of the rows


class Side(NamedTuple):
    """What stands left of a row: lines of text, and a bar below them that is this share of its full length."""

    lines: Sequence[str]
    ink: int = INK
    bar: float = 0.0


def there_and_back(frames: Frames) -> Frames:
    """(V, ...) -> (2V - 2, ...): to the end and back, each end once, so that a loop has no jump and no pause."""
    return np.concatenate([frames, frames[-2:0:-1]])


def faded(frames: Frames, dead: bool = True) -> Frames:
    """Dead latents at a third of their contrast, on grey: seen at once, and not mistaken for a working one."""
    return (frames // 3 + 96).astype(np.uint8) if dead else frames


def captioned(frames: Frames, words: Sequence[str], places: Sequence[float], scale: int = 2) -> Frames:
    """(n, C, H, W) frames, enlarged, each above a line of text and a track whose mark is at a place from 0 to 1."""
    large = frames.repeat(scale, axis=-2).repeat(scale, axis=-1)
    count, channels, height, width = large.shape
    out = np.full((count, channels, height + LINE + 6, width), PAPER, np.uint8)
    out[:, :, :height] = large
    out[:, :, height + 4, 4 : width - 4] = QUIET
    for i, (text, place) in enumerate(zip(words, places, strict=True)):
        at = 4 + round(place * (width - 12))
        out[i, :, height + 2 : height + 6, at : at + 4] = INK
        out[i, :, height + 6 :] = written(text, width, LINE)
    return out


def sheet(grid: Frames, heads: Sequence[Sequence[str]], sides: Sequence[Side] = (), corner: str = "") -> Frames:
    """Tiles with their labels.

    Args:
        grid: (R, K, C, H, W).
        heads: lines above the columns, (K,) words each; the first in ink, those below it softer.
        sides: what stands left of the R rows; none: nothing does.
        corner: what stands above them.

    Returns:
        (C, height, width) uint8.
    """
    rows, columns, channels, height, width = grid.shape
    spaced = np.full((rows, columns, channels, height + GAP, width + GAP), PAPER, np.uint8)
    spaced[..., :height, :width] = grid
    body = tiled(spaced)
    above = [
        np.concatenate([written(word, width + GAP, LINE, SOFT if n else INK) for word in line], axis=1)
        for n, line in enumerate(heads)
    ]
    above = [np.broadcast_to(line, (channels, *line.shape)) for line in above]
    out = np.concatenate([*above, body], axis=1)
    if not sides:
        return out
    left = np.full((channels, out.shape[1], SIDE), PAPER, np.uint8)
    if heads:
        left[:, :LINE] = written(corner, SIDE, LINE)
    for row, side in enumerate(sides):
        top = LINE * len(heads) + row * (height + GAP)
        left[:, top : top + height] = _beside(side, height)
    return np.concatenate([left, out], axis=2)


def tiled(grid: Frames) -> Frames:
    """(R, K, C, H, W) -> (C, R·H, K·W)."""
    rows, columns, channels, height, width = grid.shape
    return grid.transpose(2, 0, 3, 1, 4).reshape(channels, rows * height, columns * width)


@functools.lru_cache(maxsize=4096)
def written(text: str, width: int, height: int, ink: int = INK, paper: int = PAPER) -> NDArray[np.uint8]:
    """A line of text on paper, (height, width) uint8: set smaller where it has no room, at the smallest size cut."""
    image = Image.new("L", (width, height), paper)
    draw = ImageDraw.Draw(image)
    fonts = [ImageFont.load_default(size) for size in (11, 10, 9, 8)]
    font = next((font for font in fonts if draw.textlength(text, font) <= width - 4), fonts[-1])
    draw.text((3, height // 2), text, fill=ink, font=font, anchor="lm")
    return np.asarray(image)


def save_gif(path: Path, frames: Frames, milliseconds: int = MILLISECONDS, comment: str = "") -> None:
    """Write (n, C, H, W) frames as a GIF that loops for ever, atomically."""
    first, *rest = pictures(frames)
    _save(path, first, "GIF", save_all=True, append_images=rest, duration=milliseconds, loop=0, comment=comment)


def save_png(path: Path, pixels: Frames) -> None:
    """Write one (C, H, W) picture as a PNG with a small palette, atomically."""
    _save(path, pictures(pixels[None])[0], "PNG", optimize=True)


def pictures(pixels: Frames) -> list[Image.Image]:
    """(n, C, H, W) frames as Pillow images that all have the same palette."""
    if pixels.shape[1] == 1:
        levels = np.round(pixels[:, 0] * ((GREYS - 1) / 255)).astype(np.uint8)
        palette = np.repeat(np.round(np.linspace(0, 255, GREYS)).astype(np.uint8), 3).tobytes()
        return [_indexed(level, palette) for level in levels]
    colored = pixels.transpose(0, 2, 3, 1)
    shared = Image.fromarray(np.concatenate(list(colored))).quantize(COLORS)  # Of all frames below each other.
    return [Image.fromarray(picture).quantize(palette=shared, dither=Image.Dither.NONE) for picture in colored]


def _indexed(levels: NDArray[np.uint8], palette: bytes) -> Image.Image:
    height, width = levels.shape
    indexed = Image.frombytes("P", (width, height), levels.tobytes())
    indexed.putpalette(palette)
    return indexed


def _save(path: Path, picture: Image.Image, kind: str, **options: object) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    picture.save(temporary, kind, **options)
    os.replace(temporary, path)


def _beside(side: Side, height: int) -> NDArray[np.uint8]:
    """What stands left of a row, (height, SIDE): as many lines as there is room for."""
    out = np.full((height, SIDE), PAPER, np.uint8)
    for i, line in enumerate(side.lines[: (height - 4) // LINE]):
        top = 4 + LINE * i
        out[top : top + LINE] = written(line, SIDE, LINE, SOFT if i and side.ink == INK else side.ink)
    top, full = 8 + LINE * len(side.lines), SIDE - 18
    if side.bar:
        out[top : top + 3, 3 : 3 + full] = 230
        out[top : top + 3, 3 : 3 + round(full * min(side.bar, 1))] = side.ink
    return out
