"""InfoMEC: modularity, explicitness and compactness in units of information."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from analysis.metrics.inputs import checked
from analysis.metrics.logistic import fitted
from analysis.metrics.mutual_information import factor_entropy

NEIGHBOURS = 10
# A latent is looked at if its range is more than this share of the widest latent's.
ACTIVE_RANGE = 1 / 20
# As scikit-learn: far below any scale, so that equal codes have neighbours at a distance above 0.
TIE_BREAK = 1e-10
ROUNDING = 4 * float(np.finfo(np.float64).eps)


class InfoMEC(NamedTuple):
    """The three scores, parts per code (D,; NaN for pruned latents) and per factor (K,), the NMI matrix (D, K)."""

    modularity: float
    explicitness: float
    compactness: float
    modularity_per_code: np.ndarray
    explicitness_per_factor: np.ndarray
    compactness_per_factor: np.ndarray
    normalised_information: np.ndarray


def infomec(codes: np.ndarray, factors: np.ndarray, *, seed: int = 0) -> InfoMEC:
    """How much of the information about factors is where it should be, for continuous latents.

    N_jk = I(z_j; v_k) / H(v_k) by nearest neighbours (k = 10). With K factors and A active latents (range above 1/20
    of the widest): InfoM = (mean_j max_k N / Σ_k N − 1/K) / (1 − 1/K), InfoC = (mean_k max_j N / Σ_j N − 1/A) / (1 −
    1/A), InfoE = mean_k (1 − CE_k / ln |v_k|), CE the cross-entropy of an unpenalised balanced logistic regression on
    all codes. Range [0, 1] each, higher is better. Rows or columns without information count as even, that is 0; with
    one factor or one active latent the even share is all there is and what is informative scores 1. InfoE below 0
    counts as 0.

    Source: Hsu et al. 2023, arXiv:2305.18378, and their code; explicitness on the samples it was fitted on,
    as there. Cost: 2 s for 10,000 samples, 10 latents. Raises ValueError for codes or factors that `inputs.checked`
    refuses.
    """
    codes, factors = checked(codes, factors)
    codes = codes.astype(np.float64)
    spread = np.ptp(codes, axis=0)
    active = (spread > spread.max() * ACTIVE_RANGE) & (spread > 0)
    scale = codes.std(axis=0)
    standard = (codes - codes.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    noise = TIE_BREAK * np.random.default_rng(seed).standard_normal(standard.shape)
    information = np.zeros((codes.shape[1], factors.shape[1]))
    for j in np.flatnonzero(spread > 0):
        information[j] = [neighbour_information(standard[:, j] + noise[:, j], labels) for labels in factors.T]
    information /= factor_entropy(factors)
    modularity_per_code = np.full(codes.shape[1], np.nan)
    modularity_per_code[active] = excess(information[active])
    compactness = excess(information[active].T)
    explicit = np.array([predictive_share(standard, labels) for labels in factors.T])
    return InfoMEC(
        float(modularity_per_code[active].mean()) if active.any() else 0.0,
        float(explicit.mean()),
        float(compactness.mean()),
        modularity_per_code,
        explicit,
        compactness,
        information,
    )


def excess(information: np.ndarray) -> np.ndarray:
    """Of each row, the largest entry's share of the sum, rescaled so that an even row is 0 and a single entry 1."""
    size = information.shape[1]
    total = information.sum(axis=1)
    largest = information.max(axis=1, initial=0.0)
    if size < 2:
        return (total > 0).astype(np.float64)
    share = np.where(total > 0, largest / np.where(total > 0, total, 1.0), 1 / size)
    return np.maximum(share - 1 / size, 0.0) / (1 - 1 / size)


def neighbour_information(values: np.ndarray, labels: np.ndarray) -> float:
    """I(values; labels) in nats for a continuous and a discrete variable, by the neighbours within a label (Ross 2014).

    Ψ(N) + E Ψ(k) − E Ψ(samples of the label) − E Ψ(samples within the distance of the k-th neighbour of the own
    label). In one dimension the k neighbours are one window of the sorted values, so all of it is sorting and
    searching.
    """
    from scipy.special import digamma

    used, radii, terms = [], [], 0.0
    for label in np.unique(labels):
        own = np.sort(values[labels == label])
        if len(own) < 2:
            continue
        neighbours = min(NEIGHBOURS, len(own) - 1)
        used.append(own)
        distance = distance_to_neighbour(own, neighbours)
        # A hair less, so that rounding of own ± distance never counts the neighbour itself.
        radii.append(distance - ROUNDING * (np.abs(own) + distance))
        terms += len(own) * (digamma(neighbours) - digamma(len(own)))
    if not used:
        return 0.0
    points, radius = np.concatenate(used), np.concatenate(radii)
    ordered = np.sort(points)
    within = np.searchsorted(ordered, points + radius, "right") - np.searchsorted(ordered, points - radius, "left")
    total = len(points)
    return max(0.0, float(digamma(total) + (terms - digamma(within).sum()) / total))


def distance_to_neighbour(ordered: np.ndarray, neighbours: int) -> np.ndarray:
    """Distance of each of the sorted values to its k-th nearest: the best of the k + 1 windows that hold it."""
    padded = np.concatenate([np.full(neighbours, -np.inf), ordered, np.full(neighbours, np.inf)])
    distance = np.full(len(ordered), np.inf)
    for before in range(neighbours + 1):
        lowest = padded[neighbours - before : neighbours - before + len(ordered)]
        highest = padded[2 * neighbours - before : 2 * neighbours - before + len(ordered)]
        distance = np.minimum(distance, np.maximum(ordered - lowest, highest - ordered))
    return distance


def predictive_share(standard: np.ndarray, labels: np.ndarray) -> float:
    """1 − cross-entropy of the balanced logistic regression / that of guessing evenly, ln of the number of values."""
    classes, targets = np.unique(labels, return_inverse=True)
    model = fitted(standard, targets, C=np.inf, class_weight="balanced")
    chance = model.predict_proba(standard)[np.arange(len(targets)), targets]
    cross_entropy = -np.log(np.maximum(chance, np.finfo(np.float64).eps)).mean()
    return float(np.clip(1 - cross_entropy / np.log(len(classes)), 0.0, 1.0))
