"""A cluster whose machines come and go, in simulated time: the part of Tune, of Ray and of trials that don't train.

Everything that a study's driver does is the study's own code, called in Tune's order. Its processor time is measured.
"""

from __future__ import annotations

import heapq
import itertools
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler
from rich.console import Console

from analysis.storage import Folder
from analysis.working_copy import working_copy
from benchmarks.made_reports import Images, Made
from bvae.config import TrialConfig
from study.directory import begin, describe
from study.lanes import Lanes, Resources, lanes_of
from study.ledger import LedgerCallback
from study.live import View
from study.rebinding import Rebinding
from study.schedulers import make_scheduler
from study.sender import Sender
from study.session import OBJECTIVES, assignments_of
from study.space import Settings, plan, trial_id

LIFETIME = 4 * 3600.0  # seconds that a machine stays, on average
DETECTED = 15.0  # seconds after which the cluster knows that a machine is gone
REPLACED = 300.0  # seconds after which there is another
TICK = 10.0  # seconds after which Tune asks for trials, whatever happens
START = 20.0  # seconds until a trial trains
BEGIN = 1.8e9  # unix seconds
SECONDS_PER_STEP = {"gpu": 0.05, "cpu": 0.4}
WORK = [[float(j) / 7 for j in range(20)] for _ in range(20)]


@dataclass(eq=False)
class SimulatedTrial:
    """What the study's code reads of a trial of Tune's."""

    trial_id: str
    config: dict[str, Any]
    number: int  # in the order of the first starts
    made: Made
    status: str = Trial.PENDING
    node: Node | None = None
    num_failures: int = 0
    error_file: str | None = None

    def get_ray_actor_ip(self) -> str:
        """The machine it runs on."""
        assert self.node
        return self.node.address


@dataclass(eq=False)
class Node:
    """A machine: what it has in all, what is free of it, and who runs there."""

    address: str
    resources: Resources
    free: dict[str, float]
    trials: set[SimulatedTrial] = field(default_factory=set)
    alive: bool = True


@dataclass
class Costs:
    """Processor time of the driver's work, an event a row, and beside some of them that of work that never changes: a
    busy machine slows both down.

    Attributes:
        trials: the number of the event's trial, in the order of the first starts.
        seconds: of the driver's work.
        fixed: of the other, repeated until it is measured again.
    """

    trials: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    fixed: list[float] = field(default_factory=list)

    def add(self, trial: int, seconds: float) -> None:
        """One event's; that of the fixed work is measured at every fifth."""
        fixed = _fixed_work() if len(self.trials) % 5 == 0 else self.fixed[-1]
        self.trials.append(trial)
        self.seconds.append(seconds)
        self.fixed.append(fixed)

    def per_event(self, first: int, last: int) -> np.ndarray:
        """Of the events of trials first <= number < last, (n, 2): seconds, and those of the fixed work."""
        of = np.array(self.trials)
        return np.stack([self.seconds, self.fixed], axis=1)[(of >= first) & (of < last)]


def _fixed_work() -> float:
    began = time.process_time()
    for _ in range(2):
        json.loads(json.dumps(WORK))
    return time.process_time() - began


