"""The simulation behind benchmarks/scheduler.py, on curves whose outcome can be worked out by hand."""

import numpy as np
import pytest
from ray.tune.schedulers import FIFOScheduler

from benchmarks.learning_curves import made_curves
from benchmarks.scheduler import OBJECTIVES, found, simulate
from study.pareto_asha import ParetoASHA

ENDS = {"a": (10.0, 0.1), "b": (20.0, 0.2), "c": (30.0, 0.05)}
REPORTS = {
    name: [{"step": step, "reconstruction": r, "mig": m} for step in (10, 30, 90)] for name, (r, m) in ENDS.items()
}


def test_without_stopping_the_trials_finish_one_after_another():
    outcome = simulate(REPORTS, ["a", "b", "c"], FIFOScheduler(), np.ones(3), workers=1)
    assert outcome.spent.tolist() == [90, 180, 270]
    assert outcome.cost == 270
    assert outcome.ends.tolist() == [list(end) for end in ENDS.values()]


def test_two_workers_spend_together():
    outcome = simulate(REPORTS, ["a", "b", "c"], FIFOScheduler(), np.array([1.0, 2.0, 1.0]), workers=2)
    assert outcome.spent.tolist() == [180, 360, 360]  # a at 90; b and c at 180, when both end


def test_a_stopped_trial_costs_what_it_has_done_and_is_not_found():
    scheduler = ParetoASHA(OBJECTIVES, max_t=90, grace_period=10, reduction_factor=3)
    outcome = simulate(REPORTS, ["a", "b", "c"], scheduler, np.ones(3), workers=1)
    assert outcome.cost == 90 + 90 + 10
    assert len(outcome.ends) == 2


def test_what_is_found_is_a_share_of_the_grid_s_hypervolume():
    grid = np.array([*ENDS.values()])
    outcome = simulate(REPORTS, ["a", "b", "c"], FIFOScheduler(), np.ones(3), workers=1)
    # Against (30, 0.05): a covers 20 × 0.05, b adds 10 × 0.1 to it.
    assert found(outcome, grid, 270) == pytest.approx([0, 50, 50, 100])


def test_made_curves_are_reproducible_and_end_without_noise():
    one, two = made_curves(3, late=True), made_curves(3, late=True)
    assert one.equals(two)
    assert one["trial_id"].nunique() == 90
    assert not one.equals(made_curves(4, late=True))
