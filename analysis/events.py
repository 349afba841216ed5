"""The ledger: what happens in a study, written down event by event.

The ledger (`ledger.jsonl`) is the truth of a study: append-only JSON lines, one event a line, each with `schema`,
`event`, `time` (unix seconds) and `trial_id`. Ranking, dashboard and resuming need only it, `study.json` and the
checkpoints.

    trial_started  attempt, config {TrialConfig fields}, device that was assigned, node, resumed_step, lane, resources
                   {"CPU": cores, "GPU": share}, cost_per_hour (of this trial, or null), pack (the trial by whose name
                   it is judged with others, or null); these four are null where they are missing
    report         step, metrics {name: number, null when not finite, or lists of numbers}, device that was trained on
                   (null where it is missing)
    decision       step, rung, keep, rank, front, size, reason, dominated_by [trial ids, ten at most], audited (not
                   kept, but runs on, to learn what stopping it would have lost; false where it is missing), judged
                   {objective: a pack's mean}, null where it was the trial's own report
    checkpoint     step, path (relative to the run directory)
    failure        step, attempt, error
    trial_ended    step, status: one of ENDED

Metrics without a prefix are those of the validation split; a prefix says what else was looked at:

    train_              means over the training batches since the last report
    test_               the test split: reported, picks nothing; at a trial's last step only, as the next two
    sampled_            one sample of each posterior instead of its mean
    without_duplicate_  the cheap metrics without dSprites' orientation 39, which repeats orientation 0

"mig/scale" is the part of MIG that the factor scale has; at a trial's last step every score has its parts, where it has
any. `kl_per_latent` is a list over latents, `mutual_information` a list over latents of lists over factors, in nats and
to three decimals: what MIG is made of. Likelihoods are in nats per image.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

SCHEMA = 1
FIELDS: dict[str, tuple[str, ...]] = {
    "trial_started": (
        "attempt",
        "config",
        "device",
        "node",
        "resumed_step",
        "lane",
        "resources",
        "cost_per_hour",
        "pack",
    ),
    "report": ("step", "metrics", "device"),
    "decision": ("step", "rung", "keep", "rank", "front", "size", "reason", "dominated_by", "audited", "judged"),
    "checkpoint": ("step", "path"),
    "failure": ("step", "attempt", "error"),
    "trial_ended": ("step", "status"),
}
# of fields that older ledgers lack
DEFAULTS: dict[str, dict[str, Any]] = {
    "trial_started": {"lane": None, "resources": None, "cost_per_hour": None, "pack": None},
    "report": {"device": None},
    "decision": {"audited": False, "judged": None},
}
ENDED = ("finished", "stopped", "diverged", "failed")

log = logging.getLogger(__name__)


class RunDirectoryError(ValueError):
    """A folder that is not a study's run directory, or whose files can't be read; the message says which and why."""


def event(kind: str, trial_id: str, **fields: Any) -> dict[str, Any]:
    """One ledger event, checked against the schema and stamped with the time.

    Raises:
        ValueError: the kind is unknown, or its fields are not exactly those of the schema.
    """
    fields = DEFAULTS.get(kind, {}) | fields
    if set(fields) != set(FIELDS[kind]):
        raise ValueError(f"a {kind} event has the fields {sorted(FIELDS[kind])}, got {sorted(fields)}")
    return {"schema": SCHEMA, "event": kind, "time": round(time.time(), 3), "trial_id": trial_id, **fields}


def append(ledger: Path, events: Iterable[Mapping[str, Any]]) -> None:
    """Append events in one write: a reader or a crash sees whole lines or, at worst, one torn last line.

    The lines are with the system when this returns, and survive the death of the process. They are not forced to the
    disk: what a power cut takes from the end of a ledger is done again from the checkpoints.

    Raises:
        OSError: they can't be written, and none of them was: the disk is full or gone.
    """
    lines = "".join(json.dumps(_finite(e), allow_nan=False, separators=(",", ":")) + "\n" for e in events)
    if not lines:
        return
    descriptor = os.open(ledger, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            lines = "\n" + lines  # A crash tore the last line: close it, so that it alone is lost.
        data = memoryview(lines.encode())
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def cut_torn_line(ledger: Path) -> None:
    """Cut off a last line that a crash tore, so that readers miss it once and not for ever; for a ledger's only writer.

    Raises:
        OSError: it can't be written.
    """
    content = ledger.read_bytes()
    whole, torn = content[: content.rfind(b"\n") + 1], content[content.rfind(b"\n") + 1 :]
    if torn and _event_in(torn) is None:
        os.truncate(ledger, len(whole))


def read_ledger(ledger: Path) -> list[dict[str, Any]]:
    """All events of a ledger, oldest first; it may be written to meanwhile.

    Lines that are not whole events are left out, with a notice that names the line: a crash may tear the last one, and
    of one that was damaged later nothing but itself is lost.

    Raises:
        RunDirectoryError: a newer program wrote it.
        OSError: it can't be read.
    """
    events = []
    lines = _settled(ledger).split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if (entry := _event_in(line)) is None:
            what = "the last line is torn" if number == len(lines) else "not an event of this project"
            log.warning("%s, line %d is left out: %s", ledger, number, what)
            continue
        if entry["schema"] > SCHEMA:
            raise RunDirectoryError(
                f"{ledger}, line {number}: schema {entry['schema']} is newer than this program's {SCHEMA}; "
                "update the program"
            )
        events.append(entry)
    return events


def _settled(ledger: Path) -> bytes:
    """The file's bytes; of a last line that is being written just now, its end is waited for."""
    content = ledger.read_bytes()
    while content and not content.endswith(b"\n"):
        time.sleep(0.02)
        if (again := ledger.read_bytes()) == content:
            break
        content = again
    return content


def _event_in(line: bytes) -> dict[str, Any] | None:
    """The event that a line holds; None if it is not a whole one."""
    try:
        entry = json.loads(line)
        # What a newer program calls a whole event isn't for this one to say.
        defaults = DEFAULTS.get(entry.get("event"), {})
        whole = entry["schema"] > SCHEMA or {"time", "trial_id", *FIELDS[entry["event"]]} <= {*entry, *defaults}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return defaults | entry if whole else None


def _finite(value: Any) -> Any:
    """The same value with null for every number that strict JSON can't hold."""
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
