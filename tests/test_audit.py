"""The audit of a constructed study: whom it was wrong to stop is known."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from constructed import STEPS, MadeTrial, write_study

from analysis.audit import audit_sentence, audited, verdicts
from analysis.events import append, event
from analysis.figures.audit import wrong_figure
from analysis.figures.style import BetaScale
from analysis.ranking import Ranking, rank
from analysis.report import build_report
from analysis.trials import Study, read_study

LET_ON = [MadeTrial("a", beta=1.0, reconstruction=30, mig=0.2), MadeTrial("b", beta=8.0, reconstruction=50, mig=0.4)]
AUDITED = [
    MadeTrial("better", beta=8.0, seed=1, reconstruction=45, mig=0.5),
    MadeTrial("between", beta=4.0, reconstruction=40, mig=0.3),  # Nobody beats it, as it beats nobody.
    MadeTrial("beaten", beta=4.0, seed=1, reconstruction=51, mig=0.3),
    MadeTrial("beaten by an audited one only", beta=4.0, seed=2, reconstruction=46, mig=0.45),
    MadeTrial("diverged", beta=16.0, status="diverged", last=300, reconstruction=float("nan"), mig=float("nan")),
    MadeTrial("running", beta=16.0, seed=1, status="unfinished", last=300),
]


def study_of(folder: Path) -> tuple[Study, Ranking]:
    write_study(folder, [*LET_ON, *AUDITED])
    fields = {"step": 100, "rung": 100, "keep": False, "rank": 3, "front": 1, "size": 4, "reason": ""}
    fields |= {"dominated_by": [], "audited": True}
    append(folder / "ledger.jsonl", [event("decision", t.trial_id, **fields) for t in AUDITED])
    study = read_study(folder)
    return study, rank(study, draws=10)


def test_stopping_is_wrong_where_nobody_who_was_let_on_is_better(tmp_path: Path) -> None:
    study, ranking = study_of(tmp_path)
    wrong = dict(verdicts(study, ranking)[["trial_id", "wrong"]].itertuples(index=False))
    assert {trial_id for trial_id, was in wrong.items() if was} == {
        "better",
        "between",
        "beaten by an audited one only",
    }
    assert {trial_id for trial_id, was in wrong.items() if not was} == {"beaten", "diverged"}
    rows = audited(study, ranking)
    assert rows.values.tolist() == [[4.0, 3, 2], [8.0, 1, 1], [16.0, 1, 0]]


def test_the_report_says_how_often(tmp_path: Path) -> None:
    study, ranking = study_of(tmp_path)
    sentence = audit_sentence(study, ranking)
    assert sentence is not None
    assert sentence.startswith("Audit: 5 trials that were to be stopped ran on. For 3 stopping would have been wrong")
    assert "2 of 3 at β = 4, 1 of 1 at β = 8, 0 of 1 at β = 16. That is 23 to 88 % of such trials" in sentence
    assert build_report(tmp_path, traversals=False).notes[0] == sentence
    figure = wrong_figure(audited(study, ranking), BetaScale(ranking.trials["beta"]))
    assert figure.data[0].x == ("4<br>2 of 3", "8<br>1 of 1", "16<br>0 of 1")
    assert list(figure.data[0].y) == pytest.approx([2 / 3, 1, 0])


def test_without_an_audit_nothing_is_said(tmp_path: Path) -> None:
    write_study(tmp_path, [*LET_ON, replace(LET_ON[0], trial_id="c", status="stopped", last=300)])
    study = read_study(tmp_path)
    assert audit_sentence(study, rank(study, draws=10)) is None
    assert wrong_figure(pd.DataFrame({"beta": [], "trials": [], "wrong": []}), BetaScale([1.0])).layout.annotations
    assert STEPS > 300
