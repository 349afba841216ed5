"""Connecting to Ray: a cluster of this machine's own, started for the study, or one that is there."""

from __future__ import annotations

import logging
import os
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


def prepare(address: str | None) -> None:
    """Set what Ray reads from the environment when it is imported: call this before that.

    A cluster of our own gets a token that only this process and its workers know: other users of the machine can't
        submit
    to it, and no file has to be written to the home folder.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS", "0")
    # The ledger is what a study goes on from: Tune's own loggers would write every report three more times, and its
    # snapshots of the whole experiment are never read.
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "300")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # With verbose=0 the old output is silent; the new one is not.
    if address is None:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        os.environ.pop("RAY_ADDRESS", None)  # A stray one would be connected to instead.


@contextmanager
def connected(address: str | None, cpus: int | None) -> Iterator[None]:
    """Connect to the cluster at `address`, or start one on this machine with `cpus` cores; disconnect at the end."""
    import ray

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        ray.init(
            address=address or "local",
            num_cpus=cpus if address is None else None,
            include_dashboard=False if address is None else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    try:
        yield
    finally:
        ray.shutdown()
