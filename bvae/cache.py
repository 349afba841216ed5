"""The image cache: each data set once per machine, written whole or not at all, shared by all trials as a memory map.

An entry is a folder with `images.bin` (rows of bytes, or of bits when all values are 0 or 1), `factors.npy` when the
factors are no full grid, and `entry.json` with the shape and a SHA-256 of the images. It is built in a temporary folder
and renamed; one process builds, the others wait for it; opening checks length and checksum, and a damaged entry is
built anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import platformdirs
from filelock import FileLock

from bvae.config import UserError

log = logging.getLogger(__name__)


class CacheError(UserError):
    """The cache folder can't be used; the message says which folder, why and what to do."""


@dataclass(frozen=True)
class Entry:
    """What `entry.json` says.

    Attributes:
        name: what a person calls the data set.
        shape: (N, C, H, W).
        packed: whether a row holds bits (`np.packbits`) instead of bytes.
        factor_names, factor_sizes: (K,) each.
        grid: whether image i has the factors `unravel_index(i, factor_sizes)`; otherwise they lie in `factors.npy`.
        sha256: of `images.bin`.
    """

    name: str
    shape: tuple[int, int, int, int]
    packed: bool
    factor_names: tuple[str, ...]
    factor_sizes: tuple[int, ...]
    grid: bool
    sha256: str = ""

    @property
    def row_bytes(self) -> int:
        """Bytes of one image in `images.bin`."""
        pixels = int(np.prod(self.shape[1:]))
        return -(-pixels // 8) if self.packed else pixels


@dataclass(frozen=True)
class Source:
    """How to build an entry: what it is, its images as rows of `row_bytes` in chunks, its factors if no grid."""

    entry: Entry
    rows: Callable[[], Iterable[npt.NDArray[np.uint8]]]
    factors: npt.NDArray[np.int64] | None = None


def cache_folder() -> Path:
    """`BVAE_CACHE`, or the platform's cache folder."""
    return Path(os.environ.get("BVAE_CACHE") or platformdirs.user_cache_dir("bvae"))


def open_entry(
    key: str, source: Callable[[], Source]
) -> tuple[Entry, npt.NDArray[np.uint8], npt.NDArray[np.int64] | None]:
    """Open an entry, building it first where it is missing or damaged.

    Args:
        key: the entry's folder name: it must change whenever the content does.
        source: called only when the entry must be built.

    Returns:
        The entry, its images (N, row_bytes) as a read-only memory map, and its factors (N, K), or None for a full grid.

    Raises:
        CacheError: the cache folder can't be written, or the disk is full.
    """
    folder = cache_folder() / key
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if folder.exists() and (damage := _damage(folder)):
                log.warning("The cached images in %s are damaged (%s): building them anew.", folder, damage)
                shutil.rmtree(folder)
            if not folder.exists():
                _build(folder, source())
    except OSError as error:
        raise CacheError(
            f"the image cache {folder.parent} can't be used ({error.strerror or error}); "
            "set BVAE_CACHE to a folder with room and write access"
        ) from error
    entry = _read(folder)
    images = np.memmap(folder / "images.bin", np.uint8, "r", shape=(entry.shape[0], entry.row_bytes))
    factors = None if entry.grid else np.load(folder / "factors.npy", allow_pickle=False)
    return entry, images, factors


def _read(folder: Path) -> Entry:
    fields: dict[str, Any] = json.loads((folder / "entry.json").read_text(encoding="utf-8"))
    lists: dict[str, Any] = {key: tuple(value) for key, value in fields.items() if isinstance(value, list)}
    return Entry(**(fields | lists))


def _damage(folder: Path) -> str | None:
    """What is wrong with an entry, or None."""
    try:
        entry = _read(folder)
        expected, actual = entry.shape[0] * entry.row_bytes, (folder / "images.bin").stat().st_size
        if actual != expected:
            return f"{actual:,} bytes instead of {expected:,}"
        with open(folder / "images.bin", "rb") as file:
            digest = hashlib.file_digest(file, "sha256") if hasattr(hashlib, "file_digest") else _digest(file)
        if digest.hexdigest() != entry.sha256:
            return "the checksum differs"
        if not entry.grid:
            np.load(folder / "factors.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        return str(error)
    return None


def _digest(file):  # type: ignore[no-untyped-def]
    """`hashlib.file_digest`, which Python 3.10 lacks."""
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest


def _build(folder: Path, source: Source) -> None:
    """Write an entry into a temporary folder beside its place, then rename it."""
    temporary = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        digest = hashlib.sha256()
        with open(temporary / "images.bin", "wb") as file:
            for rows in source.rows():
                digest.update(rows.tobytes())
                file.write(rows.tobytes())
            file.flush()
            os.fsync(file.fileno())
        if source.factors is not None:
            np.save(temporary / "factors.npy", source.factors, allow_pickle=False)
        fields = asdict(source.entry) | {"sha256": digest.hexdigest()}
        (temporary / "entry.json").write_text(json.dumps(fields, indent=1), encoding="utf-8")
        os.rename(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
