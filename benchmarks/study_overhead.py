"""What a study costs its driver beside training: this project's run of Tune against a plain one.

    python -m benchmarks.study_overhead [--trials 8 128 1000] [--repeats 1] [--terminal]

Both, in turns, run the same trials on Ray Tune, which train nothing and report like real ones: four times, some sixty
numbers each. Plain is Tune as leanly as it can be had: a grid, FIFO, reused actors, no loggers, no snapshots. Ours is
what `python -m study.run` does: lanes, ledger, live view, ParetoASHA, whose refused trials all run on for its audit, so
that both handle the same reports. Every run is a process with a Ray of its own and tries eight trials before it is
measured.

CPU is that of the driver's process, wall the time until the last trial has ended, memory the growth of the driver's
resident set meanwhile; each divided by the number of trials.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from analysis.events import read_ledger
from study import cluster
from study.space import Settings, plan, trial_id

ARMS = ("plain", "ours")
WARM_UP = 8
REPORTS = 4  # of a trial: at three rungs and at its end
SETTINGS = Settings(beta=(1.0, 2.0, 4.0, 8.0), latent_dim=(6, 10), steps=2700, grace_period=100, audit=1.0)
STEPS = (100, 300, 900, 2700)
METRICS = {f"metric_{i}": i / 7 for i in range(60)}


def pretend(config: dict[str, Any]) -> None:
    """Report what a trial might, at once."""
    from ray import tune

    trial = config["assignment"]["trial"]
    luck = math.sin(12.9898 * trial["seed"] + 78.233 * trial["beta"] + trial["latent_dim"])
    for step in STEPS:
        scores = {
            "reconstruction": 60 + trial["beta"] + 10 * luck + 1e4 / step,
            "mig": 0.2 + 0.1 * math.sin(1e3 * luck),
        }
        tune.report({"step": step, **scores, **METRICS, "kl_per_latent": [0.5] * trial["latent_dim"]})


def assignments(count: int) -> list[dict[str, Any]]:
    """So many trials, as a study hands them out."""
    settings = replace(SETTINGS, seed=tuple(range(math.ceil(count / 8))))
    common = {"folder": "", "data": None, "report_at": STEPS, "score_images": 1, "final_scores": "cheap"}
    return [{"trial_id": trial_id(t), "trial": asdict(t), **common} for t in plan(settings)[:count]]


def plain(count: int, scratch: Path, terminal: bool) -> None:
    """A run of Tune without this project."""
    import ray
    from ray import tune

    tune.Tuner(
        tune.with_resources(pretend, {"CPU": 1}),
        param_space={"assignment": tune.grid_search(assignments(count))},
        tune_config=tune.TuneConfig(reuse_actors=True, max_concurrent_trials=int(ray.cluster_resources()["CPU"])),
        run_config=tune.RunConfig(name="run", storage_path=str(scratch), verbose=0),
    ).fit()


def ours(count: int, scratch: Path, terminal: bool) -> None:
    """The same trials as a study."""
    from rich.console import Console

    from analysis.storage import Folder
    from analysis.working_copy import WorkingCopy
    from bvae.config import TrialConfig
    from study.lanes import Lane, Lanes
    from study.ledger import LedgerCallback
    from study.live import View
    from study.schedulers import make_scheduler
    from study.sender import Sender
    from study.session import OBJECTIVES, tune_trials

    given = assignments(count)
    scheduler = make_scheduler(SETTINGS, OBJECTIVES)
    lanes = [Lane("cpu")]
    searcher, copy = Lanes(given, lanes), WorkingCopy(Folder(scratch), scratch)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(file=nowhere, force_terminal=terminal, width=80)
        trials = {a["trial_id"]: TrialConfig(**a["trial"]) for a in given}
        view = View("s", trials, scheduler.rungs if scheduler else [], 3, OBJECTIVES, console)
        ledger = LedgerCallback(copy, Sender(copy, None, view.note), scheduler, view, searcher, 3)
        with view:
            tune_trials(pretend, searcher, lanes, scheduler, [ledger])


def measured(arm: Callable[[int, Path, bool], None], count: int, terminal: bool) -> dict[str, float]:
    """CPU and wall seconds and bytes of this process for so many trials, after a few others."""
    cluster.prepare(None)
    with cluster.connected(None, None), tempfile.TemporaryDirectory() as scratch:
        for folder in ("warm-up", "measured"):
            place = Path(scratch) / folder
            place.mkdir()
            before, cpu, wall = resident(), time.process_time(), time.perf_counter()
            arm(WARM_UP if folder == "warm-up" else count, place, terminal)
        figures = {
            "cpu": (time.process_time() - cpu) / count,
            "wall": (time.perf_counter() - wall) / count,
            "bytes": (resident() - before) / count,
        }
        if (ledger := place / "ledger.jsonl").exists():
            ended = [e["status"] for e in read_ledger(ledger) if e["event"] == "trial_ended"]
            assert ended == ["finished"] * count, f"{len(ended)} of {count} trials ended"
        return figures


def resident() -> int:
    """Bytes of this process that are in memory; Linux only."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def in_a_process(arm: str, count: int, terminal: bool) -> dict[str, float]:
    """`measured` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.study_overhead", "--arm", arm, "--trials", str(count)]
    done = subprocess.run(command + ["--terminal"] * terminal, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Print a line for each number of trials."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, nargs="+", default=[8, 128, 1000])
    parser.add_argument("--repeats", type=int, default=1, help="runs of each; the median is shown")
    parser.add_argument(
        "--terminal", action="store_true", help="draw the live view, as in a terminal, instead of lines"
    )
    parser.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.arm:
        with contextlib.redirect_stdout(sys.stderr):
            figures = measured({"plain": plain, "ours": ours}[options.arm], options.trials[0], options.terminal)
        print(json.dumps(figures))
        return
    print(f"each trial reports {REPORTS} times; {os.cpu_count()} cores; of a trial, at the driver:")
    print(f"{'trials':>7}" + "".join(f"{title:>12}" for title in ("CPU plain", "ours", "more", "wall plain", "ours",
                                                                  "more", "kB plain", "ours")))  # fmt: skip
    for count in options.trials:
        runs = [{arm: in_a_process(arm, count, options.terminal) for arm in ARMS} for _ in range(options.repeats)]
        median = {arm: {key: statistics.median(r[arm][key] for r in runs) for key in runs[0][arm]} for arm in ARMS}
        cells = [
            f"{value:12.4f}"
            for key in ("cpu", "wall")
            for value in (*(median[arm][key] for arm in ARMS), median["ours"][key] - median["plain"][key])
        ] + [f"{median[arm]['bytes'] / 1000:12.1f}" for arm in ARMS]
        print(f"{count:7}" + "".join(cells), flush=True)


if __name__ == "__main__":
    main()
