"""Packs: trials that one process trains together, and that the scheduler judges as one, by their mean.

What is packed are the seeds of a cell: seeds are noise, over which a scheduler should average and not let them compete.
To Tune a pack is one trial; in the ledger each of its trials stands for itself. Without packs, each trial is its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bvae.config import TrialConfig


def grouped(
    waiting: Sequence[str], trials: Mapping[str, TrialConfig], pack: bool, known: Mapping[str, str]
) -> dict[str, list[str]]:
    """Packs by name, in the order in which their first trials wait; each name is that of a trial.

    Args:
        waiting: the trials to run.
        trials: all trials, by name.
        pack: whether the seeds of a cell go together.
        known: trial -> the pack that it is in already: what was decided on a pack holds for it for ever.
    """
    packs: dict[str, list[str]] = {}
    fresh: dict[TrialConfig, str] = {}
    for name in waiting:
        cell = replace(trials[name], seed=0)
        if name not in known:
            fresh.setdefault(cell, name)
        packs.setdefault(known.get(name) or (fresh[cell] if pack else name), []).append(name)
    return packs


def members_of(assignment: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The trials of a pack: trial_id, trial {TrialConfig fields} and resume of each."""
    return [{key: assignment[key] for key in ("trial_id", "trial", "resume")}, *assignment.get("others", ())]


def with_members(assignment: Mapping[str, Any], members: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The same assignment for these trials of the pack."""
    return {**assignment, **members[0], "others": tuple(members[1:])}


def judged(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What Tune and the scheduler see of a pack: the mean, over those of its trials that did not diverge, of every
    number that they all report; if all diverged, what the first one reports."""
    alive = [report for report in reports if not report.get("diverged")]
    if len(alive) < 2:
        return dict((alive or reports)[0])
    shared = set[str].intersection(*(set(report) for report in alive))
    numbers = [key for key in shared if isinstance(alive[0][key], (int, float))]
    means = {key: math.fsum(report[key] for report in alive) / len(alive) for key in numbers}
    return means | {"step": alive[0]["step"]}
