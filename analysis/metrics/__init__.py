"""Disentanglement metrics: pure functions of codes (N, D) and factors (N, K), equal to the field's reference code.

`codes` are posterior means, `factors` integer indices of the ground truth. `score` computes any of them from one
encoding of the data, `score_rows` puts null and ceiling beside it, METRICS says how to read them. Needs NumPy, SciPy,
scikit-learn and Numba only; the last three are imported where they are used, because every trial of a study imports
this package and a rung needs NumPy alone.
"""

from analysis.metrics.active_latents import active_latents
from analysis.metrics.beta_vae_score import beta_vae_score
from analysis.metrics.chen_mig import chen_mig
from analysis.metrics.dci import dci
from analysis.metrics.explicitness import explicitness
from analysis.metrics.factor_vae_score import factor_vae_score
from analysis.metrics.gaussian_total_correlation import gaussian_total_correlation
from analysis.metrics.infomec import infomec
from analysis.metrics.irs import irs
from analysis.metrics.kl_per_latent import kl_per_latent
from analysis.metrics.mcc import mcc
from analysis.metrics.mig import mig
from analysis.metrics.modularity import modularity
from analysis.metrics.registry import METRICS, Metric
from analysis.metrics.rows import distinct, sampled, score_rows
from analysis.metrics.sap import sap
from analysis.metrics.scoring import information_matrix, score
from analysis.metrics.udr import udr

__all__ = [
    "METRICS",
    "Metric",
    "active_latents",
    "beta_vae_score",
    "chen_mig",
    "dci",
    "distinct",
    "explicitness",
    "factor_vae_score",
    "gaussian_total_correlation",
    "infomec",
    "information_matrix",
    "irs",
    "kl_per_latent",
    "mcc",
    "mig",
    "modularity",
    "sampled",
    "sap",
    "score",
    "score_rows",
    "udr",
]
