"""The two arguments that every metric shares, checked once: codes (N, D) and factors (N, K).

What can't be scored is refused with a ValueError that names the argument, because a NaN or a transposed array would
otherwise come out as a plausible score.
"""

from __future__ import annotations

import numpy as np

LARGEST = float(np.finfo(np.float32).max)
# Above this a range or a square no longer fits float32, so such codes are widened.
WIDEN_ABOVE = 1e18
LARGEST_LOGVAR = 200.0


def checked_codes(codes: np.ndarray, name: str = "codes") -> np.ndarray:
    """Codes as a finite (N, D) float array; float32 stays float32, because the reference bins in that precision."""
    codes = np.asarray(codes)
    if codes.ndim != 2 or 0 in codes.shape:
        raise ValueError(f"{name} must have shape (N, D) with N and D at least 1, got {codes.shape}")
    if not (np.issubdtype(codes.dtype, np.floating) or np.issubdtype(codes.dtype, np.integer)):
        raise ValueError(f"{name} must be real numbers, got dtype {codes.dtype}")
    if codes.dtype not in (np.float32, np.float64):
        codes = codes.astype(np.float64)
    if not np.isfinite(codes).all():
        raise ValueError(
            f"{name} must be finite, but {np.count_nonzero(~np.isfinite(codes))} entries are NaN or infinite"
        )
    largest = max(codes.max(), -codes.min())
    if largest > LARGEST:
        raise ValueError(f"{name} must lie within the range of float32, got {largest:.3g}")
    return codes.astype(np.float64) if largest > WIDEN_ABOVE else codes


def checked_factors(factors: np.ndarray, rows: int | None = None, name: str = "factors") -> np.ndarray:
    """Factors as a (N, K) int64 array of indices from 0; `rows` is the length that the codes have."""
    factors = np.asarray(factors)
    if factors.ndim != 2 or 0 in factors.shape:
        raise ValueError(f"{name} must have shape (N, K) with N and K at least 1, got {factors.shape}")
    if not np.issubdtype(factors.dtype, np.integer):
        raise ValueError(f"{name} must be integer indices, got dtype {factors.dtype}")
    if factors.min() < 0:
        raise ValueError(f"{name} must not be negative, got {factors.min()}")
    if rows is not None and len(factors) != rows:
        raise ValueError(f"{name} must have one row for each row of codes: got {len(factors)} rows for {rows} codes")
    constant = np.flatnonzero((factors == factors[0]).all(axis=0))
    if len(constant):
        raise ValueError(f"{name} must vary: column {constant[0]} is constant, so its entropy is 0; leave it out")
    return factors.astype(np.int64, copy=False)


def checked_logvar(logvar: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Posterior log-variances as a finite float array of the shape of the codes, small enough to exponentiate."""
    logvar = np.asarray(logvar)
    if logvar.shape != codes.shape:
        raise ValueError(f"logvar must have the shape of codes, {codes.shape}, got {logvar.shape}")
    if not np.issubdtype(logvar.dtype, np.floating) or not np.isfinite(logvar).all():
        raise ValueError(f"logvar must be finite real numbers, got dtype {logvar.dtype} with NaN or infinite entries")
    largest = max(logvar.max(), -logvar.min())
    if largest > LARGEST_LOGVAR:
        raise ValueError(f"logvar must lie within ±{LARGEST_LOGVAR:g}, got ±{largest:.3g}")
    return logvar


def checked(codes: np.ndarray, factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both arguments, checked, with the same number of rows."""
    codes = checked_codes(codes)
    return codes, checked_factors(factors, len(codes))
