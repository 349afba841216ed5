"""The mass that Gaussian posteriors lay on a grid of cells, for each value of each factor; compiled."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

# Mass beyond so many standard deviations is 2e-9.
REACH = 6.0
# Cells per standard deviation of the narrowest posterior, unless that takes more than LARGEST_GRID cells.
FINENESS = 2.0
LARGEST_GRID = 16_384


def soft_histogram(mean: np.ndarray, deviation: np.ndarray, columns: np.ndarray, rows: int) -> np.ndarray:
    """Joint mass (rows, cells) of one latent and all factor values; each posterior counts 1 in each of its K rows.

    mean, deviation (N,) of the latent's posteriors; columns (N, K) is the row of each sample's value of each factor.
    """
    lowest, highest = float((mean - REACH * deviation).min()), float((mean + REACH * deviation).max())
    cell = max(float(deviation.min()) / FINENESS, (highest - lowest) / LARGEST_GRID)
    mass = np.zeros((rows, int((highest - lowest) / cell) + 2))
    add(mass, (mean - lowest) / cell, np.maximum(deviation / cell, 0.5), columns)
    return mass


@njit(cache=True)
def add(mass, centre, width, columns):  # type: ignore[no-untyped-def]
    """Lay each posterior, in units of cells, over the cells that it reaches, normalised to 1."""
    cells = mass.shape[1]
    weight = np.empty(cells)
    for n in range(len(centre)):
        first = max(int(centre[n] - REACH * width[n]), 0)
        last = min(int(centre[n] + REACH * width[n]) + 2, cells)
        total = 0.0
        for cell in range(first, last):
            weight[cell] = math.exp(-0.5 * ((cell - centre[n]) / width[n]) ** 2)
            total += weight[cell]
        for cell in range(first, last):
            weight[cell] /= total
        for row in columns[n]:
            for cell in range(first, last):
                mass[row, cell] += weight[cell]
