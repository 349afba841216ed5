"""Images and their factors: dSprites rendered or from the published archive, and a user's own sets.

`factors` are (n, K) integer indices; images are (n, C, 64, 64) uint8 with values from 0 to `ImageStore.white`.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt

from bvae import sprites
from bvae.cache import Entry, Source, open_entry
from bvae.config import UserError

CHUNK = 16_384  # images that are packed or rendered at a time
UNREADABLE = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error)  # what a damaged .npz raises


class DataError(UserError):
    """A data file that can't be used; the message names the file, what is wrong with it and what is expected."""


@dataclass(frozen=True)
class FactorSpace:
    """The factors of a data set: their names and the number of values of each."""

    names: tuple[str, ...]
    sizes: tuple[int, ...]


class Split(NamedTuple):
    """Image indices, each sorted: what is trained on, what picks, and what is reported."""

    train: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]


class ImageStore:
    """A data set on disk, opened as a read-only memory map that all trials of a machine share.

    Attributes:
        name: of the data set.
        sha256: of its images.
        space: its factors.
        image_shape: (C, 64, 64).
        white: the value of a full pixel.
        packed: whether `rows` hold bits, the first pixel in the highest one, or bytes.
        rows: (N, bytes) uint8, one row an image.
    """

    def __init__(self, entry: Entry, rows: npt.NDArray[np.uint8], factors: npt.NDArray[np.int64] | None = None) -> None:
        self.name = entry.name
        self.sha256 = entry.sha256
        self.space = FactorSpace(entry.factor_names, entry.factor_sizes)
        self.image_shape = entry.shape[1:]
        self.white = 1 if entry.packed else 255
        self.packed = entry.packed
        self.rows = rows
        self._factors = factors

    def __len__(self) -> int:
        return len(self.rows)

    def images(self, indices: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Images at (n,) indices: (n, C, 64, 64) uint8 from 0 to `white`."""
        rows = self.rows[np.asarray(indices)]
        if self.packed:
            rows = np.unpackbits(rows, axis=1, count=int(np.prod(self.image_shape)))
        return rows.reshape(-1, *self.image_shape)

    def factors(self, indices: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Factors of the images at (n,) indices: (n, K) integers."""
        indices = np.asarray(indices)
        if self._factors is not None:
            return self._factors[indices]
        return np.stack(np.unravel_index(indices, self.space.sizes), axis=-1)


def split(count: int, kind: str, seed: int) -> Split:
    """Divide `count` images: "holdout" = 0.8 / 0.1 / 0.1 by a seeded permutation; "none" = all of them in each part,
    the field's convention of training and scoring on the same images."""
    if kind == "none":
        return Split(*[np.arange(count)] * 3)
    order = np.random.default_rng(seed).permutation(count)
    held = max(1, count // 10)
    train, validation, test = np.split(order, [count - 2 * held, count - held])
    return Split(np.sort(train), np.sort(validation), np.sort(test))


def load(source: str | Path | None = None) -> ImageStore:
    """Open a data set by what a user names: nothing (rendered dSprites), the published archive, or an own .npz.

    An own .npz holds `images` (N, 64, 64) or (N, C, 64, 64) uint8 with C 1 or 3, `factors` (N, K) integers counted from
    0, and `factor_names` (K,).

    Raises:
        DataError: the file is missing, damaged, or does not hold what it must.
        CacheError: the image cache can't be written.
    """
    if source is None:
        return load_dsprites()
    with _npz(Path(source)) as archive:
        is_dsprites = "imgs.npy" in archive.namelist()
    return load_dsprites(source) if is_dsprites else _load_own(Path(source))


def load_dsprites(archive: str | Path | None = None) -> ImageStore:
    """dSprites, rendered from geometry, or from the published archive where its path is given.

    Raises:
        DataError: the archive is missing, damaged, or is not the published one.
        CacheError: the image cache can't be written.
    """
    if archive is None:
        return ImageStore(*open_entry("dsprites-1", _rendered))
    path = Path(archive)
    return ImageStore(*open_entry(f"dsprites-archive-{_fingerprint(path)}", lambda: _published(path)))


def _dsprites_entry(name: str) -> Entry:
    shape = (sprites.IMAGES, 1, sprites.SIZE, sprites.SIZE)
    return Entry(name, shape, True, sprites.FACTOR_NAMES, sprites.FACTOR_SIZES, grid=True)


def _rendered() -> Source:
    def rows() -> Iterator[npt.NDArray[np.uint8]]:
        for start in range(0, sprites.IMAGES, CHUNK):
            indices = np.arange(start, min(start + CHUNK, sprites.IMAGES))
            yield sprites.render_packed(np.stack(np.unravel_index(indices, sprites.FACTOR_SIZES), axis=-1))

    return Source(_dsprites_entry("dsprites"), rows)


def _published(path: Path) -> Source:
    """The published archive. Its `metadata` is a pickle and is never opened."""
    count, side = sprites.IMAGES, sprites.SIZE
    with _npz(path) as archive:
        classes = _array(archive, path, "latents_classes", (count, 6), np.integer)
        _array_header(archive, path, "imgs", (count, side, side), np.uint8)
    grid = np.stack(np.unravel_index(np.arange(count), (1, *sprites.FACTOR_SIZES)), axis=-1)
    if not np.array_equal(classes, grid):
        raise DataError(f"{path}: 'latents_classes' is not in the published archive's order")

    def rows() -> Iterator[npt.NDArray[np.uint8]]:
        for images in _chunks(path, "imgs"):
            if images.max() > 1:
                raise DataError(f"{path}: 'imgs' holds the value {images.max()}; the published archive holds 0 and 1")
            yield np.packbits(images.reshape(len(images), -1), axis=1)

    return Source(_dsprites_entry(path.stem), rows)


def _load_own(path: Path) -> ImageStore:
    return ImageStore(*open_entry(f"images-{_fingerprint(path)}", lambda: _own(path)))


def _own(path: Path) -> Source:
    """A user's own set; kept as bits where all pixels are 0 or 1."""
    with _npz(path) as archive:
        count, *rest = _array_header(archive, path, "images", (None, ...), np.uint8)
        image_shape = (1, *rest) if len(rest) == 2 else tuple(rest)
        if image_shape not in ((1, 64, 64), (3, 64, 64)):
            raise DataError(
                f"{path}: 'images' has shape {(count, *rest)}; expected (N, 64, 64), (N, 1, 64, 64) or (N, 3, 64, 64)"
            )
        if count < 10:
            raise DataError(f"{path}: 'images' holds {count} images; at least 10 are needed")
        factors = _array(archive, path, "factors", (count, None), np.integer).astype(np.int64)
        names = tuple(str(name) for name in _array(archive, path, "factor_names", (factors.shape[1],), np.str_))
    if factors.min(initial=0) < 0:
        raise DataError(f"{path}: 'factors' holds {factors.min()}; factors are indices counted from 0")
    packed = max(int(images.max()) for images in _chunks(path, "images")) <= 1

    def rows() -> Iterator[npt.NDArray[np.uint8]]:
        for images in _chunks(path, "images"):
            flat = images.reshape(len(images), -1)
            yield np.packbits(flat, axis=1) if packed else flat

    sizes = tuple(int(size) for size in factors.max(axis=0) + 1)
    entry = Entry(path.stem, (count, *image_shape), packed, names, sizes, grid=False)
    return Source(entry, rows, factors)


def _npz(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not a readable .npz file ({error}); it may be truncated") from None


def _fingerprint(path: Path) -> str:
    """The first 16 hex digits of the file's SHA-256: the cache's key for its content."""
    _npz(path).close()  # A missing or truncated file is said before it is read through.
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()[:16]


def _array_header(archive: zipfile.ZipFile, path: Path, key: str, shape: tuple, kind: type) -> tuple[int, ...]:
    """Check an array's header without reading it; None in `shape` is any length, a trailing ... any further axes."""
    names = sorted(name.removesuffix(".npy") for name in archive.namelist())
    if f"{key}.npy" not in archive.namelist():
        raise DataError(f"{path}: no array '{key}' in it, only {names}")
    try:
        with archive.open(f"{key}.npy") as member:
            actual, _, dtype = _read_header(member)
    except UNREADABLE as error:
        raise DataError(f"{path}: '{key}' can't be read ({error})") from None
    if dtype.hasobject:
        raise DataError(f"{path}: '{key}' is an array of pickled objects, which is never opened; save it as numbers")
    if not np.issubdtype(dtype, kind):
        raise DataError(f"{path}: '{key}' has dtype {dtype}; expected {kind.__name__}")
    if shape[-1] is ...:
        fits = len(actual) >= len(shape) - 1
    else:
        fits = len(actual) == len(shape) and all(s in (None, a) for s, a in zip(shape, actual, strict=True))
    if not fits:
        expected = "(" + ", ".join("..." if s is ... else "any" if s is None else str(s) for s in shape) + ")"
        raise DataError(f"{path}: '{key}' has shape {actual}; expected {expected}")
    return actual


def _array(archive: zipfile.ZipFile, path: Path, key: str, shape: tuple, kind: type) -> npt.NDArray[np.int64]:
    _array_header(archive, path, key, shape, kind)
    try:
        with archive.open(f"{key}.npy") as member:
            return np.lib.format.read_array(member, allow_pickle=False)
    except UNREADABLE as error:
        raise DataError(f"{path}: '{key}' can't be read ({error})") from None


def _read_header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    major, _ = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    return read(member)


def _chunks(path: Path, key: str) -> Iterator[npt.NDArray[np.uint8]]:
    """The array's images, `CHUNK` at a time: the published archive's 3 GB never lie in memory at once."""
    with _npz(path) as archive, archive.open(f"{key}.npy") as member:
        shape, fortran, dtype = _read_header(member)
        if fortran:
            raise DataError(f"{path}: '{key}' is stored in Fortran order; save it with np.ascontiguousarray")
        row = int(np.prod(shape[1:])) * dtype.itemsize
        for start in range(0, shape[0], CHUNK):
            count = min(CHUNK, shape[0] - start)
            try:
                data = member.read(count * row)
            except UNREADABLE as error:
                raise DataError(f"{path}: '{key}' can't be read ({error})") from None
            if len(data) != count * row:
                raise DataError(f"{path}: '{key}' is truncated")
            yield np.frombuffer(data, dtype).reshape(count, *shape[1:])
