"""What each latent costs: its divergence from the prior."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from analysis.metrics.inputs import checked_codes, checked_logvar


class KLPerLatent(NamedTuple):
    """`score` is the mean of `per_latent` (D,), `total` its sum, in nats per sample."""

    score: float
    per_latent: np.ndarray
    total: float


def kl_per_latent(codes: np.ndarray, logvar: np.ndarray) -> KLPerLatent:
    """Divergence of each latent's posterior from the standard normal prior, mean over samples, in nats.

    KL_j = ½ E_x[μ_j² + σ_j² − 1 − ln σ_j²]; `codes` are the means μ, `logvar` is ln σ². Range [0, ∞), descriptive: a
    latent near 0 has collapsed. Source: Kingma & Welling 2014, appendix B. Cost: one pass.
    Raises ValueError for codes or logvar that `inputs.checked_codes` and `inputs.checked_logvar` refuse.
    """
    codes = checked_codes(codes)
    logvar = checked_logvar(logvar, codes)
    per_latent = np.array([divergence(*latent) for latent in zip(codes.T, logvar.T, strict=True)])
    return KLPerLatent(float(per_latent.mean()), per_latent, float(per_latent.sum()))


def divergence(mean: np.ndarray, logvar: np.ndarray) -> float:
    """Mean divergence of one latent's posteriors (N,) from the prior, in nats."""
    mean, logvar = mean.astype(np.float64), logvar.astype(np.float64)
    return max(0.0, 0.5 * float((mean**2 + np.expm1(logvar) - logvar).mean()))
