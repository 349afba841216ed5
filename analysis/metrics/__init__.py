"""Disentanglement metrics: pure functions of codes (N, D) and factors (N, K), equal to the field's reference code.

`codes` are posterior means, `factors` integer indices of the ground truth. `score` computes any of them from one
encoding of the data, METRICS says how to read them. Needs NumPy, SciPy, scikit-learn and Numba only; the last three are
imported where they are used, because every trial of a study imports this package and a rung needs NumPy alone.
"""

from analysis.metrics.active_latents import active_latents
from analysis.metrics.mig import mig
from analysis.metrics.registry import METRICS, Metric
from analysis.metrics.scoring import score

__all__ = ["METRICS", "Metric", "active_latents", "mig", "score"]
