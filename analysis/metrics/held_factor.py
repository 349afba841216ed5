"""Samples that share the value of one factor, drawn from one encoding: what FactorVAE's and BetaVAE's scores need."""

from __future__ import annotations

import numpy as np


class HeldFactor:
    """The samples of each value of one factor, ready to draw from; labels (N,) are the factor's indices."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = labels
        self.order = np.argsort(labels, kind="stable")
        self.position = np.empty_like(self.order)  # of each sample in that order
        self.position[self.order] = np.arange(len(labels))
        self.count = np.bincount(labels)
        self.start = np.cumsum(self.count) - self.count

    def batches(self, rng: np.random.Generator, batches: int, size: int) -> np.ndarray:
        """Samples (batches, size): each batch shares one value, which is as frequent as it is in the data."""
        value = self.labels[rng.integers(len(self.labels), size=batches)]
        offset = rng.random((batches, size)) * self.count[value, None]
        return self.order[self.start[value, None] + offset.astype(np.int64)]

    def partners(self, rng: np.random.Generator, samples: np.ndarray) -> np.ndarray:
        """For each sample another one that shares its value; itself where there is no other."""
        value = self.labels[samples]
        others = self.count[value] - 1
        step = np.where(others > 0, 1 + (rng.random(samples.shape) * others).astype(np.int64), 0)
        place = self.position[samples] - self.start[value] + step
        return self.order[self.start[value] + place % self.count[value]]
