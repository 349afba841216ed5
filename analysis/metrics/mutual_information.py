"""Plug-in mutual information between binned codes and factors, in nats: what MIG and modularity are made of."""

from __future__ import annotations

import numpy as np

BINS = 20
ROUNDING = 1e-12


def binned(codes: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Each code's own equal-width bins between its smallest and largest value: (N, D) float -> (N, D) indices from 0.

    As the reference bins: the last edge is left out, so the maximum falls into the last bin. A constant code fills
    one.
    """
    indices = np.empty(codes.shape, dtype=np.int64)
    for column, values in enumerate(codes.T):
        indices[:, column] = np.digitize(values, np.histogram_bin_edges(values, bins)[:-1]) - 1
    # Rounding can put the minimum a hair below the first edge.
    return np.maximum(indices, 0)


def entropy(counts: np.ndarray) -> np.ndarray:
    """Plug-in entropy in nats of the distribution along the last axis; an axis without counts has entropy 0."""
    total = counts.sum(axis=-1, keepdims=True)
    share = counts / np.maximum(total, 1)
    return -(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=-1)


def factor_entropy(factors: np.ndarray) -> np.ndarray:
    """H(v_k) in nats for each factor: (N, K) -> (K,)."""
    return np.array([entropy(np.bincount(column)) for column in factors.T])


def mutual_information(codes: np.ndarray, factors: np.ndarray, bins: int = BINS) -> np.ndarray:
    """I(binned z_j; v_k) in nats as a (D, K) matrix, from counts: one bincount for each pair, O(N D K).

    Biased upwards by about (bins - 1)(values - 1) / 2N: 0.037 nats for 40 orientations and 10,000 samples.
    """
    indices = binned(codes, bins)
    sizes = factors.max(axis=0) + 1
    information = np.empty((codes.shape[1], factors.shape[1]))
    for k, size in enumerate(sizes):
        for j in range(codes.shape[1]):
            joint = np.bincount(indices[:, j] * size + factors[:, k], minlength=bins * size).reshape(bins, size)
            information[j, k] = entropy(joint.sum(1)) + entropy(joint.sum(0)) - entropy(joint.ravel())
    # What rounding leaves of a constant code's zero would count in ratios of information.
    return np.where(information > ROUNDING, information, 0.0)
