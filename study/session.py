"""One run of a study: check what was asked, train what is left on Ray Tune, build the report."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ray import tune
from rich.console import Console

from analysis.events import RunDirectoryError
from analysis.report import build_report
from analysis.storage import Folder, is_remote, on_storage
from analysis.summary import front_sentence, summary_table
from analysis.working_copy import WorkingCopy, working_copy
from bvae import data
from bvae.config import ConfigError, TrialConfig
from study import cluster
from study.checks import check
from study.demand import Demand
from study.directory import agree, begin, check_writable, describe
from study.estimate import print_plan
from study.lanes import Lane, Lanes, check_fit, choose, lanes_of, prices_of
from study.ledger import LedgerCallback
from study.live import View
from study.nodes import check_nodes, machines
from study.packs import grouped
from study.progress import Progress, read_progress, restore_decisions, resume_points
from study.rebinding import Rebinding
from study.rebuild import Rebuild
from study.run import INTERRUPTED, Options, interrupt_on_sigterm
from study.schedulers import RecordedScheduler, make_scheduler, name_of
from study.scoring import check_scorable
from study.sender import Sender, claimed
from study.space import Settings, plan, trial_id
from study.speed import bf16_note
from study.trainable import Assignment, run_trial
from study.yardsticks import YardstickCallback, settle

OBJECTIVES = {"reconstruction": "min", "mig": "max"}


def run(options: Options, console: Console) -> int:
    """Run a study, or what is left of it; returns the exit code.

    Raises:
        ConfigError, DataError, CacheError, StudyError: what was asked for can't be done; nothing has been written.
        StorageFailedError: the storage failed in the middle.
    """
    settings, name = options.settings, options.name or options.preset
    check(settings)
    plan(settings)  # Refuses bad values before any data is read.
    lanes = lanes_of(options.cpus_per_trial, options.gpus_per_trial, prices_of(options.cost_per_hour))
    if not is_remote(options.storage):
        check_writable(Path(options.storage).expanduser().resolve())
    source = str(options.data.expanduser().resolve()) if options.data else None
    store = data.load(source)
    trials = {trial_id(config): config for config in plan(settings, store.image_shape[0])}
    check_scorable(store, next(iter(trials.values())), settings.score_images)
    scheduler = make_scheduler(settings, OBJECTIVES)
    rungs = scheduler.rungs if scheduler else []
    if options.dry_run:
        console.print(f"[bold]{name}[/]", end=" ")
        configs, concurrent = list(trials.values()), options.max_concurrent
        print_plan(console, settings, configs, store, source, scheduler, lanes[-1], options.cpus, concurrent)
        return 0
    description = describe(name, settings, store, source, list(trials), rungs, OBJECTIVES)
    with working_copy(f"{options.storage.rstrip('/')}/{name}") as copy:
        copy.fetch("study.json")
        agree(copy.directory, description, options.extend)  # Refuses another study before anything is touched.
        with claimed(copy, console.print) as sender:
            agreed = agree(copy.directory, description, options.extend)
            known = (copy.directory / "study.json").exists()
            with on_storage(copy.folder.location):
                progress = read_progress(copy.directory, settings.steps) if known else None
            waiting = [trial for trial in trials if not progress or trial not in progress.ended]
            if waiting:
                if progress:
                    doing = "Extending" if options.extend else "Going on with"
                    console.print(f"{doing} {name}: {len(waiting)} of {len(trials)} trials are left.", highlight=False)
                _train(options, console, copy, sender, agreed, trials, waiting, progress, scheduler, lanes, source)
            else:
                with on_storage(copy.folder.location):
                    begin(copy.directory, agreed)
                ended = f"{name} is finished: all {len(trials)} trials have ended. Building its report anew."
                console.print(ended, highlight=False)
                with on_storage(copy.folder.location):
                    settle(copy.directory, store, list(trials.values()), settings)
            with on_storage(copy.folder.location):
                return _finish(console, copy, store, settings, len(trials))


def _train(
    options: Options, console: Console, copy: WorkingCopy, sender: Sender, agreed: dict[str, Any],
    trials: dict[str, TrialConfig], waiting: Sequence[str], progress: Progress | None,
    scheduler: RecordedScheduler | None, lanes: Sequence[Lane], source: str | None,
) -> None:  # fmt: skip
    """Run the trials that are left."""
    settings, rungs = options.settings, scheduler.rungs if scheduler else []
    view = View(agreed["name"], trials, rungs, settings.reduction_factor, OBJECTIVES, console)
    if progress:
        view.replay(progress.events)
        if scheduler:
            restore_decisions(scheduler, progress.events)
    with cluster.connected(options.address, options.cpus):
        chosen = _chosen(options, lanes, console)
        check_nodes(copy.folder, source)
        with on_storage(copy.folder.location):
            begin(copy.directory, agreed)
            copy.send_all()
        packs = grouped(waiting, trials, settings.pack, progress.packs if progress else {})
        resume = resume_points(copy.folder, progress, packs.values(), view.note) if progress else {}
        assignments = assignments_of(packs, trials, settings, rungs, source, copy.folder, resume)
        with view, Demand(chosen) as demand:
            ask = demand.ask if options.address else None  # No nodes are started on this machine.
            searcher = Lanes(assignments, chosen, options.max_concurrent, ask=ask)
            rebuild = Rebuild(copy.directory, rungs)
            callbacks = [
                LedgerCallback(copy, sender, scheduler, view, searcher, options.max_failures, progress, resume),
                YardstickCallback(copy.directory, source, list(trials.values()), settings, searcher),
                rebuild,
            ]
            try:
                tune_trials(run_trial, searcher, chosen, scheduler, callbacks)
            finally:
                rebuild.close()


def _chosen(options: Options, lanes: Sequence[Lane], console: Console) -> list[Lane]:
    """The lanes of this run. Nodes may join a cluster that was there, so one that doesn't fit yet is waited for.

    Raises:
        ConfigError: a lane doesn't fit on this machine, which is all there is.
    """
    chosen = choose(options.lanes, options.gpus_per_trial is not None, lanes, machines())
    for lane in chosen:
        try:
            check_fit(lane, machines())
        except ConfigError:
            if not options.address:
                raise
            takes = " and ".join(f"{count:g} {kind}" for kind, count in lane.resources.items())
            console.print(f"No node has room yet for trials on the {lane.name} lane, of {takes} each.", highlight=False)
    on_this_cpu = not options.address and any(not lane.gpus for lane in chosen)
    if on_this_cpu and (note := bf16_note(options.settings)):
        console.print(note, highlight=False)
    return chosen


def assignments_of(
    packs: Mapping[str, Sequence[str]], trials: dict[str, TrialConfig], settings: Settings, rungs: Sequence[int],
    source: str | None, folder: Folder, resume: Mapping[str, tuple[int, str]],
) -> list[dict[str, Any]]:  # fmt: skip
    """Trials that had started go first: what they have done is not left lying."""
    steps, every = settings.steps, settings.report_every
    report_at = tuple(sorted({*range(every, steps, every), *rungs, steps}))
    assignments = []
    for pack in sorted(packs, key=lambda pack: packs[pack][0] not in resume):
        members: list[dict[str, Any]] = [
            {"trial_id": name, "trial": asdict(trials[name]), "resume": resume.get(name, (0, None))[1]}
            for name in packs[pack]
        ]
        assignment = Assignment(
            **members[0],
            folder=folder.location,
            data=source,
            report_at=report_at,
            score_images=settings.score_images,
            final_scores=settings.final_scores,
            pack=pack if settings.pack else None,
            others=tuple(members[1:]),
        )
        assignments.append(asdict(assignment))
    return assignments


def tune_trials(
    trainable: Callable[[dict[str, Any]], None], searcher: Lanes, lanes: Sequence[Lane],
    scheduler: RecordedScheduler | None, callbacks: list[tune.Callback],
) -> None:  # fmt: skip
    """One run of Ray Tune over the trials that are left. What it writes itself is never read, and goes away with it."""
    requests = {lane.name: lane.request() for lane in lanes}
    with tempfile.TemporaryDirectory(prefix="tune-") as scratch:
        tuner = tune.Tuner(
            tune.with_resources(trainable, lambda config: requests[config["lane"]]),
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                scheduler=Rebinding(scheduler, searcher),
                num_samples=-1,  # As many as the searcher hands out.
                reuse_actors=True,
                trial_name_creator=name_of,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(name="run", storage_path=scratch, callbacks=callbacks, verbose=0),
        )
        interrupt_on_sigterm()  # Ray took the signal for itself when it connected.
        tuner.fit()  # On SIGINT it stops between two events and returns.


def _finish(console: Console, copy: WorkingCopy, store: data.ImageStore, settings: Settings, count: int) -> int:
    """Build the report, print the ranking, and say how to go on if trials are left."""
    left = count - len(read_progress(copy.directory, settings.steps).ended)
    try:
        report = build_report(copy.directory, store=store, fetch=copy.fetch)
        copy.send_all()
    except RunDirectoryError as error:
        begun = (copy.directory / "ledger.jsonl").exists()
        console.print(str(error) if begun else "No trial has begun yet.", markup=False, highlight=False)
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
                console.print(f"{title:<12}{copy.shown(path)}", markup=False, highlight=False, soft_wrap=True)
    if left:
        console.print(
            f"Interrupted: {left} of {count} trials have not ended. The same command goes on from here.",
            highlight=False,
        )
    return INTERRUPTED if left else 0
