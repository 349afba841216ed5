"""How much of the full grid's front each scheduler finds, for how much of its cost, on learning curves in a table.

    python -m benchmarks.scheduler [--orders 100] [--workers 4]

Trials start in a random order on so many workers, each trial a little faster or slower, and report as their curves say;
the scheduler under test is the class itself, called as Tune would. What counts as found is what a study ranks: the ends
of the trials that finished. Cost is the time that workers were busy. Shown is the hypervolume of what was found after a
part of the full grid's cost, in per cent of the full grid's: median and quartiles over the orders. The reference point
is the worst end of all in each objective.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler

from analysis.front import hypervolume
from benchmarks.learning_curves import RECORDED, finished_curves, made_curves
from study.decision import rungs
from study.pareto_asha import ParetoASHA
from study.rehearsal import Reports, rehearse

RESULTS = Path(__file__).parents[1] / "results"
OBJECTIVES = {"reconstruction": "min", "mig": "max"}
BUDGETS = (0.25, 1 / 3, 0.5, 1.0)
FACTOR = 3


class RandomStopping(FIFOScheduler):
    """At each rung, one trial in FACTOR goes on, whatever it has reported."""

    def __init__(self, grace: int, steps: int, seed: int) -> None:
        super().__init__()
        self._rungs, self._generator = rungs(grace, FACTOR, steps), np.random.default_rng(seed)

    def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Draw at rungs."""
        stops = result["step"] in self._rungs and self._generator.random() > 1 / FACTOR
        return TrialScheduler.STOP if stops else TrialScheduler.CONTINUE


def schedulers(grace: int, steps: int) -> dict[str, Callable[[int], FIFOScheduler]]:
    """Name -> how to make the scheduler for an order's seed; `grace` is the first rung, `steps` a trial's end."""
    rules: dict[str, Any] = {"max_t": steps, "grace_period": grace, "reduction_factor": FACTOR}
    cells = ("beta", "latent_dim")

    def pareto(**options: Any) -> Callable[[int], FIFOScheduler]:
        return lambda seed: ParetoASHA(OBJECTIVES, **rules, seed=seed, **options)

    return {
        "ParetoASHA": pareto(),
        "ParetoASHA, 2 brackets": pareto(brackets=2),
        "ParetoASHA, strata by β": pareto(strata=("beta",)),
        "ParetoASHA, soft to the end": pareto(cells=cells, soft_until=steps),
        "Ray's ASHA on reconstruction": lambda seed: AsyncHyperBandScheduler("step", "reconstruction", "min", **rules),
        "Ray's ASHA on MIG": lambda seed: AsyncHyperBandScheduler("step", "mig", "max", **rules),
        "random stopping": lambda seed: RandomStopping(grace, steps, seed),
        "no stopping": lambda seed: FIFOScheduler(),
    }


class Outcome(NamedTuple):
    """The ends of the trials that finished, (n, 2), what had been spent when each did, (n,), and what was in all."""

    ends: np.ndarray
    spent: np.ndarray
    cost: float


def simulate(
    reports: Mapping[str, list[dict[str, Any]]],
    order: list[str],
    scheduler: FIFOScheduler,
    slowness: np.ndarray,
    workers: int,
) -> Outcome:
    """Run the trials in an order on so many workers; each trial has its reports and its own slowness."""
    trials = [
        Reports(SimpleNamespace(trial_id=name, config=reports[name][0]), reports[name], slow)
        for name, slow in zip(order, slowness.tolist(), strict=True)
    ]
    ends = rehearse(trials, workers, scheduler)
    values = np.array([[end.result[objective] for objective in OBJECTIVES] for end in ends])
    finished, began, ended = np.array([(end.finished, end.began, end.ended) for end in ends]).T
    spent = (np.minimum(ended, ended[:, None]) - np.minimum(began, ended[:, None])).sum(axis=1)
    return Outcome(values[finished > 0], spent[finished > 0], spent[-1])


def found(outcome: Outcome, grid: np.ndarray, full_cost: float) -> list[float]:
    """The hypervolume of what had finished at each of BUDGETS, in per cent of the full grid's."""
    modes, reference = list(OBJECTIVES.values()), [grid[:, 0].max(), grid[:, 1].min()]
    whole = hypervolume(grid, modes, reference)
    known = [outcome.ends[outcome.spent <= budget * full_cost * (1 + 1e-9)] for budget in BUDGETS]
    return [100 * hypervolume(ends, modes, reference) / whole for ends in known]


def compare(make: Callable[[int], pd.DataFrame], workers: int, orders: int) -> dict[str, np.ndarray]:
    """Scheduler -> (orders, budgets + 2): what was found at each budget, the cost in per cent, finished trials."""
    grace, steps = (int(step) for step in (make(0)["step"].min(), make(0)["step"].max()))
    rows: dict[str, list[list[float]]] = {name: [] for name in schedulers(grace, steps)}
    for seed in range(orders):
        table = make(seed)
        reports: dict[str, list[dict[str, Any]]] = {}
        for report in table.sort_values("step").to_dict("records"):
            reports.setdefault(report["trial_id"], []).append(report)
        grid = table[table["step"] == steps][[*OBJECTIVES]].to_numpy(float)
        generator = np.random.default_rng(seed)
        order, slowness = [*generator.permutation(sorted(reports))], np.exp(generator.normal(0, 0.05, len(reports)))
        full = simulate(reports, order, FIFOScheduler(), slowness, workers).cost
        for name, scheduler in schedulers(grace, steps).items():
            outcome = simulate(reports, order, scheduler(seed), slowness, workers)
            used = [100 * outcome.cost / full, float(len(outcome.ends))]
            rows[name].append(found(outcome, grid, full) + used)
    return {name: np.array(values) for name, values in rows.items()}


def print_table(title: str, results: Mapping[str, np.ndarray]) -> None:
    """Medians, with quartiles in brackets."""
    print(f"\n{title}")
    heads = [f"{100 * budget:.0f} % of cost" for budget in BUDGETS]
    print(f"{'hypervolume found, per cent':29}" + "".join(f"{head:>17}" for head in heads) + "   cost  finished")
    for name, values in results.items():
        low, median, high = np.quantile(values, (0.25, 0.5, 0.75), axis=0)
        cells = [f"{m:.0f} [{a:.0f}, {b:.0f}]" for a, m, b in zip(low, median, high, strict=True)][: len(BUDGETS)]
        print(f"{name:29}" + "".join(f"{cell:>17}" for cell in cells) + f"{median[-2]:5.0f} %{median[-1]:10.0f}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--orders", type=int, default=100, help="random orders in which the trials start")
    parser.add_argument("--workers", type=int, nargs="+", default=[4])
    arguments = parser.parse_args()
    sources: dict[str, Callable[[int], pd.DataFrame]] = {
        "made, MIG early": lambda seed: made_curves(seed, late=False),
        "made, MIG late": lambda seed: made_curves(seed, late=True),
    }
    published, recorded = finished_curves(RESULTS), pd.read_parquet(RECORDED)
    sources = {"results/": lambda seed: published, "recorded": lambda seed: recorded} | sources
    for source, make in sources.items():
        trials = make(0)["trial_id"].nunique()
        for workers in arguments.workers:
            title = f"{source}: {trials} trials, {workers} workers, {arguments.orders} orders"
            print_table(title, compare(make, workers, arguments.orders))


if __name__ == "__main__":
    main()
