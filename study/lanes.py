"""Lanes: which resources a trial gets, decided when there is room for it and not before.

Tune fixes a trial's resources when it makes the trial. `Lanes` therefore holds the plan back and lets Tune make one
trial for each place that is free at that moment, on a GPU if one has room, else on the CPU.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.tune import PlacementGroupFactory
from ray.tune.search import Searcher

from bvae.config import ConfigError
from study.nodes import Resources, machines

GPUS = 0.25  # of a trial: networks this small leave most of a GPU idle
LOOK_SECONDS = 1.0  # between looks at what the cluster has

Assignment = dict[str, Any]


@dataclass(frozen=True)
class Lane:
    """What one trial is given on one kind of device.

    Attributes:
        name: "gpu" or "cpu".
        cpus: cores, and threads that torch uses: two trials of one thread beat one of two.
        gpus: GPUs; a fraction lets several trials share one.
        cost_per_hour: of one trial, in the currency of the price list; None where there is no price.
    """

    name: str
    cpus: int = 1
    gpus: float = 0.0
    cost_per_hour: float | None = None

    def __post_init__(self) -> None:
        if self.cpus < 1:
            raise ConfigError(f"cpus_per_trial is {self.cpus}; it must be at least 1")
        if self.name == "gpu" and not (0 < self.gpus < 1 or (self.gpus >= 1 and self.gpus == int(self.gpus))):
            raise ConfigError(f"gpus_per_trial is {self.gpus}; it must be a fraction above 0, or a whole number")

    @property
    def resources(self) -> dict[str, float]:
        """What Ray counts."""
        return {"CPU": self.cpus, "GPU": self.gpus} if self.gpus else {"CPU": self.cpus}

    def request(self) -> PlacementGroupFactory:
        """What Tune asks Ray for."""
        return PlacementGroupFactory([self.resources])


def prices_of(table: Iterable[str]) -> dict[str, float]:
    """A price list as it is typed: cpu=0.04 gpu=1.2.

    Raises:
        ConfigError: an entry can't be read.
    """
    prices = {}
    for entry in table:
        name, _, price = entry.partition("=")
        try:
            prices[name] = float(price)
        except ValueError:
            raise ConfigError(f"cost_per_hour has {entry!r}; entries look like cpu=0.04 or gpu=1.2") from None
    return prices


def lanes_of(cpus: int, gpus: float | None, prices: Mapping[str, float]) -> tuple[Lane, Lane]:
    """The two lanes, GPU first: that is the order in which they are filled.

    Args:
        cpus: of one trial, on either lane.
        gpus: of one trial on the GPU lane; None is `GPUS`.
        prices: of an hour of one core ("cpu") and of one whole GPU ("gpu").

    Raises:
        ConfigError: a value is outside what is allowed.
    """
    for name, price in prices.items():
        if name not in ("cpu", "gpu") or not 0 <= price < float("inf"):
            raise ConfigError(f"cost_per_hour has {name}={price:g}; it gives cpu, gpu or both, each at least 0")
    gpus = GPUS if gpus is None else gpus
    core, whole = prices.get("cpu"), prices.get("gpu")
    on_cpu = None if core is None else cpus * core
    on_gpu = None if whole is None else gpus * whole + (on_cpu or 0.0)
    return Lane("gpu", cpus, gpus, on_gpu), Lane("cpu", cpus, 0.0, on_cpu)


def choose(choice: str | None, gpus_asked: bool, lanes: Sequence[Lane], machines: Sequence[Resources]) -> list[Lane]:
    """The lanes of a study: those asked for, or else both where there are GPUs."""
    if choice is None:
        choice = "both" if gpus_asked or slots(machines, lanes)["gpu"] else "cpu"
    return [lane for lane in lanes if choice in ("both", lane.name)]


def check_fit(lane: Lane, machines: Sequence[Resources]) -> None:
    """Refuse a lane of which not even one trial fits on any of these machines.

    Raises:
        ConfigError: it doesn't.
    """
    if not slots(machines, [lane])[lane.name]:
        wanted = " and ".join(f"{kind.lower()}s_per_trial is {count:g}" for kind, count in lane.resources.items())
        most = (f"{max((m.get(kind, 0) for m in machines), default=0):g} {kind}s" for kind in lane.resources)
        raise ConfigError(
            f"{wanted}, but no machine has that (the most is {', '.join(most)}); "
            f"ask for fewer{', or for --lanes cpu' if lane.gpus else ''}"
        )


def slots(machines: Iterable[Resources], lanes: Iterable[Lane]) -> Counter[str]:
    """How many trials of each lane fit on machines at once; lanes that come first take their cores first."""
    count: Counter[str] = Counter()
    lanes = list(lanes)
    for machine in machines:
        cores = machine.get("CPU", 0.0)
        for lane in lanes:
            fits = int(cores // lane.cpus)
            if lane.gpus:
                fits = min(fits, _shares(machine.get("GPU", 0.0), lane.gpus))
            count[lane.name] += fits
            cores -= fits * lane.cpus
    return count


def _shares(gpus: float, each: float) -> int:
    """How many trials these GPUs take; a trial's fraction lies on one GPU, so two of 0.6 don't share one and a half."""
    return int(gpus) * int(1 / each + 1e-9) if each < 1 else int(gpus // each)


class Lanes(Searcher):
    """The searcher that hands out a study's trials.

    A trial starts on the first lane that has room: the GPU lane, unless it is full. The CPU lane is passed over at the
    end, when the GPUs would be through with all that waits before the CPU were through with one.

    Args:
        assignments: the trials to run, in this order.
        lanes: from the one to fill first.
        limit: trials at once on all lanes together, at most.
        look: what machines there are; asked again every `LOOK_SECONDS`, because nodes come and go.
        ask: told after each look how many more places each lane could use, so that nodes are started.
    """

    def __init__(
        self,
        assignments: Iterable[Assignment],
        lanes: Sequence[Lane],
        limit: int | None = None,
        look: Callable[[], Sequence[Resources]] = machines,
        ask: Callable[[dict[str, int]], None] | None = None,
    ) -> None:
        super().__init__()
        self._waiting = deque(assignments)
        self._lanes = {lane.name: lane for lane in lanes}
        self._limit = limit or float("inf")
        self._look, self._ask = look, ask
        self._looked = float("-inf")
        self._slots: Counter[str] = Counter()
        self._live: dict[str, tuple[str, Assignment]] = {}  # Tune's id -> lane, assignment
        self._busy: Counter[str] = Counter()
        self._speed: dict[str, float] = {}  # lane -> images per second, as its trials last reported

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        """Take Tune's call; the plan is fixed, so there is nothing to search by."""
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]  # FINISHED is a str
        """The next trial, if it has room somewhere now; called by Tune before each event."""
        if (now := time.monotonic()) - self._looked > LOOK_SECONDS:
            self._looked = now
            self._look_around()
        if self.through:
            return self.FINISHED
        if not self._waiting:
            return None
        lane = self._free_lane()
        if lane is None:
            return None
        assignment = self._waiting.popleft()
        self._live[trial_id] = lane.name, assignment
        self._busy[lane.name] += 1
        return {"lane": lane.name, "assignment": assignment | {"threads": lane.cpus}}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:  # noqa: D102
        if trial_id in self._live and (speed := result.get("images_per_second")):
            lane = self._live[trial_id][0]
            self._speed[lane] = 0.8 * self._speed.get(lane, speed) + 0.2 * speed

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:  # noqa: D102
        if trial_id in self._live:
            lane, _ = self._live.pop(trial_id)
            self._busy[lane] -= 1

    @property
    def through(self) -> bool:
        """Whether no trial waits, and none runs."""
        return not self._waiting and not self._live

    def lane(self, name: str) -> Lane:
        """A lane by its name."""
        return self._lanes[name]

    def stranded(self, pending: Sequence[str]) -> list[str]:
        """Which of these trials, by Tune's id, wait for places that are gone, and should be taken back.

        Only where something else is left to go on with: a trial that waits alone stays in line.
        """
        room = any(self._busy[name] < self._slots[name] for name in self._lanes)
        if not room and len(pending) == len(self._live):
            return []
        excess = {name: self._busy[name] - self._slots[name] for name in self._lanes}
        taken = []
        for trial_id in reversed(pending):  # The latest first: the others are nearer to a start.
            lane = self._live[trial_id][0]
            if excess[lane] > 0:
                excess[lane] -= 1
                taken.append(trial_id)
        return taken

    def again(self, assignment: Assignment) -> None:
        """Put a trial whose run died back in front; it takes whichever lane has room then."""
        self._waiting.appendleft(assignment)

    def save(self, checkpoint_path: str) -> None:
        """Write what waits and what runs, as JSON."""
        state = {"waiting": list(self._waiting), "live": self._live}
        temporary = Path(f"{checkpoint_path}.{os.getpid()}")
        temporary.write_text(json.dumps(state), encoding="utf-8")
        os.replace(temporary, checkpoint_path)

    def restore(self, checkpoint_path: str) -> None:
        """Take back what `save` wrote: Tune starts the trials that ran by itself, so they keep their lanes."""
        state = json.loads(Path(checkpoint_path).read_text(encoding="utf-8"))
        self._waiting = deque(state["waiting"])
        self._live = {trial: (lane, assignment) for trial, (lane, assignment) in state["live"].items()}
        self._busy = Counter(lane for lane, _ in self._live.values())

    def __getstate__(self) -> dict[str, Any]:
        """All but the ways to the cluster, which only its own process has: Tune pickles its searcher."""
        return self.__dict__ | {"_look": machines, "_ask": None}

    def _look_around(self) -> None:
        self._slots = slots(self._look(), self._lanes.values())
        if self._ask:
            more = int(min(len(self._waiting), self._limit - len(self._live)))
            self._ask({name: more if self._busy[name] >= self._slots[name] else 0 for name in self._lanes})

    def _free_lane(self) -> Lane | None:
        if len(self._live) >= self._limit:
            return None
        for name, lane in self._lanes.items():
            if self._busy[name] < self._slots[name] and (name == "gpu" or not self._gpus_are_sooner()):
                return lane
        # With nothing in the queue Tune would sleep instead of looking for nodes and at Ctrl-C: one trial waits in it.
        return None if self._live else self._lanes.get("cpu", next(iter(self._lanes.values())))

    def _gpus_are_sooner(self) -> bool:
        """Whether a trial that is started on the CPU now would be the last to end."""
        if not self._slots["gpu"] or not {"gpu", "cpu"} <= set(self._speed):
            return False
        rounds = len(self._waiting) / self._slots["gpu"] + 1  # of GPU trials, the one that is under way included
        return self._speed["gpu"] / self._speed["cpu"] > rounds
