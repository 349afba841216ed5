"""Total correlation of codes as if they were Gaussian."""

from __future__ import annotations

import numpy as np

from analysis.metrics.inputs import checked_codes

# Codes that copy each other have infinite total correlation; this share of the mean eigenvalue keeps it finite.
SMALLEST_EIGENVALUE = 1e-12
CHUNK = 65_536


def gaussian_total_correlation(codes: np.ndarray) -> float:
    """How far the codes are from independent, by their correlations alone: TC = −½ ln det corr(z), in nats.

    Range [0, ∞), 0 for uncorrelated codes; descriptive, since collapsed codes reach 0 too, and scale-free, so a
    collapsed code that copies a live one raises it. Codes that are constant are independent of everything and left
    out; exact copies count as correlated up to an eigenvalue of 1e-12, 13.8 nats each.

    Source: Locatello et al. 2019, arXiv:1811.12359 (there for means and for samples: pass either).
    Cost: one pass. Raises ValueError for codes that `inputs.checked_codes` refuses.
    """
    codes = checked_codes(codes)
    spread = codes.std(axis=0, dtype=np.float64)
    varying = np.flatnonzero((np.ptp(codes, axis=0) > 0) & (spread > 0))
    if len(varying) < 2:
        return 0.0
    mean = codes.mean(axis=0, dtype=np.float64)
    correlation = np.zeros((len(varying), len(varying)))
    for first in range(0, len(codes), CHUNK):
        part = (codes[first : first + CHUNK, varying] - mean[varying]) / spread[varying]
        correlation += part.T @ part / len(codes)
    eigenvalues = np.linalg.eigvalsh(correlation)
    return max(0.0, -0.5 * float(np.log(np.maximum(eigenvalues, SMALLEST_EIGENVALUE)).sum()))
