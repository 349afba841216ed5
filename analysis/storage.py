"""Where a study's files lie: a folder of this machine, one that machines share, or a prefix on an object store.

An object store replaces an object as a whole and shows the new one to everyone at once, but can't append to it or
rename it; `Folder` asks for no more than that of any of them.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bvae.config import UserError


class StorageError(UserError):
    """A place that can't be used for a study's files; the message says which, why and what to do."""


def is_remote(location: str) -> bool:
    """Whether a location is a URI of an object store, as s3://bucket/prefix or gs://bucket/prefix."""
    return "://" in location


class StorageFailedError(StorageError):
    """Storage that failed in the middle of the work: full, unplugged, out of reach. The message says what to do."""


@contextmanager
def on_storage(place: str | Path) -> Iterator[None]:
    """Do what needs the storage.

    Raises:
        StorageFailedError: for any OSError in it.
    """
    try:
        yield
    except OSError as error:
        what = f": {error.filename}" if error.filename else ""
        why = f"{error.strerror}{what}" if error.strerror else str(error)
        raise StorageFailedError(
            f"{place} can't be used any more ({why}). What was written there is whole: "
            "make space, or bring it back, and the same command goes on from there"
        ) from None


class Folder:
    """A folder by its path or URI; files in it are named relative to it, with slashes.

    Attributes:
        location: the absolute path, or the URI.

    Raises:
        StorageError: there is no such kind of storage, or its settings are wrong.
    """

    def __init__(self, location: str | Path) -> None:
        self.location = str(location) if is_remote(str(location)) else str(Path(location).expanduser().resolve())
        self.remote = is_remote(self.location)
        if self.remote:
            import pyarrow as pa
            from pyarrow.fs import FileSystem

            try:
                self._files, self._root = FileSystem.from_uri(self.location.rstrip("/"))
            except (pa.ArrowInvalid, OSError) as error:
                raise StorageError(
                    f"storage is {location}, which can't be opened ({error}); "
                    "choose a folder, or an s3:// or gs:// location that can be reached from here"
                ) from None

    def __truediv__(self, name: str) -> Folder:
        """A folder in this one."""
        return Folder(f"{self.location.rstrip('/')}/{name}")

    def read(self, name: str) -> bytes:
        """A file's content.

        Raises:
            FileNotFoundError: there is no such file.
            OSError: it can't be read.
        """
        if not self.remote:
            return Path(self.location, name).read_bytes()
        with self._files.open_input_stream(f"{self._root}/{name}") as stream:
            return bytes(stream.read())

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole or not at all: a reader sees the old content or the new. The folder itself must exist.

        Raises:
            OSError: it can't be written.
        """
        if self.remote:
            with self._files.open_output_stream(f"{self._root}/{name}") as stream:
                stream.write(content)
            return
        if not os.path.isdir(self.location):  # Unplugged: nobody wants it made anew on the disk below.
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.location)
        path = Path(self.location, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""
        try:
            if self.remote:
                self._files.delete_file(f"{self._root}/{name}")
            else:
                os.unlink(Path(self.location, name))
        except FileNotFoundError:
            pass

    def names(self, under: str = "") -> list[str]:
        """The files in the folder, or in a folder in it, at any depth; sorted. Temporary ones are left out."""
        if not self.remote:
            root = Path(self.location)
            found = (str(path.relative_to(root)) for path in (root / under).rglob("*") if path.is_file())
        else:
            from pyarrow.fs import FileSelector, FileType

            selector = FileSelector(f"{self._root}/{under}".rstrip("/"), recursive=True, allow_not_found=True)
            infos = self._files.get_file_info(selector)
            found = (info.path[len(self._root) + 1 :] for info in infos if info.type == FileType.File)
        return sorted(name for name in found if not name.rpartition("/")[2].startswith("."))
