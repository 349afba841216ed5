"""python -m analysis RUN_DIR [RUN_DIR ...]: (re)build a study's report from its files alone, wherever they were copied
to; of several studies, one report of all their trials."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from analysis.report import BEST, build_report
from analysis.summary import front_sentence, summary_table
from analysis.traversals import Range
from analysis.trials import RunDirectoryError


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the report and print the ranking; 0, or 2 after one sentence about what is wrong with the arguments."""
    parser = argparse.ArgumentParser(prog="python -m analysis", description=__doc__)
    parser.add_argument(
        "run_directory",
        type=Path,
        nargs="+",
        help="folder of a study, with its study.json and ledger.jsonl",
    )
    parser.add_argument("--out", type=Path, help="folder for the report (default RUN_DIR/report); needed for several")
    parser.add_argument("--best", type=int, default=BEST, help="trials that get traversal GIFs (default %(default)s)")
    parser.add_argument("--data", type=Path, help="the study's .npz, where it lies elsewhere on this machine")
    parser.add_argument(
        "--range", choices=get_args(Range), default="prior",
        help="move latents from -3 to 3, or between the 1 %% and 99 %% quantiles of the aggregate posterior "
        "(default %(default)s)",
    )  # fmt: skip
    parser.add_argument("--no-traversals", action="store_true", help="leave the checkpoints alone: no torch needed")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        if options.best < 0:
            raise RunDirectoryError(f"--best must be 0 or more, got {options.best}")
        report = build_report(
            options.run_directory,
            out=options.out,
            traversals=not options.no_traversals,
            best=options.best,
            span=options.range,
            store=None if options.data is None else _images(options.data),
        )
    except (RunDirectoryError, OSError) as error:
        print(f"python -m analysis: {error}", file=sys.stderr)
        return 2
    from rich.console import Console

    console = Console(highlight=False)
    console.print(summary_table(report.ranking))
    console.print(f"\n{front_sentence(report.ranking)}\n", markup=False)
    for note in report.notes:
        console.print(note, markup=False)
    console.print(f"{report.dashboard}", markup=False, soft_wrap=True)
    return 0


def _images(path: Path):  # type: ignore[no-untyped-def]  # bvae.data.ImageStore, known only where torch is
    """The image store of a data file.

    Raises:
        RunDirectoryError: the file can't be used.
    """
    from bvae.cache import CacheError
    from bvae.data import DataError, load

    try:
        return load(path)
    except (DataError, CacheError) as error:
        raise RunDirectoryError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
