"""One run of a study: check what was asked, train what is left on Ray Tune, build the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ray import tune
from rich.console import Console

from analysis.report import build_report
from analysis.summary import front_sentence, summary_table
from analysis.trials import RunDirectoryError
from bvae import data
from bvae.config import TrialConfig
from study import cluster
from study.checks import check
from study.directory import agree, begin, check_writable, describe, held
from study.estimate import print_plan
from study.lanes import Lane
from study.ledger import LedgerCallback, Progress, read_progress, restore_decisions
from study.live import View
from study.rebuild import Rebuild
from study.run import INTERRUPTED, Options, interrupt_on_sigterm
from study.schedulers import RecordedScheduler, make_scheduler, name_of
from study.space import Settings, plan, trial_id
from study.trainable import Assignment, check_scorable, run_trial
from study.yardsticks import YardstickCallback, settle

OBJECTIVES = {"reconstruction": "min", "mig": "max"}
CHECKPOINTS_KEPT = 2  # per trial: the newest, and the one before in case the newest is damaged


def run(options: Options, console: Console) -> int:
    """Run a study, or what is left of it; returns the exit code.

    Raises:
        ConfigError, DataError, CacheError, StudyError: what was asked for can't be done; nothing has been written.
    """
    settings, name = options.settings, options.name or options.preset
    check(settings)
    plan(settings)  # Refuses bad values before any data is read.
    lane = Lane(options.cpus_per_trial, options.gpus_per_trial)
    storage = options.storage.expanduser().resolve()
    check_writable(storage)
    source = str(options.data.expanduser().resolve()) if options.data else None
    store = data.load(source)
    trials = {trial_id(config): config for config in plan(settings, store.image_shape[0])}
    check_scorable(store, next(iter(trials.values())), settings.score_images)
    scheduler = make_scheduler(settings, OBJECTIVES)
    rungs = scheduler.rungs if scheduler else []
    if options.dry_run:
        console.print(f"[bold]{name}[/]", end=" ")
        print_plan(console, settings, list(trials.values()), store, rungs, lane, options.cpus, options.max_concurrent)
        return 0
    directory = storage / name
    description = describe(name, settings, store, source, list(trials), rungs, OBJECTIVES)
    agree(directory, description, options.extend)  # Refuses another study before the folder is touched.
    with held(directory):
        agreed = agree(directory, description, options.extend)
        known = (directory / "study.json").exists()
        progress = read_progress(directory, settings.steps, console.print) if known else None
        waiting = [trial for trial in trials if not progress or trial not in progress.ended]
        if waiting:
            view = View(name, trials, rungs, settings.reduction_factor, OBJECTIVES, console)
            if progress:
                doing = "Extending" if options.extend else "Going on with"
                console.print(f"{doing} {name}: {len(waiting)} of {len(trials)} trials are left.", highlight=False)
                view.replay(progress.events)
                if scheduler:
                    restore_decisions(scheduler, progress.events)
            assignments = _assignments(waiting, trials, settings, rungs, source, lane, progress)
            with cluster.connected(options.address, options.cpus):
                concurrent = lane.concurrent(options.max_concurrent)
                begin(directory, agreed)
                rebuild = Rebuild(directory, rungs)
                callbacks = [
                    LedgerCallback(directory, scheduler, view, progress),
                    YardstickCallback(directory, source, list(trials.values()), settings),
                    rebuild,
                ]
                _tune(assignments, directory, scheduler, view, callbacks, lane, concurrent, options.max_failures)
                rebuild.close()
        else:
            begin(directory, agreed)
            console.print(
                f"{name} is finished: all {len(trials)} trials have ended. Building its report anew.", highlight=False
            )
            settle(directory, store, list(trials.values()), settings)
        return _finish(console, directory, store, settings, len(trials))


def _assignments(
    waiting: Sequence[str], trials: dict[str, TrialConfig], settings: Settings, rungs: Sequence[int],
    source: str | None, lane: Lane, progress: Progress | None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Trials that had started go first: what they have done is not left lying."""
    steps, every = settings.steps, settings.report_every
    report_at = tuple(sorted({*range(every, steps, every), *rungs, steps}))
    resume = progress.resume if progress else {}
    return [
        asdict(
            Assignment(
                trial_id=name,
                trial=asdict(trials[name]),
                data=source,
                report_at=report_at,
                score_images=settings.score_images,
                final_scores=settings.final_scores,
                threads=lane.cpus,
                resume=str(resume[name][1]) if name in resume else None,
            )
        )
        for name in sorted(waiting, key=lambda name: name not in resume)
    ]


def _tune(
    assignments: list[dict[str, Any]], directory: Path, scheduler: RecordedScheduler | None, view: View,
    callbacks: list[tune.Callback], lane: Lane, concurrent: int, max_failures: int,
) -> None:  # fmt: skip
    """One run of Ray Tune over the trials that are left. Each run has a folder of its own under tune/."""
    sitting = sum(1 for folder in (directory / "tune").glob("run-*"))
    tuner = tune.Tuner(
        tune.with_resources(run_trial, lane.request()),
        param_space={"assignment": tune.grid_search(assignments)},
        tune_config=tune.TuneConfig(
            scheduler=scheduler,
            max_concurrent_trials=concurrent,
            reuse_actors=True,
            trial_name_creator=name_of,
            trial_dirname_creator=name_of,
        ),
        run_config=tune.RunConfig(
            name=f"run-{sitting + 1:03d}",
            storage_path=str(directory / "tune"),
            callbacks=callbacks,
            failure_config=tune.FailureConfig(max_failures=max_failures),
            checkpoint_config=tune.CheckpointConfig(num_to_keep=CHECKPOINTS_KEPT),
            verbose=0,
        ),
    )
    interrupt_on_sigterm()  # Ray took the signal for itself when it connected.
    with view:
        tuner.fit()  # On SIGINT it stops between two events and returns.


def _finish(console: Console, directory: Path, store: data.ImageStore, settings: Settings, count: int) -> int:
    """Build the report, print the ranking, and say how to go on if trials are left."""
    left = count - len(read_progress(directory, settings.steps, console.print).ended)
    try:
        report = build_report(directory, store=store)
    except RunDirectoryError as error:  # Interrupted before the first trial started.
        console.print(str(error), markup=False, highlight=False)
    else:
        console.print(summary_table(report.ranking))
        console.print(f"\n{front_sentence(report.ranking)}\n", markup=False, highlight=False)
        for note in report.notes:
            console.print(note, markup=False, highlight=False)
        for title, path in (
            ("dashboard", report.dashboard),
            ("ranking", report.ranking_csv),
            ("traversals", report.gifs[0].parent if report.gifs else None),
            ("score table", report.scores),
        ):
            if path:
                console.print(f"{title:<12}{_shown(path)}", markup=False, highlight=False, soft_wrap=True)
    if left:
        console.print(
            f"Interrupted: {left} of {count} trials have not ended. The same command goes on from here.",
            highlight=False,
        )
    return INTERRUPTED if left else 0


def _shown(path: Path) -> str:
    """Relative to where the person is, if it lies below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