class Simulation:
    """The part of Tune, of Ray, and of the trials."""

    def __init__(
        self, settings: Settings, nodes: list[Resources], known: list[Node],
        searcher: Lanes, scheduler: Rebinding, callback: LedgerCallback, seed: int,
    ) -> None:  # fmt: skip
        self._settings, self._searcher, self._callback = settings, searcher, callback
        self._scheduler: Any = scheduler  # Given a trial that is not Tune's.
        self._rungs = sorted({*range(settings.report_every, settings.steps, settings.report_every), settings.steps})
        self._generator = np.random.default_rng(seed)
        self._ids, self._order = itertools.count(), itertools.count()
        self._numbers: dict[str, int] = {}
        self._pending: dict[str, SimulatedTrial] = {}
        self._trials: list[Any] = []
        self._ended = False
        self._agenda: list[tuple[float, int, Callable[[], int | None]]] = []
        self._known = known
        self.now = 0.0
        self.costs = Costs()
        for resources in nodes:
            self._join(resources)

    def run(self) -> None:
        """Until the searcher says that nothing is left."""
        self._at(0.0, self._tick)
        while not self._ended:
            self.now, _, happens = heapq.heappop(self._agenda)
            self._spent = 0.0
            number = happens()
            self._fill()
            if number is not None:
                self.costs.add(number, self._spent)

    def stop_trial(self, trial: SimulatedTrial) -> None:
        """As Tune's controller does with one that waits."""
        del self._pending[trial.trial_id]
        self._scheduler.on_trial_remove(self, trial)
        self._searcher.on_trial_complete(trial.trial_id)
        self._callback.on_trial_complete(0, self._trials, trial)
        trial.status = Trial.TERMINATED

    def _drive(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Have the driver do something, and count the processor time it takes."""
        began = time.process_time()
        try:
            return call(*arguments)
        finally:
            self._spent += time.process_time() - began

    def _at(self, when: float, happens: Callable[[], int | None]) -> None:
        heapq.heappush(self._agenda, (when, next(self._order), happens))

    def _tick(self) -> int | None:
        self._at(self.now + TICK, self._tick)
        return None

    def _fill(self) -> None:
        """Ask for trials and start those that have room, as Tune does before each event."""
        while isinstance(found := self._drive(self._searcher.suggest, name := f"t{next(self._ids)}"), dict):
            config = TrialConfig.from_dict(found["assignment"]["trial"])
            number = self._numbers.setdefault(found["assignment"]["trial_id"], len(self._numbers))
            trial = self._pending[name] = SimulatedTrial(name, found, number, Made(config))
            self._drive(self._scheduler.on_trial_add, self, trial)
        self._ended = found == Lanes.FINISHED
        while (chosen := self._drive(self._scheduler.choose_trial_to_run, self)) and self._place(chosen):
            pass
        for trial in list(self._pending.values()):  # Ray fills what is free with whoever fits.
            self._place(trial)
        self._drive(self._callback.on_step_end, 0, self._trials)

    def _place(self, trial: SimulatedTrial) -> bool:
        wanted = self._searcher.lane(trial.config["lane"]).resources
        for node in self._known:
            if node.alive and all(node.free.get(kind, 0.0) >= count - 1e-9 for kind, count in wanted.items()):
                for kind, count in wanted.items():
                    node.free[kind] -= count
                node.trials.add(trial)
                trial.node, trial.status = node, Trial.RUNNING
                del self._pending[trial.trial_id]
                self._drive(self._callback.on_trial_start, 0, self._trials, trial)
                resume = trial.config["assignment"]["resume"]
                self._train(trial, int(Path(resume).stem) if resume else 0, START)
                return True
        return False

    def _train(self, trial: SimulatedTrial, step: int, wait: float = 0.0) -> None:
        upto = next(rung for rung in self._rungs if rung > step)
        pace = SECONDS_PER_STEP[trial.config["lane"]]
        self._at(self.now + wait + (upto - step) * pace, lambda: self._report(trial, upto))

    def _report(self, trial: SimulatedTrial, step: int) -> int | None:
        if trial.status != Trial.RUNNING:
            return None  # Its machine has died.
        pace, name = SECONDS_PER_STEP[trial.config["lane"]], trial.config["assignment"]["trial_id"]
        result = trial.made.report(step) | {"checkpoint": f"checkpoints/{name}/{step:08d}.safetensors"}
        result |= {"images_per_second": self._settings.batch_size[0] / pace, "seconds": step * pace}
        decision = self._drive(self._scheduler.on_trial_result, self, trial, result)
        if decision != TrialScheduler.STOP:
            self._drive(self._searcher.on_trial_result, trial.trial_id, result)
        self._drive(self._callback.on_trial_result, 0, self._trials, trial, result)
        if decision == TrialScheduler.STOP:
            self._drive(self._scheduler.on_trial_complete, self, trial, result)
            self._drive(self._searcher.on_trial_complete, trial.trial_id, result)
            self._drive(self._callback.on_trial_complete, 0, self._trials, trial)
            self._leave(trial, Trial.TERMINATED)
        else:
            self._train(trial, step)
        return trial.number

    def _leave(self, trial: SimulatedTrial, status: str) -> None:
        assert trial.node
        trial.status = status
        trial.node.trials.discard(trial)
        for kind, count in self._searcher.lane(trial.config["lane"]).resources.items():
            trial.node.free[kind] += count

    def _join(self, resources: Resources) -> None:
        node = Node(f"10.0.{next(self._ids)}", resources, dict(resources))
        self._known.append(node)
        self._at(self.now + self._generator.exponential(LIFETIME), lambda: self._die(node))

    def _die(self, node: Node) -> int | None:
        node.alive = False
        number = None
        for trial in sorted(node.trials, key=lambda trial: trial.number):
            number = trial.number
            self._leave(trial, Trial.ERROR)
            self._drive(self._scheduler.on_trial_error, self, trial)
            self._drive(self._searcher.on_trial_complete, trial.trial_id, None, True)
            self._drive(self._callback.on_trial_error, 0, self._trials, trial)
        self._at(self.now + DETECTED, lambda: self._known.remove(node))
        self._at(self.now + REPLACED, lambda: self._join(node.resources))
        return number


def _newest(folder: Folder, checkpoints: dict[str, dict[int, str]], notice: object) -> dict[str, tuple[int, str]]:
    """As study.progress.newest_whole, where no checkpoint is a file."""
    return {name: max(found.items()) for name, found in checkpoints.items() if found}


def simulate(directory: Path, settings: Settings, nodes: list[Resources], seed: int = 0) -> Costs:
    """Run a study in a new run directory, on machines that come and go; what the driver's work cost."""
    trials = {trial_id(config): config for config in plan(settings)}
    scheduler = make_scheduler(settings, OBJECTIVES)
    assert scheduler
    store: Any = Images()
    description = describe(directory.name, settings, store, None, list(trials), scheduler.rungs, OBJECTIVES)
    with working_copy(str(directory)) as copy, open(os.devnull, "w", encoding="utf-8") as nowhere:
        copy.directory.mkdir(parents=True)
        begin(copy.directory, description)
        console = Console(file=nowhere)
        view = View(directory.name, trials, scheduler.rungs, settings.reduction_factor, OBJECTIVES, console)
        packs = {name: [name] for name in trials}
        assignments = assignments_of(packs, trials, settings, scheduler.rungs, None, copy.folder, {})
        known: list[Node] = []
        lanes = lanes_of(1, 0.25, {"cpu": 0.04, "gpu": 0.5})
        searcher = Lanes(assignments, lanes, look=lambda: [node.resources for node in known])
        callback = LedgerCallback(copy, Sender(copy, None, view.note), scheduler, view, searcher, max_failures=0)
        simulation = Simulation(settings, nodes, known, searcher, Rebinding(scheduler, searcher), callback, seed)
        with (
            patch("study.lanes.time", SimpleNamespace(monotonic=lambda: simulation.now)),
            patch("analysis.events.time", SimpleNamespace(time=lambda: BEGIN + simulation.now)),
            patch("study.ledger.newest_whole", _newest),
        ):
            simulation.run()
    return simulation.costs
