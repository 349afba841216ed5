"""python -m analysis RUN_DIR [RUN_DIR ...]: (re)build a study's report from its files alone, wherever they were copied
to; of several studies, one report of all their trials."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from analysis.events import RunDirectoryError
from analysis.report import BEST, Report, build_report
from analysis.storage import StorageError
from analysis.summary import front_sentence, summary_table
from analysis.traversals import add_range
from analysis.working_copy import WorkingCopy, working_copy


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the report and print the ranking; 0, or 2 after one sentence about what is wrong with the arguments."""
    parser = argparse.ArgumentParser(prog="python -m analysis", description=__doc__)
    parser.add_argument(
        "run_directory",
        nargs="+",
        help="folder of a study, with its study.json and ledger.jsonl; or its s3:// or gs://",
    )
    parser.add_argument("--out", type=Path, help="folder for the report (default RUN_DIR/report); needed for several")
    parser.add_argument("--best", type=int, default=BEST, help="trials that get traversal GIFs (default %(default)s)")
    parser.add_argument("--data", type=Path, help="the study's .npz, where it lies elsewhere on this machine")
    add_range(parser)
    parser.add_argument("--no-traversals", action="store_true", help="leave the checkpoints alone: no torch needed")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        if options.best < 0:
            raise RunDirectoryError(f"--best must be 0 or more, got {options.best}")
        with ExitStack() as stack:
            copies = [stack.enter_context(working_copy(location)) for location in options.run_directory]
            report = _built(copies, options)
    except (RunDirectoryError, StorageError, OSError) as error:
        print(f"python -m analysis: {error}", file=sys.stderr)
        return 2
    from rich.console import Console

    console = Console(highlight=False)
    console.print(summary_table(report.ranking))
    console.print(f"\n{front_sentence(report.ranking)}\n", markup=False)
    for note in report.notes:
        console.print(note, markup=False)
    shown = report.dashboard if options.out else copies[0].shown(report.dashboard)
    console.print(f"{shown}", markup=False, soft_wrap=True)
    return 0


def _built(copies: Sequence[WorkingCopy], options: argparse.Namespace) -> Report:
    """Build the report, where the study is kept unless a folder is given.

    Raises:
        RunDirectoryError, StorageError, OSError: it can't be read or written.
    """
    for copy in copies:
        copy.fetch_all()

    def fetch(path: Path) -> None:
        for copy in copies:
            copy.fetch(path)

    report = build_report(
        [copy.directory for copy in copies],
        out=options.out,
        traversals=not options.no_traversals,
        best=options.best,
        span=options.range,
        store=None if options.data is None else _images(options.data),
        fetch=fetch,
    )
    if options.out is None:
        copies[0].send_all()
    return report


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
