"""Connecting to Ray: a cluster of this machine's own, started for the study, or one that is there."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from study.directory import StudyError

REACH_SECONDS = 10.0  # in which a cluster's address answers, if a machine is there


def prepare(address: str | None) -> None:
    """Set what Ray reads from the environment when it is imported: call this before that.

    A cluster of our own gets a token that only this process and its workers know: other users of the machine can't
    submit to it, and no file has to be written to the home folder. To another cluster a token is shown that is there.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS", "0")
    # The ledger is what a study goes on from: Tune's own loggers would write every report three more times, and its
    # snapshots of the whole experiment are never read.
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "1e9")
    os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", "100000")  # `Lanes` hands out no more than there is room for.
    os.environ.setdefault("TUNE_PRINT_ALL_TRIAL_ERRORS", "0")  # The ledger and the live view have them.
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # Those of trials that ended before they could be heard.
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # With verbose=0 the old output is silent; the new one is not.
    if address is None:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        os.environ.pop("RAY_ADDRESS", None)  # A stray one would be connected to instead.
    elif _token_is_there():
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # Ray would leave it at home.


def _token_is_there() -> bool:
    paths = (os.environ.get("RAY_AUTH_TOKEN_PATH"), "~/.ray/auth_token")
    return bool(os.environ.get("RAY_AUTH_TOKEN")) or any(path and Path(path).expanduser().is_file() for path in paths)


@contextmanager
def connected(address: str | None, cpus: int | None) -> Iterator[None]:
    """Connect to the cluster at `address`, or start one on this machine with `cpus` cores; disconnect at the end.

    Raises:
        StudyError: there is no cluster at the address, or it wants another token.
    """
    import ray
    from ray.exceptions import AuthenticationError

    _check_reachable(address)
    with warnings.catch_warnings(), _native_stderr() as said:
        warnings.simplefilter("ignore", FutureWarning)
        try:
            ray.init(
                address=address or "local",
                num_cpus=cpus if address is None else None,
                include_dashboard=False if address is None else None,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except (ConnectionError, AuthenticationError) as error:
            if isinstance(error, AuthenticationError) or "InvalidAuthToken" in said():
                raise StudyError(
                    f"the Ray cluster at {address} refuses this token, or none was given; put the cluster's own into "
                    "RAY_AUTH_TOKEN or ~/.ray/auth_token (ray get-auth-token prints it on the cluster's head)"
                ) from None
            raise StudyError(f"can't connect to a Ray cluster at {address}: {error}") from None
    try:
        yield
    finally:
        ray.shutdown()


def _check_reachable(address: str | None) -> None:
    """Refuse an address where nothing answers: Ray itself would try for minutes."""
    host, _, port = (address or "").rpartition(":")
    if not port.isdigit() or "/" in host:  # "auto", or a scheme that Ray judges.
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_SECONDS).close()
    except OSError as error:
        raise StudyError(
            f"address is {address}, but nothing answers there ({error}); give the address of a running Ray cluster, "
            "auto on one of its machines, or leave --address out to start one here"
        ) from None


@contextmanager
def _native_stderr() -> Iterator[Callable[[], str]]:
    """Hold back what Ray's native code prints while it connects; gives a function that returns it."""
    sys.stderr.flush()
    before = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)

        def said() -> str:
            held.seek(0)
            return held.read().decode(errors="replace")

        try:
            yield said
        finally:
            os.dup2(before, 2)
            os.close(before)
