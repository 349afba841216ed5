"""Lets an autoscaler see which trials wait, without binding them to a lane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType

from ray.util import placement_group, remove_placement_group
from ray.util.placement_group import PlacementGroup

from study.lanes import Lane

MOST = 100  # places asked for at once on a lane: an autoscaler starts nodes in steps, and asks again


class Demand:
    """Placement groups that stand for waiting trials: an autoscaler starts nodes for them.

    Nothing ever runs in them. As soon as a lane has room its groups are taken back, and trials get the room. They
    belong to this driver's job: when it ends, however it ends, Ray removes them and the nodes go away again.
    """

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = {lane.name: lane for lane in lanes}
        self._groups: dict[str, list[PlacementGroup]] = {lane.name: [] for lane in lanes}

    def ask(self, wanted: Mapping[str, int]) -> None:
        """Ask for so many places on each lane, in all."""
        for name, groups in self._groups.items():
            count = min(wanted.get(name, 0), MOST)
            while len(groups) > count:
                remove_placement_group(groups.pop())
            while len(groups) < count:
                groups.append(placement_group([self._lanes[name].resources]))

    def __enter__(self) -> Demand:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: TracebackType | None) -> None:
        self.ask({})
