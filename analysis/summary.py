"""What a ranking says in words: a sentence about the front, and a table for the end of a run in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from analysis.columns import column, measured, number
from analysis.ranking import STATUSES, Ranking
from analysis.trials import last_line
from analysis.yardsticks import of_score

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

COUNTED = {"finished": "finished", "stopped": "stopped early", "diverged": "diverged", "failed": "failed"}


def counts(ranking: Ranking) -> str:
    """How many trials ended how: "24 trials: 20 finished, 4 stopped early"."""
    total = len(ranking.trials)
    ended = ranking.trials["status"].value_counts()
    parts = [f"{ended[s]} {COUNTED.get(s, s)}" for s in STATUSES if s in ended]
    return f"{total} trial{'' if total == 1 else 's'}: {', '.join(parts)}"


def front_sentence(ranking: Ranking) -> str:
    """What the front says, in one plain sentence with figures and how sure they are."""
    front = ranking.front
    if front.empty:
        finished = (ranking.trials["status"] == "finished").any()
        return f"There is no front yet: no trial has {'finite scores' if finished else 'finished'} ({counts(ranking)})."
    best = ranking.cells.iloc[0]
    picked = f"{best['label']}, with {_scores(best, ranking)}{_sureness(best)}"
    if len(front) == 1 or len(ranking.objectives) == 1:
        rivals = int((ranking.cells["layer"] > 0).sum())
        wins = f"beats the other {rivals} ranked at every objective" if rivals else "is all that could be ranked"
        return f"One cell {wins}: {picked}."
    low, high = front.iloc[0], front.iloc[-1]
    first, *others = ranking.objectives
    gains = " and ".join(f"{column(o).title} improves by {_change(low, high, o)}" for o in others)
    ends = f"from {low['label']} to {high['label']}"
    return (
        f"Along the front, {ends}, {column(first).title} "
        f"worsens by {_change(low, high, first)} while {gains}; the best trade-off is {picked}."
    )


def failures(ranking: Ranking, most: int = 5) -> list[str]:
    """A sentence for each trial that failed, with the last line of its error; of many, the first and how many more."""
    failed = ranking.trials[ranking.trials["status"] == "failed"]
    sentences = [
        f"{row['label']}, seed {row['seed']} failed after step {row['step']:,}: "
        + (last_line(row["error"]) or "its error is not known")
        for row in failed.head(most).to_dict("records")
    ]
    more = len(failed) - len(sentences)
    return [*sentences, f"{more} more trials failed; their errors are in the dashboard."] if more else sentences


def summary_table(ranking: Ranking, rows: int = 10) -> Group:
    """The first cells as a table of at most 80 columns, for rich's console, and the null and ceiling rows under it.

    The numbers are validation means ± the standard deviation over the scored seeds; a star marks the front. Means of
    test images stand beside them, where no third setting needs their place.
    """
    from rich.console import Group

    return Group(_cell_table(ranking, rows), *_yardstick_tables(ranking))


def _yardstick_tables(ranking: Ranking) -> list[Table]:
    """What the objectives' values are to be held against, a table each; none of an objective that has no such rows."""
    from rich.table import Table

    tables = []
    for name in ranking.objectives:
        if not (found := of_score(ranking.yardsticks, column(name))):
            continue
        table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
        table.add_column("\nto compare with")
        table.add_column(column(name).title, justify="right")
        table.add_column("")
        for y in found:
            table.add_row(y.title, measured(y.value), y.kind, style="dim")
        tables.append(table)
    return tables


def _cell_table(ranking: Ranking, rows: int) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", caption_justify="left")
    table.add_column("")
    settings = ranking.settings[:3]
    tested = len(settings) < 3
    for name in settings:
        table.add_column(column(name).title, justify="right", overflow="fold")
    for name in ranking.objectives:
        table.add_column(column(name).title, justify="right", no_wrap=True)
        if tested:
            table.add_column("(test)", justify="right", style="dim")
    table.add_column("seeds", justify="right")
    table.add_column("on front", justify="right")
    for _, cell in ranking.cells.head(rows).iterrows():
        values = [number(v) if isinstance(v := cell[s], (int, float)) else str(v) for s in settings]
        for name in ranking.objectives:
            values.append(_mean(cell, name))
            if tested:
                values.append(measured(cell.get(f"test_{name}_mean", float("nan"))))
        chance = "" if pd.isna(cell["front_probability"]) else f"{100 * cell['front_probability']:.0f} %"
        mark = "★" if cell["front"] else str(cell["rank"])
        table.add_row(mark, *values, f"{cell['scored']}/{cell['trials']}", chance)
    hidden = len(ranking.cells) - rows
    more = f"; {hidden} more in ranking.csv" if hidden > 0 else ""
    table.caption = f"★ on the front; ± over seeds; seeds: finished/started{more}"
    return table


def _mean(cell: pd.Series, objective: str) -> str:
    return measured(cell[f"{objective}_mean"], cell[f"{objective}_std"])


def _scores(cell: pd.Series, ranking: Ranking) -> str:
    """ "reconstruction 28.2 ± 0.4 nats per image and MIG 0.14 ± 0.02 over 3 seeds"."""
    parts = [f"{column(o).title} {_mean(cell, o)} {column(o).unit}".strip() for o in ranking.objectives]
    seeds = "in one seed" if cell["scored"] == 1 else f"over {cell['scored']} seeds"
    lost = int(cell["trials"] - cell["scored"])
    without = f" ({lost} more did not finish)" if lost else ""
    return f"{' and '.join(parts)} {seeds}{without}"


def _sureness(cell: pd.Series) -> str:
    """How often the cell stays on the front when the seeds are drawn again."""
    if pd.isna(cell["front_probability"]):
        return "; too few seeds finished to say how sure that is"
    return f", on the front in {100 * cell['front_probability']:.0f} % of bootstrap draws over seeds"


def _change(low: pd.Series, high: pd.Series, objective: str) -> str:
    """ "25.7 ± 1.1 nats per image": the difference of two means and the standard error of that difference."""
    change = abs(high[f"{objective}_mean"] - low[f"{objective}_mean"])
    errors = [cell[f"{objective}_std"] ** 2 / cell["scored"] for cell in (low, high)]
    unit = column(objective).unit
    return f"{measured(change, sum(errors) ** 0.5)} {unit}".strip()
