"""Holds a cluster of several nodes on this machine, in a process of its own: Ray reads its token once per process.

Reads a line at a time: `add CPUS GPUS` adds a node, `kill N` takes down the Nth that was added, as a machine dies.
Answers each with a line; ends with its input.
"""

import sys

from ray.cluster_utils import Cluster


def main() -> None:
    cluster, nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0}), []
    print(f"address {cluster.address}", flush=True)
    for line in sys.stdin:
        what, *numbers = line.split()
        if what == "add":
            cpus, gpus = map(int, numbers)
            nodes.append(cluster.add_node(num_cpus=cpus, num_gpus=gpus))
        else:
            cluster.remove_node(nodes[int(numbers[0])], allow_graceful=False)
        print("done", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
