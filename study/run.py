"""The command line: `python -m study.run`. The same command goes on where an earlier run stopped."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tyro
from rich.console import Console
from rich.logging import RichHandler

from analysis.storage import StorageFailedError
from bvae.config import ConfigError, UserError
from study.space import PRESETS, Settings

LANES = ("cpu", "gpu", "both")
INTERRUPTED = 130  # the exit code of a study that is not finished


@dataclass(frozen=True)
class Options:
    """A hyperparameter study of β-VAEs: which β, which latent size, how sure, at what cost.

    The same command goes on where an earlier run stopped.

    Attributes:
        preset: quick (two cores, under 10 minutes), laptop (about an hour) or paper (Locatello et al. 2019, for GPUs).
        settings: what is studied.
        name: of the study, its folder's name in the storage; the preset's name by default.
        storage: what holds the studies: a folder, s3://bucket/prefix or gs://bucket/prefix.
        data: .npz of the published dSprites archive or of an own set; dSprites is rendered where this is left out.
        address: of a Ray cluster to connect to ("auto" finds one); by default one is started on this machine.
        cpus: cores of this machine to use; all by default.
        lanes: cpu, gpu, or both: trials run on GPUs as long as one has room, and on the cores that are left; by default
            both where there are GPUs.
        cpus_per_trial: cores and threads of one trial.
        gpus_per_trial: GPUs of one trial that runs on one; a fraction shares it, by default among four trials.
        cost_per_hour: prices for the report, as cpu=0.04 gpu=1.2: of an hour of one core, and of one whole GPU.
        max_concurrent: trials that run at once, at most.
        max_failures: how often a trial that dies is retried from its last checkpoint; another node's death, as of a
            spot machine, is not counted.
        extend: add trials to the study of this name: more seeds, or more values of what is searched.
        dry_run: print the plan and an estimate of the time, and exit.
    """

    preset: str = "quick"
    settings: tyro.conf.OmitArgPrefixes[Settings] = field(default_factory=Settings)
    name: str | None = None
    storage: str = "runs"
    data: Path | None = None
    address: str | None = None
    cpus: int | None = None
    lanes: str | None = None
    cpus_per_trial: int = 1
    gpus_per_trial: float | None = None
    cost_per_hour: tuple[str, ...] = ()
    max_concurrent: int | None = None
    max_failures: int = 3
    extend: bool = False
    dry_run: bool = False


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 done, 1 storage failed, 2 a user's mistake, 130 interrupted."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[_log_handler()])
    logging.getLogger("bvae").setLevel(logging.INFO)
    before = signal.getsignal(signal.SIGTERM)
    interrupt_on_sigterm()
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments)
        check_options(options)
        from study import cluster

        cluster.prepare(options.address)
        from study.session import run  # Only now: it imports ray, which reads its settings then.

        return run(options, Console())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, StorageFailedError) else 2
    except KeyboardInterrupt:  # Before the first trial or while the report was built; in between, Tune takes it.
        print("\nInterrupted. The same command goes on from here.", file=sys.stderr)
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)


def interrupt_on_sigterm() -> None:
    """Let SIGTERM, as batch systems and containers send it, end a study as cleanly as Ctrl-C."""
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))


def _log_handler() -> logging.Handler:
    return RichHandler(console=Console(stderr=True), show_path=False, show_time=False, show_level=False)


def parse(arguments: Sequence[str]) -> Options:
    """Options from the command line; the preset is read first, so that its values are the defaults and --help shows
    them.

    Raises:
        ConfigError: there is no such preset.
    """
    chosen = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    chosen.add_argument("--preset", default="quick")
    preset = chosen.parse_known_args(arguments)[0].preset
    if preset not in PRESETS:
        raise ConfigError(f"preset is {preset!r}; it must be one of {', '.join(PRESETS)}")
    return tyro.cli(
        Options,
        args=arguments,
        prog="python -m study.run",
        default=Options(preset, PRESETS[preset]),
        config=(tyro.conf.FlagCreatePairsOff,),
    )


def check_options(options: Options) -> None:
    """Refuse options that are wrong whatever is studied.

    Raises:
        ConfigError: a value is outside what is allowed.
    """
    if (name := options.name) is not None and (not name or name.startswith(".") or Path(name).name != name):
        raise ConfigError(f"name is {name!r}; it must be a plain folder name")
    if options.lanes not in (None, *LANES):
        raise ConfigError(f"lanes is {options.lanes!r}; it must be one of {', '.join(LANES)}")
    for option, least in (("cpus", 1), ("max_concurrent", 1), ("max_failures", 0)):
        if (value := getattr(options, option)) is not None and value < least:
            raise ConfigError(f"{option} is {value}; it must be at least {least}")


if __name__ == "__main__":
    sys.exit(main())
