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

from analysis.trials import SCHEMA
from bvae.config import UserError
from bvae.data import ImageStore
from study.space import Settings


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
        "command": sys.argv,
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


def is_known(directory: Path, description: Mapping[str, Any]) -> bool:
    """Whether the study that is described has been begun in a directory.

    Raises:
        StudyError: it holds another study, or something else.
    """
    path = directory / "study.json"
    if path.exists():
        try:
            _refuse_differences(directory, json.loads(path.read_text(encoding="utf-8")), description)
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise StudyError(f"{path} is damaged ({error}); choose another --name") from None
        return True
    if directory.is_dir() and (others := sorted({entry.name for entry in directory.iterdir()} - {".lock"})):
        raise StudyError(f"{directory} holds no study, but {', '.join(others[:3])}; choose another --name")
    return False


def begin(directory: Path, description: Mapping[str, Any]) -> None:
    """Write study.json, whole or not at all."""
    temporary = directory / f".study.json.{os.getpid()}"
    temporary.write_text(json.dumps(description, indent=1), encoding="utf-8")
    os.replace(temporary, directory / "study.json")


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


def _refuse_differences(directory: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    asked = {f"asked.{key}" for key in {*there["asked"], *here["asked"]}}
    pairs = {key: (there["asked"].get(key[6:]), here["asked"].get(key[6:])) for key in asked}
    pairs["data"] = (there["data"]["sha256"], here["data"]["sha256"])
    different = [
        f"{key.removeprefix('asked.')} ({old} there, {new} asked)"
        for key, (old, new) in sorted(pairs.items())
        if old != new
    ]
    if different:
        raise StudyError(
            f"{directory} holds a different study: {'; '.join(different)}; "
            "choose another --name, or ask for the same settings"
        )


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
