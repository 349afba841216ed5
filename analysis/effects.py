"""What moved the outcome: the variance of a score split between the settings, their interaction, and the seed.

Locatello et al. 2019 (arXiv:1811.12359) asked it of thousands of models. The split is an analysis of variance with
every setting taken as a category. A study whose trials were stopped early is unbalanced, so each setting is credited
with what it explains beyond all other settings (type II sums of squares); β × latent size is what both explain together
beyond their sum; what trials of one cell still differ in is the seed's. Shares are of the sum of these parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.ranking import Ranking
from analysis.uncertainty import residual_sources

INTERACTION = ("beta", "latent_dim")
SEED, TOGETHER = "seed", "beta × latent_dim"
DRAWS = 200
MOST_LEVELS = 100
PIXELS = 64 * 64  # of an image, in each channel
Floats = NDArray[np.float64]


def variance_split(ranking: Ranking, metric: str, draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """Split the variance of a score over the scored trials.

    Args:
        ranking: of the study.
        metric: one of its scores.
        draws: bootstrap draws over the seeds of every cell.
        seed: of the bootstrap.

    Returns:
        one row per source (the settings that differ, "beta × latent_dim", "seed"): source, share, low, high (95 %).
        Empty where it can't be told: no cell has two scored seeds, the score does not vary, nothing but the seed does,
        or the settings have more than MOST_LEVELS values, as in a random search.
    """
    columns = ["source", "share", "low", "high"]
    trials = ranking.trials[ranking.trials["scored"]].assign(value=lambda t: pd.to_numeric(t[metric]))
    trials = trials[np.isfinite(trials["value"])]
    varying = [s for s in ranking.settings if trials[s].astype(str).nunique() > 1]
    sizes = trials.groupby("cell").size()
    if not varying or not (sizes > 1).any() or np.ptp(trials["value"].to_numpy(float)) == 0:
        return pd.DataFrame(columns=columns)
    if sum(trials[name].nunique() for name in varying) > MOST_LEVELS:
        return pd.DataFrame(columns=columns)
    codes = {name: pd.factorize(trials[name].astype(str))[0] for name in varying}
    values = trials["value"].to_numpy(float)
    cells = [np.flatnonzero(trials["cell"] == cell) for cell in sizes.index]
    random = np.random.default_rng(seed)
    again = list(_drawn_again(cells, values[:, None], draws, random))
    shares = _shares(codes, np.concatenate([values[:, None], *again], axis=1))
    rows = [(source, share[0], *_interval(share[0], share[1:])) for source, share in shares.items()]
    return pd.DataFrame(rows, columns=columns)


def by_coordinate(ranking: Ranking, metric: str, draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """How much of a score's variance one coordinate explains by itself, by a parabola in it.

    β and latent size are how a trial was asked for; β·M/N (M latents, N pixels: Higgins et al. 2017), the rate (KL) and
    the active latents say what came of it. Where one of those explains as much as β and size do, their effect is its.

    Returns:
        one row per coordinate that varies: source, share (R²), low, high (95 %, by drawing seeds again, whole). Empty
        where no cell has two scored seeds or the score does not vary.
    """
    columns = ["source", "share", "low", "high"]
    trials = ranking.trials[ranking.trials["scored"]]
    pixels = PIXELS * trials.get("channels", 1)
    table = pd.DataFrame({"value": trials[metric], "beta": np.log(trials["beta"].astype(float))})
    table["latent_dim"] = trials["latent_dim"]
    table["beta_norm"] = np.log(trials["beta"].astype(float) * trials["latent_dim"] / pixels)
    for name in ("kl", "active_latents"):
        if name in trials:
            table[name] = trials[name]
    table = table.apply(pd.to_numeric, errors="coerce").astype(float)
    table = table[np.isfinite(table).all(axis=1)]
    sizes = trials.loc[table.index].groupby("cell").size()
    names = [c for c in table if c != "value" and np.ptp(table[c].to_numpy()) > 0] if len(table) else []
    if not names or not (sizes > 1).any() or np.ptp(table["value"].to_numpy()) == 0:
        return pd.DataFrame(columns=columns)
    values = table[["value", *names]].to_numpy(float)
    cells = [np.flatnonzero(trials.loc[table.index, "cell"] == cell) for cell in sizes.index]
    random = np.random.default_rng(seed)
    drawn = np.array([_parabolas(again) for again in _drawn_again(cells, values, draws, random)])
    rows = [(n, share, *_interval(share, d)) for n, share, d in zip(names, _parabolas(values), drawn.T, strict=True)]
    return pd.DataFrame(rows, columns=columns)


def _interval(share: float, drawn: Floats) -> tuple[float, float]:
    """The middle 95 % of the draws, moved to lie around the share as they lie around their own mean: a draw has the
    seeds' noise twice, its own and that of the means it starts from, and takes from every setting for the seed."""
    low, high = np.quantile(drawn, (0.025, 0.975)) + share - drawn.mean()
    return max(low, 0.0), min(high, 1.0)


def _parabolas(values: Floats) -> list[float]:
    """R² of the first column by a parabola in each of the others."""
    of, *coordinates = values.T
    total = float(np.sum((of - of.mean()) ** 2))
    blocks = ((x - x.mean()) / (np.ptp(x) or 1.0) for x in coordinates)
    return [1 - float(_unexplained([np.stack([x, x**2], axis=1)], of)) / total if total > 0 else 0.0 for x in blocks]


def _drawn_again(
    cells: Sequence[NDArray[np.intp]], values: Floats, draws: int, random: np.random.Generator
) -> Iterator[Floats]:
    """The values (n, k) as other seeds might have given them: each cell's mean with residuals, drawn whole as
    `uncertainty` draws them."""
    sources = residual_sources([values[rows] for rows in cells])
    means = values.copy()
    for rows in cells:
        means[rows] = values[rows].mean(axis=0)
    for _ in range(draws):
        again = means.copy()
        for rows, source in zip(cells, sources, strict=True):
            again[rows] += random.choice(source, len(rows))
        yield again


def _shares(codes: dict[str, NDArray[np.intp]], values: Floats) -> dict[str, Floats]:
    """The share of each source in each of the draws, values (n, draws): the settings in their order, then the
    interaction, then the seed."""
    mains = {name: _dummies(code) for name, code in codes.items()}
    all_mains = _unexplained(list(mains.values()), values)
    parts = {n: _unexplained([m for k, m in mains.items() if k != n], values) - all_mains for n in mains}
    rest = all_mains
    if all(name in codes for name in INTERACTION):
        both = np.unique(np.stack([codes[n] for n in INTERACTION]), axis=1, return_inverse=True)[1].ravel()
        rest = _unexplained([*mains.values(), _dummies(both)], values)
        parts[TOGETHER] = all_mains - rest
    parts[SEED] = rest
    total = np.sum(list(parts.values()), axis=0)
    return {
        n: np.divide(np.maximum(part, 0.0), total, np.zeros_like(part), where=total > 0) for n, part in parts.items()
    }


def _dummies(code: NDArray[np.intp]) -> Floats:
    """(n, levels) indicators."""
    return np.eye(int(code.max()) + 1)[code]


def _unexplained(blocks: Sequence[Floats], values: Floats) -> Floats:
    """The sum of squares that a least-squares fit of a mean and these columns leaves, of each column of the values."""
    design = np.concatenate([np.ones((len(values), 1)), *blocks], axis=1)
    fitted = design @ np.linalg.lstsq(design, values, rcond=None)[0]
    return np.asarray(np.sum((values - fitted) ** 2, axis=0))
