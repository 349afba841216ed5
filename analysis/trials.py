"""A run directory read back as tables, and the score table written from them."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.events import FIELDS, SCHEMA, RunDirectoryError, read_ledger
from analysis.spending import spending
from analysis.yardsticks import read_yardsticks

UNITS = {
    "loss": "nats per image",
    "elbo": "nats per image",
    "reconstruction": "nats per image",
    "kl": "nats per image",
    "kl_per_latent": "nats per image",
    "mutual_information": "nats",
    "seconds": "s",
    "images_per_second": "1/s",
    "step": "gradient steps",
    "device_seconds": "s of one core or one GPU",
    "saved_device_seconds": "s of one core or one GPU",
    "audit_device_seconds": "s of one core or one GPU",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Study:
    """What a run directory holds, as tables.

    Attributes:
        directory: the run directory.
        info: study.json.
        trials: one row per trial: trial_id, the config's fields, status (ENDED or "unfinished"), step (last reported),
            attempts, lane, device, node, started (unix seconds), error, checkpoint (path of the last, or None), and
            the columns of `analysis.spending`.
        scores: one row per (trial, step), the last report of that step: trial_id, status, the config's fields, step,
            metrics.
        decisions: one row per scheduler decision: trial_id, step, rung, keep, rank, front, size, reason, dominated_by,
            audited.
        yardsticks: the null and ceiling rows, as `analysis.yardsticks.read_yardsticks` gives them.
    """

    directory: Path
    info: dict[str, Any]
    trials: pd.DataFrame
    scores: pd.DataFrame
    decisions: pd.DataFrame
    yardsticks: pd.DataFrame


def read_study(directory: str | Path) -> Study:
    """Read a run directory.

    Raises:
        RunDirectoryError: there is no readable study.json and ledger.jsonl in it.
    """
    directory = Path(directory)
    try:
        info = json.loads((directory / "study.json").read_text(encoding="utf-8"))
        events = read_ledger(directory / "ledger.jsonl")
    except FileNotFoundError as error:
        raise RunDirectoryError(
            f"{directory} is not a study's run directory: it has no {Path(error.filename).name}"
        ) from None
    except (OSError, ValueError) as error:
        if isinstance(error, RunDirectoryError):
            raise
        raise RunDirectoryError(f"{directory} can't be read: {error}") from None
    trials = _trials(events)
    reports: dict[tuple[str, int], dict[str, Any]] = {}
    for e in events:
        if e["event"] == "report":  # A retried step is reported again: the last report of a step counts.
            reports[e["trial_id"], e["step"]] = e["metrics"]
    rows = [
        {
            "trial_id": trial_id,
            "status": trials[trial_id]["status"],
            **trials[trial_id]["config"],
            "step": step,
            **metrics,
        }
        for (trial_id, step), metrics in sorted(reports.items())
        if trial_id in trials
    ]
    scores = pd.DataFrame(rows, columns=None if rows else ["trial_id", "status", "step"])
    decisions = [{k: e[k] for k in ("trial_id", *FIELDS["decision"])} for e in events if e["event"] == "decision"]
    return Study(
        directory,
        info,
        pd.DataFrame([{**t.pop("config"), **t} for t in (dict(t) for t in trials.values())]),
        scores,
        pd.DataFrame(decisions, columns=["trial_id", *FIELDS["decision"]]),
        read_yardsticks(directory),
    )


def write_scores(study: Study, path: Path) -> None:
    """Write the score table as parquet, with the units of its columns in the schema's metadata, atomically."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(study.scores, preserve_index=False)
    fields = [
        field.with_metadata({"unit": UNITS[name]})
        if (name := field.name.removeprefix("test_").removeprefix("train_")) in UNITS
        else field
        for field in table.schema
    ]
    table = table.cast(pa.schema(fields, metadata={"study": study.info["name"], "schema": str(SCHEMA)}))
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(table, temporary)
    os.replace(temporary, path)


def _trials(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The state of each trial after all events, in the order of their first start."""
    trials: dict[str, dict[str, Any]] = {}
    strangers: set[str] = set()
    for e in events:
        kind, trial_id = e["event"], e["trial_id"]
        if kind == "trial_started":
            first = trials.get(trial_id, {"started": e["time"], "step": 0, "checkpoint": None, "error": None})
            trials[trial_id] = first | {
                "trial_id": trial_id,
                "config": e["config"],
                "status": "unfinished",
                "attempts": first.get("attempts", 0) + 1,
                "lane": e["lane"] or ("gpu" if e["device"] == "cuda" else "cpu"),
                "device": e["device"],
                "node": e["node"],
            }
        elif trial_id not in trials:
            if trial_id not in strangers:
                log.warning("events of trial %s before its start, the first a %s, are left out", trial_id, kind)
            strangers.add(trial_id)
        elif kind == "report":
            trials[trial_id]["step"] = e["step"]
            trials[trial_id]["device"] = e["device"] or trials[trial_id]["device"]
        elif kind == "checkpoint":
            trials[trial_id]["checkpoint"] = e["path"]
        elif kind == "failure":
            trials[trial_id]["error"] = e["error"]
        elif kind == "trial_ended":
            trials[trial_id]["status"] = e["status"]
    for trial_id, spent in spending(events, trials).items():
        trials[trial_id] |= spent
    return trials


def last_line(error: Any) -> str:
    """What went wrong, in the last line of an error's traceback; nothing where nothing did."""
    return error.strip().splitlines()[-1] if isinstance(error, str) and error.strip() else ""
