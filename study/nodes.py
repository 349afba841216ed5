"""What machines a cluster has, and whether a study can use them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from analysis.storage import Folder
from study.directory import StudyError

PROBE_SECONDS = 120.0  # in which a node has started a process and read one file
REMEDY = "give --storage a folder that every machine has mounted at this path, or an s3:// or gs:// location"

Resources = Mapping[str, float]


def machines() -> list[Resources]:
    """What each live node of the connected cluster has in all."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def check_nodes(folder: Folder, source: str | None) -> None:
    """Refuse storage or data that a node does not see, before the first trial; one machine alone sees its own.

    A node that joins later is not asked: a trial there that can't read the study's folder fails with the reason.

    Args:
        folder: the run directory, in which a file is left for a moment.
        source: the .npz of the data, where it is not rendered.

    Raises:
        StudyError: a node does not see them, or can't run this project.
    """
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    if {node["NodeManagerAddress"] for node in nodes} <= {ray.util.get_node_ip_address()} and not folder.remote:
        return
    mark = f".seen-{secrets.token_hex(4)}"
    folder.write(mark, b"")
    try:
        probes = {
            probe.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(folder.location, mark, source): node["NodeManagerAddress"]
            for node in nodes
        }  # fmt: skip
        for answer, address in probes.items():
            if reason := _answer(answer):
                raise StudyError(f"the node {address} {reason}")
    finally:
        folder.delete(mark)


@ray.remote(num_cpus=0, max_retries=0)
def probe(location: str, mark: str, source: str | None) -> str | None:
    """Why trials can't run on this node, if they can't."""
    try:
        Folder(location).read(mark)
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "is not the same folder there as here" if missing else f"can't be read there ({error})"
        return f"can't be used: {location} {reason}; {REMEDY}"
    if source and not Path(source).is_file():
        return f"can't be used: the data {source} is not there; copy it to the same path on every machine"
    return None


def _answer(answer: Any) -> str | None:
    try:
        reason: str | None = ray.get(answer, timeout=PROBE_SECONDS)
        return reason
    except RayTaskError as error:  # The project can't be imported there, for one.
        return f"can't run trials: {str(error).strip().splitlines()[-1]}; install the project and its packages there"
    except GetTimeoutError:
        return f"did not answer within {PROBE_SECONDS:.0f} s"
    except RayError:
        return None  # It has gone away.
