"""Total correlation of codes as if they were Gaussian."""

from __future__ import annotations

import numpy as np

from analysis.metrics.inputs import checked_codes

# Codes that copy each other have infinite total correlation; this share of the mean eigenvalue keeps it finite.
SMALLEST_EIGENVALUE = 1e-12


def gaussian_total_correlation(codes: np.ndarray) -> float:
    """How far the codes are from independent, by their correlations alone: TC = −½ ln det corr(z), in nats.

    Range [0, ∞), 0 for uncorrelated codes; descriptive, since collapsed codes reach 0 too, and scale-free, so a
    collapsed code that copies a live one raises it. Codes that are constant are independent of everything and left
    out; exact copies count as correlated up to an eigenvalue of 1e-12, 13.8 nats each.

    Source: Locatello et al. 2019, arXiv:1811.12359 (there for means and for samples: pass either).
    Cost: one pass. Raises ValueError for codes that `inputs.checked_codes` refuses.
    """
    codes = checked_codes(codes).astype(np.float64)
    codes = codes[:, np.ptp(codes, axis=0) > 0]
    if codes.shape[1] < 2:
        return 0.0
    centred = codes - codes.mean(axis=0)
    standard = centred / np.sqrt((centred**2).mean(axis=0))
    eigenvalues = np.linalg.eigvalsh(standard.T @ standard / len(standard))
    return max(0.0, -0.5 * float(np.log(np.maximum(eigenvalues, SMALLEST_EIGENVALUE)).sum()))
