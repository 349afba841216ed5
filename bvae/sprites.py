"""dSprites from geometry: three outlines, placed by five factors and filled exactly.

The published archive (Matthey et al. 2017, https://github.com/google-deepmind/dsprites-dataset) is a render of three
closed outlines on a 64 × 64 grid. Placing them in double precision, rounding their vertices to 1/256 pixel and filling
them in integers gives its images back without a download.

Factors, in the archive's order (row-major, the last one fastest): shape (square, ellipse, heart), scale (0.5 to 1),
orientation (0 to 2π, both ends: the last index repeats the first), pos_x and pos_y (centre from pixel 16 to 48).
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

FACTOR_NAMES = ("shape", "scale", "orientation", "pos_x", "pos_y")
FACTOR_SIZES = (3, 6, 40, 32, 32)
IMAGES = 737_280
SIZE = 64  # pixels along each side
ROW_BYTES = SIZE * SIZE // 8  # a bit-packed image

_GRID = 256  # vertices lie on multiples of 1/256 pixel


def render(factors: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """Render sprites.

    Args:
        factors: (N, 5) integer indices: shape, scale, orientation, pos_x, pos_y.

    Returns:
        (N, 64, 64) uint8, 1 inside the sprite and 0 outside; row 0 is the top.

    Raises:
        ValueError: `factors` has another shape, is not of integers, or has an index outside its factor's range.
    """
    packed = render_packed(factors)
    return np.unpackbits(packed, axis=1).reshape(-1, SIZE, SIZE)


def render_packed(factors: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """As `render`, bit-packed as `np.packbits` does: (N, 512) uint8, the most significant bit leftmost."""
    factors = _checked(factors)
    shape, scale, orientation, pos_x, pos_y = factors.T
    outline = (shape * FACTOR_SIZES[1] + scale) * FACTOR_SIZES[2] + orientation
    vertices, counts = _outlines()
    rows = np.zeros((len(factors), SIZE), np.uint64)
    _compiled_fill()(vertices, counts, outline, _centre(pos_x), _centre(pos_y), rows)
    return rows.astype(">u8").view(np.uint8).reshape(-1, ROW_BYTES)


def _checked(factors: npt.ArrayLike) -> npt.NDArray[np.int64]:
    factors = np.asarray(factors)
    if factors.ndim != 2 or factors.shape[1] != len(FACTOR_SIZES) or not np.issubdtype(factors.dtype, np.integer):
        raise ValueError(f"factors must be integers of shape (N, 5), got {factors.dtype} of shape {factors.shape}")
    bad = (factors < 0) | (factors >= np.array(FACTOR_SIZES))
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise ValueError(
            f"factors[{row}] has {FACTOR_NAMES[column]} = {factors[row, column]}; "
            f"{FACTOR_NAMES[column]} goes from 0 to {FACTOR_SIZES[column] - 1}"
        )
    return factors.astype(np.int64)


def _centre(index: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Pixel coordinate of the sprite's centre at a position index."""
    return 16 + index * 32 / 31


@functools.cache
def _outlines() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Vertices relative to the centre, in pixels, y downwards, (720, 150, 2), and how many count, (720,)."""
    ellipse = 2 * np.pi * np.arange(100) / 100
    t = 2 * np.pi * np.arange(150) / 150
    heart_y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    shapes = (
        np.array([(-9.6, -9.6), (9.6, -9.6), (9.6, 9.6), (-9.6, 9.6)]),
        np.stack([12.768 * np.cos(ellipse), 7.218 * np.sin(ellipse)], axis=1),
        np.stack([9.6 * np.sin(t) ** 3, -(19.2 / 29) * heart_y - 1.44], axis=1),
    )
    vertices = np.zeros((3, 6, 40, 150, 2))
    angle = -np.linspace(0, 2 * np.pi, 40)[:, None]
    for s, xy in enumerate(shapes):
        x, y = xy.T
        turned = np.stack([np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y], axis=2)
        vertices[s, :, :, : len(xy)] = turned * np.linspace(0.5, 1, 6)[:, None, None, None]
    counts = np.repeat([len(xy) for xy in shapes], 6 * 40)
    return vertices.reshape(-1, 150, 2), counts


@functools.cache
def _compiled_fill() -> Callable[..., None]:
    # Imported here, because it takes half a second that a trial with rendered images need not wait for.
    import numba

    return numba.njit(cache=True, nogil=True)(_fill)


def _fill(vertices, counts, outline, centre_x, centre_y, rows):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Even-odd fill at pixel centres, a row as one 64-bit word: each crossing flips all pixels right of it.

    All coordinates are integers in 1/256 pixel, so that ties (a centre on an edge) fall exactly as in the archive: an
    edge crosses a row whose centre p satisfies y_low < p <= y_high, and a pixel is right of the crossing when its
    centre's x >= the crossing's x.
    """
    half = _GRID // 2
    x = np.empty(vertices.shape[1], np.int64)
    y = np.empty(vertices.shape[1], np.int64)
    for n in range(len(outline)):
        count = counts[outline[n]]
        for v in range(count):
            x[v] = np.int64(np.rint((vertices[outline[n], v, 0] + centre_x[n]) * _GRID))
            y[v] = np.int64(np.rint((vertices[outline[n], v, 1] + centre_y[n]) * _GRID))
        for v in range(count):
            w = v + 1 if v + 1 < count else 0
            low, high = (v, w) if y[v] < y[w] else (w, v)
            height, run = y[high] - y[low], x[high] - x[low]
            first = max((y[low] - half) // _GRID + 1, 0)
            last = min((y[high] - half) // _GRID, SIZE - 1)
            for row in range(first, last + 1):
                crossing = (x[low] - half) * height + (row * _GRID + half - y[low]) * run  # times `height`
                column = min(max(-(-crossing // (_GRID * height)), 0), SIZE)
                if column < SIZE:
                    rows[n, row] ^= np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(column)
