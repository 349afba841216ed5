"""METRICS: every metric by its key, with what a scheduler, a ranking or an axis has to know about it.

A new metric is one file with a pure function and one entry here; reports, rankings and conformance tests read this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

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
from analysis.metrics.sap import sap

# The reference draws 10,000 samples, and 5,000 more to judge predictors on. Plug-in information and fitted predictors
# depend on the number, so comparable scores need the same.
TRAINING = 10_000
WITH_TEST = 15_000


@dataclass(frozen=True)
class Metric:
    """One score: how to compute it and how to read it.

    Attributes:
        function: takes the arguments named in `inputs` by keyword, gives a number or a NamedTuple.
        title: what an axis or a table calls it.
        mode: "max" or "min" where a direction is better, None where the number only describes.
        citation: the paper that defines it.
        budget: "cheap" metrics are computed at every rung, "full" ones in the report of a finished trial.
        bounds: smallest and largest value that can occur.
        field: the field of that NamedTuple that is the score; None where the function gives the number itself.
        inputs: names of the arguments.
        samples: at most so many samples, drawn by seed, are looked at; None is all of them.
        details: (field, "factor" or "latent") of the values behind the score, where there are any.
        leave_out: the factor without which the details are averaged to the score.
    """

    function: Callable[..., Any]
    title: str
    mode: Literal["max", "min"] | None
    citation: str
    budget: Literal["cheap", "full"]
    bounds: tuple[float, float] = (0.0, 1.0)
    field: str | None = "score"
    inputs: tuple[str, ...] = ("codes", "factors")
    samples: int | None = None
    details: tuple[str, Literal["factor", "latent"]] | None = None
    leave_out: str | None = None


CHEN = "Chen et al. 2018, arXiv:1802.04942"
LOCATELLO = "Locatello et al. 2019, arXiv:1811.12359"
EASTWOOD = "Eastwood & Williams 2018, openreview:By-7dz-AZ"
RIDGEWAY = "Ridgeway & Mozer 2018, arXiv:1802.05312"
HSU = "Hsu et al. 2023, arXiv:2305.18378"
SEEDED = ("codes", "factors", "seed")
PER_FACTOR: tuple[str, Literal["factor"]] = ("per_factor", "factor")

METRICS: dict[str, Metric] = {
    "mig": Metric(
        mig, "MIG", "max", f"{CHEN}, binned as {LOCATELLO}", "cheap", samples=TRAINING, details=PER_FACTOR
    ),
    "dci_disentanglement": Metric(
        dci, "DCI disentanglement", "max", EASTWOOD, "full", field="disentanglement", inputs=SEEDED, samples=WITH_TEST,
        details=("disentanglement_per_code", "latent"),
    ),
    "dci_completeness": Metric(
        dci, "DCI completeness", "max", EASTWOOD, "full", field="completeness", inputs=SEEDED, samples=WITH_TEST,
        details=("completeness_per_factor", "factor"),
    ),
    "dci_informativeness": Metric(
        dci, "DCI informativeness (test)", "max", EASTWOOD, "full", field="informativeness", inputs=SEEDED,
        samples=WITH_TEST, details=("informativeness_per_factor", "factor"),
    ),
    "sap": Metric(
        sap, "SAP", "max", "Kumar et al. 2018, arXiv:1711.00848", "full", inputs=SEEDED, samples=WITH_TEST,
        details=PER_FACTOR,
    ),
    "factor_vae_score": Metric(
        factor_vae_score, "FactorVAE score", "max", "Kim & Mnih 2018, arXiv:1802.05983", "full", inputs=SEEDED,
        details=PER_FACTOR,
    ),
    "beta_vae_score": Metric(
        beta_vae_score, "BetaVAE score", "max", "Higgins et al. 2017, openreview:Sy2fzU9gl", "full", inputs=SEEDED,
        details=PER_FACTOR,
    ),
    "modularity": Metric(
        modularity, "Modularity", "max", RIDGEWAY, "cheap", samples=TRAINING, details=("per_code", "latent")
    ),
    "explicitness": Metric(
        explicitness, "Explicitness (test)", "max", RIDGEWAY, "full", inputs=SEEDED, samples=WITH_TEST,
        details=PER_FACTOR,
    ),
    "irs": Metric(
        irs, "IRS", "max", "Suter et al. 2019, arXiv:1811.00007", "cheap", bounds=(-1.0, 1.0), samples=TRAINING,
        details=("per_code", "latent"),
    ),
    "mcc": Metric(
        mcc, "MCC (Spearman)", "max", "Hyvärinen & Morioka 2016, arXiv:1605.06336", "cheap", samples=TRAINING,
        details=PER_FACTOR,
    ),
    "chen_mig": Metric(
        chen_mig, "MIG of posterior samples", "max", CHEN, "full", inputs=("codes", "logvar", "factors"),
        details=PER_FACTOR,
    ),
    "chen_mig_without_shape": Metric(
        chen_mig, "MIG of posterior samples, without shape", "max", CHEN, "full", inputs=("codes", "logvar", "factors"),
        details=PER_FACTOR, leave_out="shape",
    ),
    "infomec_modularity": Metric(
        infomec, "InfoM", "max", HSU, "full", field="modularity", inputs=SEEDED, samples=TRAINING
    ),
    "infomec_explicitness": Metric(
        infomec, "InfoE", "max", HSU, "full", field="explicitness", inputs=SEEDED, samples=TRAINING,
        details=("explicitness_per_factor", "factor"),
    ),
    "infomec_compactness": Metric(
        infomec, "InfoC", "max", HSU, "full", field="compactness", inputs=SEEDED, samples=TRAINING,
        details=("compactness_per_factor", "factor"),
    ),
    "active_latents": Metric(
        active_latents, "Active latents", None, "Burda et al. 2016, arXiv:1509.00519", "cheap", bounds=(0.0, inf),
        field=None, inputs=("codes",),
    ),
    "kl_per_latent": Metric(
        kl_per_latent, "KL per latent (nats)", None, "Kingma & Welling 2014, arXiv:1312.6114", "cheap",
        bounds=(0.0, inf), inputs=("codes", "logvar"), details=("per_latent", "latent"),
    ),
    "gaussian_total_correlation": Metric(
        gaussian_total_correlation, "Gaussian total correlation (nats)", None, LOCATELLO, "cheap", bounds=(0.0, inf),
        field=None, inputs=("codes",),
    ),
}  # fmt: skip
