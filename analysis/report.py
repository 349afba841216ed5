"""Build a study's report from its files alone: tables, loss curves, GIFs, dashboard."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.atlas import atlases, write_atlases
from analysis.audit import audit_sentence
from analysis.dashboard import write_dashboard
from analysis.events import RunDirectoryError
from analysis.join import join
from analysis.ranking import Ranking, rank, write_ranking
from analysis.sheets import read_sheets, write_portraits
from analysis.summary import failures
from analysis.traversals import Range
from analysis.trials import Study, read_study, write_scores
from analysis.yardsticks import write_csv

if TYPE_CHECKING:
    from bvae.data import ImageStore

BEST = 3  # trials that get GIFs
SHEETS = 100  # trials whose traversals the dashboard plays
LOSSES = ("train_loss", "train_reconstruction", "train_kl", "loss", "reconstruction", "kl")


@dataclass(frozen=True)
class Report:
    """What was built.

    Attributes:
        directory: the report's folder.
        dashboard, ranking_csv, loss_curves, scores: the files.
        gifs: the folders of the best trials' GIFs, best first; empty without checkpoints.
        notes: what an audit of the scheduler found; what is missing, and why.
        ranking: the tables behind it.
    """

    directory: Path
    dashboard: Path
    ranking_csv: Path
    loss_curves: Path
    scores: Path
    gifs: tuple[Path, ...]
    notes: tuple[str, ...]
    ranking: Ranking


def build_report(
    run_directory: str | Path | Sequence[str | Path],
    *,
    out: Path | None = None,
    traversals: bool = True,
    best: int = BEST,
    sheets: int = SHEETS,
    span: Range = "prior",
    store: ImageStore | None = None,
    fetch: Callable[[Path], None] | None = None,
) -> Report:
    """(Re)build report/ and scores.parquet of a run directory, or one report of several that are joined. Each file is
    replaced as a whole; a reader sees old or new.

    Args:
        run_directory: with study.json and ledger.jsonl; checkpoints where traversals are wanted. Several are joined.
        out: the folder for the report, scores.parquet with it; needed for several run directories.
        traversals: draw those of trials not drawn before; without, the dashboard still plays the ones that lie there.
        best: how many trials get GIFs.
        sheets: how many trials' traversals the dashboard plays, as far as its size budget reaches.
        span: how far latents are moved: from -3 to 3, or between quantiles of the aggregate posterior.
        store: the images, where they are open already.
        fetch: has a checkpoint at hand, where the study is kept elsewhere than in the run directory.

    Raises:
        RunDirectoryError: it is not a run directory, or its ledger has no trial yet.
        OSError: the folder is not writable.
    """
    study, joined = _study(run_directory, out)
    ranking = rank(study)
    folder = out or study.directory / "report"
    folder.mkdir(exist_ok=True, parents=out is not None)
    scores = folder / "scores.parquet" if out else study.directory / "scores.parquet"
    write_scores(study, scores)
    write_ranking(ranking, folder / "ranking.csv")
    write_csv(study.yardsticks, folder / "yardsticks.csv")
    _write_loss_curves(study, folder / "loss_curves.csv")
    notes = joined + failures(ranking) + ([sentence] if (sentence := audit_sentence(study, ranking)) else [])
    if traversals:
        notes += _draw_traversals(study, ranking, folder, store, best, sheets, span, fetch)
    drawn = read_sheets(folder, ranking)
    write_atlases(folder, atlases(ranking, drawn, study.info["data"]["factor_names"]), drawn)
    dashboard = write_dashboard(study, ranking, folder / "dashboard.html", drawn, notes)
    gifs = sorted((p for p in (folder / "gif").glob("*") if p.name.isdigit()), key=lambda p: int(p.name))
    csv, curves = folder / "ranking.csv", folder / "loss_curves.csv"
    return Report(folder, dashboard, csv, curves, scores, tuple(gifs), tuple(notes), ranking)


def _study(run_directory: str | Path | Sequence[str | Path], out: Path | None) -> tuple[Study, list[str]]:
    """The study that is reported, and sentences about how it was joined."""
    directories = [run_directory] if isinstance(run_directory, (str, Path)) else list(run_directory)
    if out and (out / "study.json").exists():
        raise RunDirectoryError(f"{out} is a study's run directory; choose another folder for the report")
    studies = [read_study(directory) for directory in directories]
    if empty := [str(s.directory) for s in studies if s.trials.empty]:
        raise RunDirectoryError(f"{empty[0]}: the ledger has no trial yet, so there is nothing to report")
    if len(studies) == 1:
        return studies[0], []
    if out is None:
        raise RunDirectoryError(f"{len(studies)} run directories make one joined report; say where it goes with --out")
    return join(studies, out)


def _draw_traversals(
    study: Study, ranking: Ranking, folder: Path, store: ImageStore | None, best: int, sheets: int, span: Range,
    fetch: Callable[[Path], None] | None,
) -> list[str]:  # fmt: skip
    """Draw what can be drawn; a sentence for what can't."""
    if not ranking.trials["scored"].any():
        return ["No traversals: no trial has finished with finite scores."]
    if importlib.util.find_spec("torch") is None:
        return ["No traversals: this machine has no torch to open the checkpoints with."]
    from bvae.cache import CacheError
    from bvae.data import DataError

    try:
        return write_portraits(study, ranking, folder, store, best, sheets, span, fetch)
    except (DataError, CacheError) as error:
        return [f"No traversals: {error}."]


def _write_loss_curves(study: Study, path: Path) -> None:
    """The losses over steps as CSV, one row per report, atomically."""
    known = [c for c in ("trial_id", "beta", "latent_dim", "seed", "step", *LOSSES) if c in study.scores]
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    study.scores[known].to_csv(temporary, index=False, float_format="%.6g")
    os.replace(temporary, path)
