"""What the latents of a model stand for: KL, the factor each is matched to, and which way it is turned.

A latent is matched and turned so that traversals of different trials can be laid side by side: the same factor in the
same place, the same motion going the same way. N images, D latents, K factors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from analysis.metrics.mutual_information import factor_entropy, mutual_information
from analysis.metrics.rows import sampled

DEAD = 0.01  # nats: a latent that carries less is called dead
MATCHED = 0.1  # of a factor's entropy a latent must hold to be called by its name


class Latent(NamedTuple):
    """A latent of a trained model.

    Attributes:
        latent: its number.
        kl: in nats.
        factor: what it is matched to; None: to nothing.
        sign: -1 where it is shown turned round, from its high values to its low ones.
    """

    latent: int
    kl: float
    factor: str | None = None
    sign: int = 1

    @property
    def dead(self) -> bool:
        """Whether it carries next to nothing, so that moving it shows nothing real."""
        return self.kl < DEAD

    @property
    def symbol(self) -> str:
        """z3, or -z3 where it is turned round."""
        return f"{'-' if self.sign < 0 else ''}z{self.latent}"

    @property
    def amount(self) -> str:
        """Its KL in words."""
        return f"< {DEAD} nats" if self.dead else f"{self.kl:.2f} nats"

    @property
    def name(self) -> str:
        """What a label has room for: dead, its factor, or its KL."""
        return "dead" if self.dead else self.factor or self.amount


def describe(
    mean: NDArray[np.floating],
    logvar: NDArray[np.floating],
    kl: NDArray[np.floating],
    factors: NDArray[np.integer],
    names: Sequence[str],
    steps: Mapping[int, NDArray[np.floating]] | None = None,
) -> list[Latent]:
    """The latents of a model, the strongest first.

    Each living one is turned so that it rises with the factor it is matched to (one matched to none: with the factor it
    holds most of), by the sign of Spearman's correlation over the images. A factor without order, such as the shape, is
    taken in the order of its values.

    Args:
        mean, logvar: (N, D) of the posteriors.
        kl: (D,) in nats.
        factors: (N, K).
        names: (K,) of the factors.
        steps: for factors that go round in a circle, which no rank can follow: factor -> (D,), what `rises` returned.
    """
    share = shares(sampled(mean, logvar), kl, factors)
    factor_of = matched(share)
    trend = _centred_ranks(mean).T @ _centred_ranks(factors)  # (D, K)
    for circular, rise in (steps or {}).items():
        trend[:, circular] = rise
    latents = []
    for d in np.argsort(-kl, kind="stable").tolist():
        factor = factor_of.get(d)
        towards = trend[d, share[d].argmax() if factor is None else factor]
        sign = -1 if towards < 0 and kl[d] >= DEAD else 1
        latents.append(Latent(d, float(kl[d]), None if factor is None else names[factor], sign))
    return latents


def shares(z: NDArray[np.floating], kl: NDArray[np.floating], factors: NDArray[np.integer]) -> NDArray[np.float64]:
    """How much of each factor's entropy each latent holds, (D, K).

    Of samples, not of posterior means: binned means forget their scale, and let a collapsed latent pass for a factor
    that it only whispers. No latent holds more than its KL, which is at least I(z; x) (Hoffman & Johnson 2016); the
    plug-in estimate from few images would.
    """
    entropy = factor_entropy(factors)
    information = np.minimum(mutual_information(z, factors), kl[:, None])
    return np.asarray(information / np.where(entropy > 0, entropy, np.inf))


def matched(share: NDArray[np.floating]) -> dict[int, int]:
    """One latent to each factor, by the assignment that holds the most together (Kuhn 1955, the Hungarian method).

    Pairs below MATCHED count nothing and stay unmatched.

    Returns:
        latent -> factor.
    """
    counted = np.where(share >= MATCHED, share, 0)
    return {int(d): int(k) for d, k in zip(*linear_sum_assignment(-counted), strict=True) if counted[d, k] > 0}


def rises(before: NDArray[np.floating], after: NDArray[np.floating]) -> NDArray[np.float64]:
    """How much more often each latent rises than falls from one (N, D) codes to the other: (D,) from -1 to 1.

    For a circular factor seen one step at a time, this is the way round that a latent goes, whatever the symmetry of
    what turns: a latent that follows the angle of a square climbs four times a turn and falls back in four leaps, so
    that most of its steps go up. One that swings like the cosine of the angle goes either way as often, and has no
    direction to agree on.
    """
    return np.asarray(np.sign(after - before).mean(axis=0), np.float64)


def _centred_ranks(values: NDArray[np.generic]) -> NDArray[np.float64]:
    ranks = pd.DataFrame(values).rank().to_numpy()
    return np.asarray(ranks - ranks.mean(axis=0))
