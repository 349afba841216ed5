"""What a column of the score table means to a person: its title, its unit, which direction is better."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from analysis.metrics import METRICS
from analysis.trials import UNITS


class Column(NamedTuple):
    """A column as a person reads it; `mode` is "min", "max", or None where neither is better.

    `score` is what it holds, whatever split or codes that comes from: "mig" for "test_sampled_mig".
    """

    name: str
    title: str
    unit: str
    mode: str | None
    bounds: tuple[float, float] | None
    score: str

    @property
    def axis(self) -> str:
        """The axis title: what, and in which unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


TITLES = {
    "beta": "β",
    "latent_dim": "latent size",
    "kl": "KL",
    "kl_per_latent": "KL per latent",
    "elbo": "ELBO",
    "mig": "MIG",
    "sap": "SAP",
    "udr": "UDR (label-free)",
    "irs": "IRS",
    "dci_disentanglement": "DCI disentanglement",
    "dci_completeness": "DCI completeness",
    "dci_informativeness": "DCI informativeness",
    "factor_vae_score": "FactorVAE score",
    "beta_vae_score": "BetaVAE score",
    "images_per_second": "speed",
    "step": "step",
}
MODES: dict[str, str | None] = {
    "reconstruction": "min",
    "elbo": "max",
    "loss": "min",
    "images_per_second": "max",
    "udr": "max",
}
UNIT_NAMES = {"images_per_second": "images/s", "step": "gradient steps"}
# "test_sampled_mig" is MIG of sampled codes of the test split: what stands before a score says where it comes from.
ORIGINS = {
    "test_": "test {}",
    "train_": "training {}",
    "sampled_": "{}, sampled codes",
    "without_duplicate_": "{}, without orientation 39",
}


def column(name: str) -> Column:
    """The meaning of a column; an unknown one gets its own name as a title, without a direction."""
    for prefix, title in ORIGINS.items():
        if name.startswith(prefix):
            of = column(name.removeprefix(prefix))
            return of._replace(name=name, title=title.format(of.title))
    base, _, part = name.partition("/")  # "mig/scale" is the part of MIG that the factor scale has.
    metric = METRICS.get(base)
    title = TITLES.get(base, metric.title if metric else base.replace("_", " ")) + (f", {part}" if part else "")
    unit = UNIT_NAMES.get(base, UNITS.get(base, ""))
    mode = metric.mode if metric else MODES.get(base)
    return Column(name, title, unit, mode, metric.bounds if metric else None, name)


def number(value: float, digits: int = 3) -> str:
    """A setting as people write it: at most three significant digits, no padding zeros, "–" for none."""
    if value is None or value != value:
        return "–"
    if abs(value) >= 1e3:
        return f"{value:,.0f}" if abs(value) < 1e7 else f"{value:.{digits - 1}e}"
    text = f"{value:.{digits}g}"
    return text if "e" not in text else f"{value:g}"


def measured(value: float, error: float | None = None) -> str:
    """A score as it was measured: to the second digit of its error ("28.94 ± 0.82"), or to three digits without one."""
    if value is None or value != value or not math.isfinite(value):
        return "–"
    if error is None or not math.isfinite(error):
        return f"{value:,.0f}" if abs(value) >= 1e3 else f"{value:.{_decimals(abs(value), 2)}f}"
    decimals = _decimals(error or abs(value), 1)
    return f"{value:,.{decimals}f} ± {error:,.{decimals}f}"


def label(row: Mapping[Any, Any], settings: Iterable[str]) -> str:
    """A cell or trial in words: "β = 4, 10 latents, learning rate 0.001"."""
    words = []
    for name in settings:
        value = row[name]
        shown = number(value) if isinstance(value, (int, float)) else str(value)
        named = {"beta": f"β = {shown}", "latent_dim": f"{shown} latent{'' if value == 1 else 's'}"}
        words.append(named.get(name, f"{name.replace('_', ' ')} {shown}"))
    return ", ".join(words)


def _decimals(size: float, digits: int) -> int:
    """Decimal places that show a number of this size to `digits` digits after its first, four at most."""
    return min(4, max(0, digits - math.floor(math.log10(size)))) if size > 0 else digits
