"""Whether a trial goes on from a rung: pure functions of what the trials there have reported.

A newcomer is ranked among all trials that have reached the rung: by non-dominated sorting, and where the quota cuts
through a front by an epsilon-net, so that what is kept spreads over the front. It goes on if it is in the best
1/reduction_factor.

Sources: Li et al. 2020 (ASHA, the stopping variant), Schmucker et al. 2021 (MO-ASHA with EpsNet), Deb et al. 2002.
Shapes: n trials, m objectives from 1 to 3; every objective is to be minimised.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from analysis.front import front_numbers

Vectors = npt.NDArray[np.float64]


class Decision(NamedTuple):
    """Whether a newcomer goes on, and why.

    Attributes:
        keep: whether it goes on.
        rank: from 0, how many of the `size` trials come before it: all on better fronts, and those of its own front
            that the spread puts before it, where the quota cuts that front. Elsewhere a front shares its first rank.
        front: from 0; 0 = nobody dominates it.
        size: trials at the rung, the newcomer included.
        reason: one sentence for a person.
        dominated_by: indices into the recorded trials; once filed, their names.
        audited: stopped by right, but it runs on, so that one learns what stopping would have lost.
    """

    keep: bool
    rank: int
    front: int
    size: int
    reason: str
    dominated_by: tuple[int, ...] | tuple[str, ...] = ()
    audited: bool = False


def rungs(grace_period: int, reduction_factor: float, max_t: int) -> list[int]:
    """The steps at which trials are judged: grace_period · reduction_factor^k, below max_t."""
    most = math.ceil(math.log(max_t / grace_period) / math.log(reduction_factor))
    steps = {int(grace_period * reduction_factor**k) for k in range(most + 1)}
    return sorted(step for step in steps if step < max_t)


def expected_steps(rungs: Sequence[int], max_t: int, reduction_factor: float, done: int = 0) -> float:
    """Further steps of a trial that has done so many, if one in reduction_factor goes on from each rung after that."""
    bounds = [done, *(rung for rung in rungs if rung > done), max_t]
    return sum((after - before) / reduction_factor**k for k, (before, after) in enumerate(pairwise(bounds)))


def decide(
    newcomer: npt.ArrayLike,
    recorded: npt.ArrayLike,
    reduction_factor: float,
    fronts: npt.NDArray[np.int64] | None = None,
) -> Decision:
    """Judge a newcomer, (m,), against the trials recorded at its rung, (n, m); smaller is better in every objective.

    `fronts`, (n,), are the front numbers of those recorded, -1 where not finite, if somebody has kept them.

    A vector with a value that is not finite is worse than any finite one and never goes on. While the rung holds fewer
    than reduction_factor trials, everyone finite goes on. Among equals the newcomer comes first, as in ASHA.
    """
    newcomer = np.asarray(newcomer, float)
    recorded = np.asarray(recorded, float).reshape(-1, len(newcomer))
    size, quota = len(recorded) + 1, math.ceil((len(recorded) + 1) / reduction_factor)
    if fronts is None:
        finite = np.isfinite(recorded).all(axis=1)
        fronts = np.full(len(recorded), -1)
        fronts[finite] = front_numbers(recorded[finite])
    finite = fronts >= 0
    if not np.isfinite(newcomer).all():
        front = int(fronts.max(initial=-1)) + 1
        return Decision(False, size - 1, front, size, "an objective is not finite", _indices(finite))
    dominators = finite & dominates(recorded, newcomer)
    front = int(fronts[dominators].max(initial=-1)) + 1
    # Whoever is dominated by the newcomer is on no earlier front than it is, and will be on a later one: the newcomer
    # moves nobody on an earlier front.
    rank, own = int((finite & (fronts < front)).sum()), np.flatnonzero(fronts == front)
    own = own[~dominates(newcomer, recorded[own])]
    if rank < quota < rank + 1 + len(own):
        places = _normalised_ranks(np.vstack([newcomer, recorded[finite]]))
        among = np.cumsum(finite)[own]  # the rows of `places`, of which the newcomer's is the first
        rank += spread_place(places[[0, *among]])
    place = f"rank {rank + 1} of {size}, front {front + 1}"
    if size < reduction_factor:
        keep, reason = True, f"{place}; below {reduction_factor:g} trials all go on"
    else:
        keep, reason = rank < quota, f"{place}; the best {quota} {'goes' if quota == 1 else 'go'} on"
    return Decision(keep, rank, front, size, reason, _indices(dominators))


def spread_place(points: Vectors) -> int:
    """The place, from 0, of the first of a front's points, (k, m) in [0, 1], in an epsilon-net order.

    That order takes the most balanced first, then always the one farthest from all before it. Ties go to the smaller
    point, then to the earlier row, so that it is deterministic.
    """
    order = np.lexsort(points.T[::-1])  # Stable, so the first of several farthest is the one that ties go to.
    columns, first = points[order].T.copy(), int(np.flatnonzero(order == 0)[0])
    chosen = int(np.lexsort((columns.sum(axis=0), columns.max(axis=0)))[0])
    distance, place = np.full(len(points), np.inf), 0
    while chosen != first:
        gap = np.maximum.reduce([np.abs(column - column[chosen]) for column in columns])
        distance = np.minimum(distance, gap)
        distance[chosen] = -1.0
        chosen = int(np.argmax(distance))
        place += 1
    return place


def dominates(better: Vectors, worse: Vectors) -> npt.NDArray[np.bool_]:
    """Where one vector is nowhere worse than the other and somewhere better; (n, m) against (m,), or the other way."""
    columns = list(zip(better.T, worse.T, strict=True))  # Much faster than row by row.
    nowhere_worse = np.logical_and.reduce([one <= other for one, other in columns])
    return np.logical_and(nowhere_worse, np.logical_or.reduce([one < other for one, other in columns]))


def _normalised_ranks(vectors: Vectors) -> Vectors:
    """Each objective replaced by its rank among all rows, scaled to [0, 1]; equal values share a rank.

    Ranks, because the objectives have no common unit: no decision changes when one is scaled or shifted.
    """
    ranks = np.stack([np.unique(column, return_inverse=True)[1] for column in vectors.T], axis=1).astype(float)
    return ranks / np.maximum(ranks.max(axis=0), 1)


def _indices(which: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(np.flatnonzero(which).tolist())
