"""What stopping trials loses: some that were to be stopped ran on to their end (`--audit`), and are judged there.

Stopping one was wrong if, at the end, no trial that the scheduler let finish is better: nowhere worse in the objectives
and somewhere better. It would have been on the front of what the study found.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.columns import number
from analysis.front import costs
from analysis.ranking import Ranking
from analysis.trials import Study


def verdicts(study: Study, ranking: Ranking) -> pd.DataFrame:
    """One row per trial that was audited and has ended: trial_id, beta, wrong (whether stopping it would have been).

    One that diverged was rightly stopped; one that failed or still runs says nothing yet and is left out.
    """
    names = set(study.decisions.loc[study.decisions["audited"].astype(bool), "trial_id"])
    ends = ranking.trials[ranking.trials["status"].isin(["finished", "diverged"])]
    cost = costs(ends[list(ranking.objectives)].to_numpy(float), list(ranking.objectives.values()))
    chosen = ends["trial_id"].isin(names).to_numpy(bool)
    rivals = cost[~chosen]
    beaten = [bool(((rivals <= row).all(axis=1) & (rivals < row).any(axis=1)).any()) for row in cost[chosen]]
    wrong = np.isfinite(cost[chosen]).all(axis=1) & ~np.array(beaten, bool)
    return ends.loc[chosen, ["trial_id", "beta"]].astype({"beta": float}).assign(wrong=wrong)


def audited(study: Study, ranking: Ranking) -> pd.DataFrame:
    """One row per β, by rising β: beta, trials (that were audited and have ended), wrong (how many of them)."""
    rows = verdicts(study, ranking).assign(trials=1).groupby("beta", as_index=False)
    return rows[["trials", "wrong"]].sum().astype({"wrong": int})


def audit_sentence(study: Study, ranking: Ranking) -> str | None:
    """How often stopping was wrong, and at which β; None where nothing was audited."""
    rows = audited(study, ranking)
    if rows.empty:
        return None
    trials, wrong = int(rows["trials"].sum()), int(rows["wrong"].sum())
    low, high = share_interval(wrong, trials)
    each = [f"{n} of {total} at β = {number(beta)}" for beta, total, n in rows.itertuples(index=False)]
    return (
        f"Audit: {trials} trial{'s that were' if trials > 1 else ' that was'} to be stopped ran on. For {wrong} "
        f"stopping would have been wrong, as no trial that went on by right is better at the end: {', '.join(each)}. "
        f"That is {100 * low:.0f} to {100 * high:.0f} % of such trials, with 95 % confidence."
    )


def share_interval(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share from counts (Wilson 1927)."""
    from scipy.stats import binomtest  # A second of importing that only an audit needs.

    interval = binomtest(hits, of).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
