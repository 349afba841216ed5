"""What trials took and cost, by the ledger's clock: from each start to the last event before the next start or the end.

A lane's time counts in the unit of its device: cores on the CPU lane, GPUs on the GPU lane, so that four trials that
share one GPU for an hour took one GPU hour together. What a crash or an interruption cut off is not in the ledger and
not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

COLUMNS = ("device_seconds", "cost", "saved_device_seconds", "saved_cost", "audit_device_seconds")


def spending(events: Iterable[Mapping[str, Any]], trials: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Time and cost of each trial.

    Args:
        events: a ledger's, oldest first.
        trials: trial id -> status, step and config of those that started.

    Returns:
        trial id -> device_seconds and cost; saved_device_seconds and saved_cost: what a stopped trial would have taken
        besides, at its own pace, 0 for others; audit_device_seconds: the part of device_seconds that a trial took after
        it would have been stopped, had it not been audited. Costs are None without a price list.
    """
    spent = {trial_id: {"device_seconds": 0.0, "cost": None, "audit_device_seconds": 0.0} for trial_id in trials}
    audited: set[str] = set()
    running: dict[str, tuple[float, float | None]] = {}  # trial -> time of its last event, cost per hour
    shares: dict[str, float] = {}
    for e in events:
        trial_id, now = e["trial_id"], e["time"]
        if e["event"] == "trial_started":
            resources = e["resources"] or {}
            shares[trial_id] = resources.get("GPU") or resources.get("CPU") or 1.0
            running[trial_id] = now, e["cost_per_hour"]
            continue
        if trial_id not in running:
            continue  # Of a trial that never started: `analysis.trials` says so.
        before, rate = running[trial_id]
        elapsed, of = max(0.0, now - before), spent[trial_id]
        of["device_seconds"] += elapsed * shares[trial_id]
        if trial_id in audited:
            of["audit_device_seconds"] += elapsed * shares[trial_id]
        elif e["event"] == "decision" and e["audited"]:
            audited.add(trial_id)
        if rate is not None:
            of["cost"] = (of["cost"] or 0.0) + elapsed / 3600 * rate
        running[trial_id] = now, rate
    return {trial_id: {**of, **_saved(of, trials[trial_id])} for trial_id, of in spent.items()}


def _saved(spent: Mapping[str, Any], trial: Mapping[str, Any]) -> dict[str, Any]:
    done, steps = trial["step"], trial["config"].get("steps", 0)
    left = (steps - done) / done if trial["status"] == "stopped" and 0 < done < steps else 0.0
    cost = spent["cost"]
    return {
        "saved_device_seconds": spent["device_seconds"] * left,
        "saved_cost": None if cost is None else cost * left,
    }
