"""ParetoASHA: successive halving that judges a vector of objectives instead of one number.

At each rung a newcomer is ranked among all trials that have reached the rung: by non-dominated sorting, and inside a
front by an epsilon-net, so that what is kept spreads over the front. It goes on if it is in the best
1/reduction_factor. Everything that decides is a pure function; the class only keeps what the rungs have seen.

Sources: Li et al. 2020 (ASHA, the stopping variant), Schmucker et al. 2021 (MO-ASHA with EpsNet), Deb et al. 2002.
Shapes: n trials, m objectives; in the pure functions every objective is to be minimised.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

Vectors = npt.NDArray[np.float64]


class Decision(NamedTuple):
    """Whether a newcomer goes on, and why.

    Attributes:
        keep: whether it goes on.
        rank: from 0, among the `size` trials at the rung, itself included.
        front: from 0; 0 = nobody dominates it.
        size: trials at the rung, the newcomer included.
        reason: one sentence for a person.
        dominated_by: indices into the recorded trials.
    """

    keep: bool
    rank: int
    front: int
    size: int
    reason: str
    dominated_by: tuple[int, ...] = ()


def rungs(grace_period: int, reduction_factor: float, max_t: int) -> list[int]:
    """The steps at which trials are judged: grace_period · reduction_factor^k, below max_t."""
    steps: list[int] = []
    while (rung := int(grace_period * reduction_factor ** len(steps))) < max_t:
        steps.append(rung)
    return steps


def expected_steps(rungs: Sequence[int], max_t: int, reduction_factor: float, done: int = 0) -> float:
    """Further steps of a trial that has done so many, if one in reduction_factor goes on from each rung after that."""
    bounds = [done, *(rung for rung in rungs if rung > done), max_t]
    return sum((after - before) / reduction_factor**k for k, (before, after) in enumerate(pairwise(bounds)))


def decide(newcomer: npt.ArrayLike, recorded: npt.ArrayLike, reduction_factor: float) -> Decision:
    """Judge a newcomer, (m,), against the trials recorded at its rung, (n, m); smaller is better in every objective.

    A vector with a value that is not finite is worse than any finite one and never goes on. While the rung holds fewer
    than reduction_factor trials, everyone finite goes on. Among equals the newcomer comes first, as in ASHA.
    """
    newcomer = np.asarray(newcomer, float)
    recorded = np.asarray(recorded, float).reshape(-1, len(newcomer))
    vectors = np.vstack([newcomer, recorded])
    size, quota = len(vectors), math.ceil(len(vectors) / reduction_factor)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite[0]:
        front = len(fronts_until(vectors[finite], None))
        return Decision(False, size - 1, front, size, "an objective is not finite", tuple(np.flatnonzero(finite[1:])))
    dominators = tuple(int(i) for i in np.flatnonzero(_dominates(recorded, newcomer)))
    layers = fronts_until(vectors[finite], 0)
    better, own = sum(map(len, layers[:-1])), layers[-1]
    ranks = _normalised_ranks(vectors[finite])[own]
    rank = better + spread_order(ranks).index(int(np.flatnonzero(own == 0)[0]))
    place = f"rank {rank + 1} of {size}, front {len(layers)}"
    if size < reduction_factor:
        reason = f"{place}; below {reduction_factor:g} trials all go on"
        return Decision(True, rank, len(layers) - 1, size, reason, dominators)
    reason = f"{place}; the best {quota} {'goes' if quota == 1 else 'go'} on"
    return Decision(rank < quota, rank, len(layers) - 1, size, reason, dominators)


def fronts_until(vectors: Vectors, target: int | None) -> list[npt.NDArray[np.int64]]:
    """Non-dominated fronts of finite vectors, best first, up to the one that holds row `target` (None = all)."""
    rest, layers = np.arange(len(vectors)), []
    while len(rest):
        first = pareto_front(vectors[rest])
        layers.append(rest[first])
        if target is not None and target in layers[-1]:
            break
        rest = rest[~first]
    return layers


def pareto_front(vectors: Vectors) -> npt.NDArray[np.bool_]:
    """Which rows of (n, m) no other row dominates; equal rows do not dominate each other."""
    if vectors.shape[1] > 2:
        return np.array([not _dominates(vectors, vector).any() for vector in vectors], bool)
    x, group = np.unique(vectors[:, 0], return_inverse=True)
    best = np.full(len(x), np.inf)
    np.minimum.at(best, group, vectors[:, -1])
    before = np.concatenate([[np.inf], np.minimum.accumulate(best)[:-1]])  # the best y among all smaller x
    return (vectors[:, -1] < before[group]) & (vectors[:, -1] == best[group])


def spread_order(points: Vectors) -> list[int]:
    """An epsilon-net order of a front's points, (k, m) in [0, 1]: the most balanced first, then always the one farthest
    from all before it. Ties go to the smaller point, then to the earlier row, so that the order is deterministic."""
    order = [min(range(len(points)), key=lambda i: (points[i].max(), points[i].sum(), *points[i], i))]
    distance = np.full(len(points), np.inf)
    while len(order) < len(points):
        distance = np.minimum(distance, np.abs(points - points[order[-1]]).max(axis=1))
        distance[order[-1]] = -1.0
        farthest = np.flatnonzero(distance == distance.max())
        order.append(int(min(farthest, key=lambda i: (*points[i], i))))
    return order


def _dominates(vectors: Vectors, point: Vectors) -> npt.NDArray[np.bool_]:
    """Which rows are nowhere worse than `point` and somewhere better."""
    return np.logical_and((vectors <= point).all(axis=1), (vectors < point).any(axis=1))


def _normalised_ranks(vectors: Vectors) -> Vectors:
    """Each objective replaced by its rank among all rows, scaled to [0, 1]; equal values share a rank.

    Ranks, because the objectives have no common unit: no decision changes when one is scaled or shifted.
    """
    ranks = np.stack([np.unique(column, return_inverse=True)[1] for column in vectors.T], axis=1).astype(float)
    return ranks / np.maximum(ranks.max(axis=0), 1)


class ParetoASHA(FIFOScheduler):
    """A Tune scheduler that stops trials by `decide` at the rungs grace_period · reduction_factor^k below max_t.

    Args:
        objectives: metric name -> "min" or "max"; one to three of them. None may depend on β: trials would not be
            comparable.
        time_attr: the reported key that counts progress, the same for all trials: steps, not seconds.
        max_t: a trial that has reached it is done.
        grace_period: the first rung.
        reduction_factor: one in so many goes on from each rung; above 1.
        key: what to call a trial, for callers whose trials outlive one run of Tune; its Tune id by default.

    Raises:
        ValueError: an argument is outside what is allowed, or a report lacks an objective.
    """

    def __init__(
        self,
        objectives: Mapping[str, str] | None = None,
        time_attr: str = "step",
        max_t: int = 100,
        grace_period: int = 1,
        reduction_factor: float = 3,
        key: Callable[[Trial], str] | None = None,
    ) -> None:
        super().__init__()
        self.objectives = dict(objectives or {"reconstruction": "min", "mig": "max"})
        if not 1 <= len(self.objectives) <= 3 or not set(self.objectives.values()) <= {"min", "max"}:
            raise ValueError(f"objectives is {self.objectives}; it must give one to three metrics, each 'min' or 'max'")
        if not 1 <= grace_period <= max_t:
            raise ValueError(f"grace_period is {grace_period}; it must be from 1 to max_t ({max_t})")
        if not reduction_factor > 1:
            raise ValueError(f"reduction_factor is {reduction_factor}; it must be above 1")
        self.time_attr, self.max_t = time_attr, max_t
        self.reduction_factor = reduction_factor
        self._signs = np.array([1.0 if mode == "min" else -1.0 for mode in self.objectives.values()])
        self._key = key or (lambda trial: trial.trial_id)
        self._recorded: dict[int, dict[str, tuple[float, ...]]] = {
            rung: {} for rung in rungs(grace_period, reduction_factor, max_t)
        }
        self.decisions: dict[tuple[str, int], Decision] = {}  # (trial, rung); dominated_by as names below
        self.dominators: dict[tuple[str, int], list[str]] = {}

    @property
    def rungs(self) -> list[int]:
        """The steps at which trials are judged."""
        return list(self._recorded)

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Refuse a metric and mode of Tune's own: this scheduler judges its `objectives`."""
        if metric or mode:
            raise ValueError(f"metric is {metric!r}; ParetoASHA judges its objectives {self.objectives}: leave it out")
        return super().set_search_properties(metric, mode, **spec)

    def on_trial_result(self, controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Judge a report at a rung; others pass. One that is not finite stops at once, as the next rung's worst."""
        if missing := [name for name in (self.time_attr, *self.objectives) if name not in result]:
            raise ValueError(
                f"trial {self._key(trial)} reported no {', '.join(missing)}; ParetoASHA needs it each time"
            )
        step, values = result[self.time_attr], tuple(float(result[name]) for name in self.objectives)
        if not np.isfinite(values).all():
            rung = next((rung for rung in self.rungs if rung >= step), None)
            if rung is not None:
                self.judge(self._key(trial), rung, values)
            return TrialScheduler.STOP
        if step >= self.max_t:
            return TrialScheduler.STOP
        rung = max((rung for rung in self.rungs if rung <= step), default=None)
        if rung is None or self.judge(self._key(trial), rung, values).keep:
            return TrialScheduler.CONTINUE
        return TrialScheduler.STOP

    def judge(self, trial: str, rung: int, values: tuple[float, ...]) -> Decision:
        """Record a trial at a rung and decide on it; a trial that the rung already knows keeps its decision."""
        if (trial, rung) not in self.decisions:
            recorded = self._recorded[rung]
            names = list(recorded)
            others = np.array([recorded[name] for name in names]).reshape(-1, len(values)) * self._signs
            decision = decide(np.array(values) * self._signs, others, self.reduction_factor)
            recorded[trial] = values
            self.decisions[trial, rung] = decision
            self.dominators[trial, rung] = [names[i] for i in decision.dominated_by]
        return self.decisions[trial, rung]

    def restore_decision(
        self, trial: str, rung: int, values: tuple[float, ...], decision: Decision, dominators: list[str]
    ) -> None:
        """Put back what an earlier run recorded, in the order in which it was recorded."""
        self._recorded[rung][trial] = values
        self.decisions[trial, rung] = decision
        self.dominators[trial, rung] = dominators

    def debug_string(self) -> str:
        """One line for Tune's own status output."""
        return "ParetoASHA: " + ", ".join(f"rung {rung}: {len(seen)}" for rung, seen in self._recorded.items())
