"""Somebody else's Tuner with ParetoASHA, interrupted and restored; prints how far each level got, before and after.

python tests/their_tuner.py FOLDER [kept]
"""

import json
import os
import signal
import sys

from study.cluster import prepare

prepare(None)  # Before ray is imported.

import ray  # noqa: E402
from ray import tune  # noqa: E402

from study.pareto_asha import KeepStandings, ParetoASHA  # noqa: E402


def climb(config):
    """Reports its level at every epoch."""
    for epoch in range(1, 10):
        tune.report({"epoch": epoch, "height": config["level"], "cost": -config["level"]})


class InterruptAfter(tune.Callback):
    """Ctrl-C once so many trials have ended."""

    def __init__(self, trials):
        self.left = trials

    def on_trial_complete(self, iteration, trials, trial, **info):
        """Counts."""
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


def show(results):
    """Print level -> epochs, of the trials that have ended."""
    print(json.dumps({r.config["level"]: r.metrics["epoch"] for r in results if r.metrics and "epoch" in r.metrics}))


def main(folder, kept):
    """Fit, interrupt, restore."""
    scheduler = ParetoASHA({"height": "max", "cost": "min"}, "epoch", max_t=9, grace_period=3, reduction_factor=2)
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="error")
    tuner = tune.Tuner(
        climb,
        param_space={"level": tune.grid_search([9, 8, 7, 6, 5, 4])},
        tune_config=tune.TuneConfig(scheduler=scheduler, max_concurrent_trials=1, reuse_actors=True),
        run_config=tune.RunConfig(
            name="theirs",
            storage_path=folder,
            callbacks=[InterruptAfter(3), *([KeepStandings(scheduler)] if kept else [])],
            verbose=0,
        ),
    )
    show(tuner.fit())
    show(tune.Tuner.restore(os.path.join(folder, "theirs"), climb, restart_errored=True).fit())


if __name__ == "__main__":
    main(sys.argv[1], "kept" in sys.argv)
