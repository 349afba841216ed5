"""How many latents carry anything at all."""

from __future__ import annotations

import numpy as np

from analysis.metrics.inputs import checked_codes

ACTIVE_VARIANCE = 0.01


def active_latents(codes: np.ndarray) -> int:
    """Number of latents whose posterior mean varies over the data: #{j: Var_x(E[z_j | x]) > 0.01}.

    Range [0, D], descriptive: neither many nor few is better as such. Source: Burda et al. 2016, arXiv:1509.00519
    (their activity of a unit). Cost: one pass. Raises ValueError for codes that `inputs.checked_codes` refuses.
    """
    codes = checked_codes(codes)
    return int(np.count_nonzero(codes.var(axis=0, dtype=np.float64) > ACTIVE_VARIANCE))
