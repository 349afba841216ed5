"""A run directory at hand: the folder itself, or, of one on an object store, a copy of its small files.

An object store can't append, so the ledger lies there in pieces, `ledger/000000.jsonl`, `ledger/000001.jsonl`, ...:
whole lines each, in order. Only the last piece ever changes, and no piece grows far beyond `PIECE` bytes: what is sent
for one more event does not grow with the study.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from analysis.codes import CODES_FILE
from analysis.events import RunDirectoryError
from analysis.storage import Folder, StorageError
from analysis.yardsticks import FILE as YARDSTICKS
from bvae.config import UserError

PIECE = 1 << 20  # bytes of ledger that are sent anew for an event, at most
LEDGER = "ledger.jsonl"
AT_ONCE = 16  # transfers side by side: an object store answers slowly, but many at a time


class WorkingCopy:
    """A run directory as this machine works on it.

    Attributes:
        folder: where the study is kept.
        directory: where its files are read and written; the same place, unless that is an object store.
    """

    def __init__(self, folder: Folder, directory: Path) -> None:
        self.folder, self.directory = folder, directory
        self._piece, self._sent, self._start = 0, 0, 0  # the last piece, and where in the ledger it ends and starts
        self._seen: dict[str, int] = {}

    def fetch(self, name: str | Path) -> None:
        """Have a file at hand as it is now, if it is one of the study's; by its name there or its path here.
        Checkpoints are fetched only one by one, when wanted."""
        path = self.directory / name
        if not self.folder.remote or not path.is_relative_to(self.directory):
            return
        try:
            content = self.folder.read(path.relative_to(self.directory).as_posix())
        except FileNotFoundError:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def fetch_all(self) -> None:
        """Have study.json, the ledger and what a report builds on at hand.

        Raises:
            StorageError: the object store can't be read.
        """
        if not self.folder.remote:
            return
        try:
            self._fetch_all()
        except OSError as error:
            where = self.folder.location
            raise StorageError(f"{where} can't be read ({error}); check its name and your access") from None

    def _fetch_all(self) -> None:
        drawn = [name for name in self.folder.names("report") if "/sheets/" in name or name.endswith("/trial.json")]
        codes = [name for name in self.folder.names("checkpoints") if name.endswith(f"/{CODES_FILE}")]
        pieces = self.folder.names("ledger")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self.fetch, ["study.json", YARDSTICKS, *drawn, *codes]))
            contents = list(pool.map(self.folder.read, pieces))
        if contents:
            (self.directory / LEDGER).write_bytes(b"".join(contents))
            self._piece = int(Path(pieces[-1]).stem)
            self._sent = sum(map(len, contents))
            self._start = self._sent - len(contents[-1])
        self._seen = self._files()

    def send_ledger(self) -> None:
        """Send what the ledger has more than what was sent.

        Raises:
            OSError: the object store can't be reached or refuses; the next call sends it.
        """
        ledger = self.directory / LEDGER
        if not self.folder.remote or not ledger.exists() or ledger.stat().st_size == self._sent:
            return
        if self._sent - self._start >= PIECE:
            self._piece, self._start = self._piece + 1, self._sent
        with open(ledger, "rb") as file:
            file.seek(self._start)
            content = file.read()
        content = content[: content.rfind(b"\n") + 1]  # The writer may be at it.
        self.folder.write(f"ledger/{self._piece:06d}.jsonl", content)
        self._sent = self._start + len(content)

    def send_all(self) -> None:
        """Send the ledger and all other files that have changed since they were fetched or sent.

        Raises:
            OSError: the object store can't be reached or refuses.
        """
        if not self.folder.remote:
            return
        self.send_ledger()
        files = self._files()
        changed = [name for name, stamp in files.items() if self._seen.get(name) != stamp]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda name: self.folder.write(name, (self.directory / name).read_bytes()), changed))
        ranks = {name.split("/")[2] for name in files if name.startswith("report/gif/")}
        for name in self.folder.names("report/gif"):
            if name.split("/")[2] not in ranks:  # Of a rank that no longer exists.
                self.folder.delete(name)
        self._seen = files

    def shown(self, path: Path) -> str:
        """What a person calls a file of it."""
        if self.folder.remote:
            return f"{self.folder.location}/{path.relative_to(self.directory)}"
        return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)

    def _files(self) -> dict[str, int]:
        """Name -> time of change, of all but the ledger, checkpoints and hidden files."""
        files = {path.relative_to(self.directory): path for path in self.directory.rglob("*") if path.is_file()}
        return {
            str(name): path.stat().st_mtime_ns
            for name, path in files.items()
            if name.parts[0] not in (LEDGER, "checkpoints") and not name.name.startswith(".")
        }


@contextmanager
def working_copy(location: str | Path) -> Iterator[WorkingCopy]:
    """Have a run directory at hand, by its path or URI: a copy starts empty and goes away again.

    Raises:
        StorageError: the storage can't be opened. What a person is told of a copy's files names where they are kept.
    """
    folder = Folder(location)
    if not folder.remote:
        yield WorkingCopy(folder, Path(folder.location))
        return
    with tempfile.TemporaryDirectory(prefix="study-", ignore_cleanup_errors=True) as directory:
        try:
            yield WorkingCopy(folder, Path(directory))
        except (UserError, RunDirectoryError) as error:
            raise type(error)(str(error).replace(directory, folder.location)) from None
