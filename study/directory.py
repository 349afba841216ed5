"""A study's run directory: study.json, one driver at a time, and never two different studies under one name."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from analysis.events import SCHEMA
from bvae.config import UserError
from bvae.data import ImageStore
from study.space import EXTENDABLE, Settings


class StudyError(UserError):
    """A run directory that can't be used for what was asked; the message says why and what to do."""


def describe(
    name: str, settings: Settings, store: ImageStore, source: str | None, planned: Sequence[str], rungs: Sequence[int],
    objectives: Mapping[str, str],
) -> dict[str, Any]:  # fmt: skip
    """What study.json says: what was asked, and what the numbers depend on."""
    return {
        "schema": SCHEMA,
        "name": name,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "asked": json.loads(json.dumps(asdict(settings))),
        "data": {
            "source": source or "dsprites",
            "factor_names": list(store.space.names),
            "factor_sizes": list(store.space.sizes),
            "images": len(store),
            "channels": store.image_shape[0],
            "sha256": store.sha256,
        },
        "objectives": dict(objectives),
        "rungs": list(rungs),
        "steps": settings.steps,
        "reduction_factor": settings.reduction_factor,
        "planned": list(planned),
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in ("beta-vae-study", "torch", "ray", "numpy")},
        "hardware": {"machine": platform.machine(), "system": platform.system(), "cpus": os.cpu_count()},
        "git_commit": _git_commit(),
        "command": ["python", "-m", "study.run", *sys.argv[1:]],
    }


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Hold a run directory for one driver, creating it if it is new; one in which no study was begun is removed again.

    Raises:
        StudyError: another driver is at work in it, or it can't be written.
    """
    created = not directory.exists()
    lock = FileLock(directory / ".lock", timeout=0)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise StudyError(f"another process is running the study in {directory}; wait for it or stop it") from None
    except OSError as error:
        raise StudyError(
            f"{directory} can't be written ({error.strerror}); choose another --storage or --name"
        ) from None
    try:
        yield
    finally:
        lock.release()
        if created and not (directory / "study.json").exists():
            shutil.rmtree(directory, ignore_errors=True)


def agree(directory: Path, description: Mapping[str, Any], extend: bool = False) -> dict[str, Any]:
    """What study.json has to say so that the study that is described can be run in a directory.

    The description itself where nothing is there yet; what is there where it is the same study; with `extend`, what is
    there with further trials, and under "extended" what was added when, by which program.

    Raises:
        StudyError: the directory holds another study or something else, or nothing that could be extended.
    """
    there = _read(directory)
    if there is None:
        if extend:
            raise StudyError(f"{directory} holds no study that could be extended; leave out --extend to begin one")
        return dict(description)
    try:
        different = _differences(there, description)
        before, after = set(there["planned"]), set(description["planned"])
    except (KeyError, TypeError, AttributeError) as error:
        raise _damaged(directory, error) from None
    if not different and before == after:
        return there
    if refusal := _refusal(different, before, after, extend):
        raise StudyError(f"{directory} holds a different study: {refusal}")
    addition = {
        "time": description["created"],
        "asked": {name: list(pair) for name, pair in different.items()},
        "added": [trial for trial in description["planned"] if trial not in before],
        **{key: description[key] for key in ("versions", "hardware", "git_commit", "command")},
    }
    extended = [*there.get("extended", []), addition]
    return {**there, "asked": description["asked"], "planned": description["planned"], "extended": extended}


def begin(directory: Path, description: Mapping[str, Any]) -> None:
    """Write study.json, whole or not at all; one that says the same already is left alone."""
    if _read(directory) == description:
        return
    temporary = directory / f".study.json.{os.getpid()}"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(description, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, directory / "study.json")
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(storage: Path) -> None:
    """Refuse a storage folder that can't be written, before anything is started.

    Raises:
        StudyError: it can't.
    """
    existing = next(folder for folder in (storage, *storage.parents) if folder.exists())
    if not existing.is_dir():
        raise StudyError(f"storage is {storage}, but {existing} is no folder; choose a folder that can be written")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise StudyError(f"storage is {storage}, but {existing} is not writable; choose a folder that can be written")


def _read(directory: Path) -> dict[str, Any] | None:
    """study.json, or None where nothing is there yet.

    Raises:
        StudyError: it is damaged, or the directory holds something else.
    """
    try:
        found = json.loads((directory / "study.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        names = sorted(entry.name for entry in directory.iterdir()) if directory.is_dir() else []
        # A kill may come before the first study.json has got its name.
        if others := [name for name in names if name != ".lock" and not name.startswith(".study.json.")]:
            raise StudyError(
                f"{directory} holds no study.json, but {', '.join(others[:3])}; choose another --name"
            ) from None
        return None
    except (OSError, ValueError) as error:
        raise _damaged(directory, error) from None
    if not isinstance(found, dict):
        raise _damaged(directory, "it is no JSON object")
    return found


def _damaged(directory: Path, why: object) -> StudyError:
    return StudyError(
        f"{directory / 'study.json'} is damaged ({why}); put back a copy of it, or choose another --name: "
        "nothing beside it was touched"
    )


def _differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What differs between two studies' descriptions, as name -> (there, here)."""
    defaults = json.loads(json.dumps(asdict(Settings())))  # A setting that came later had its default's effect before.
    old, new = defaults | there["asked"], here["asked"]
    pairs = {name: (old.get(name), new.get(name)) for name in sorted({*old, *new})}
    pairs |= {name: (there[name], here[name]) for name in ("objectives", "rungs")}
    pairs["data"] = (there["data"]["sha256"], here["data"]["sha256"])
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _refusal(different: Mapping[str, tuple[Any, Any]], before: set[str], after: set[str], extend: bool) -> str | None:
    """Why the study that is there can't become the one asked for; None where it can."""
    named = "; ".join(f"{name} ({old} there, {new} asked)" for name, (old, new) in different.items())
    if not different:
        return (
            "from the same settings this program plans other trials than the one that began it; "
            "go on with that version, or choose another --name"
        )
    if fixed := [name for name in different if name not in EXTENDABLE]:
        only = f"--extend adds trials and can't change {', '.join(fixed)}: " if extend else ""
        return f"{named}; {only}choose another --name, or ask for the same settings"
    if before - after:
        only = "--extend only adds: name the values that are there, too, or " if extend else ""
        return f"{named}; {only}choose another --name" + ("" if extend else ", or ask for the same settings")
    return None if extend else f"{named}; --extend adds the {len(after - before)} new trials, or choose another --name"


def _git_commit() -> str | None:
    """The commit of this checkout, with + where it has changes; None outside a checkout."""
    folder = Path(__file__).resolve().parent
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True)
        changes = subprocess.run(
            ["git", "status", "--porcelain"], cwd=folder, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() + ("+" if changes.stdout.strip() else "")
