"""What a column of the score table means: title, unit, and which direction is better. Axes, tables and ranking read it here."""

from __future__ import annotations

from typing import NamedTuple

from analysis.trials import UNITS


class Column(NamedTuple):
    """A column as a person reads it; `mode` is "min", "max", or None where neither is better."""

    name: str
    title: str
    unit: str
    mode: str | None
    bounds: tuple[float, float] | None = None

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
    "irs": "IRS",
    "dci_disentanglement": "DCI disentanglement",
    "dci_completeness": "DCI completeness",
    "dci_informativeness": "DCI informativeness",
    "factor_vae_score": "FactorVAE score",
    "beta_vae_score": "BetaVAE score",
    "images_per_second": "speed",
    "step": "step",
}
MODES: dict[str, str | None] = {"reconstruction": "min", "elbo": "max", "loss": "min", "mig": "max", "images_per_second": "max"}
UNIT_NAMES = {"images_per_second": "images/s", "step": "gradient steps"}
SPLITS = {"test_": "test", "train_": "training"}


def column(name: str) -> Column:
    """The meaning of a column; an unknown one gets its own name as a title, without a direction."""
    for prefix, split in SPLITS.items():
        if name.startswith(prefix):
            of = column(name.removeprefix(prefix))
            return of._replace(name=name, title=f"{split} {of.title}")
    title = TITLES.get(name, name.replace("_", " "))
    unit = UNIT_NAMES.get(name, UNITS.get(name, ""))
    return Column(name, title, unit, MODES.get(name), None)


def number(value: float, digits: int = 3) -> str:
    """A number as people write it: three significant digits, no exponent where a plain number is as short, "–" for none."""
    if value is None or value != value:
        return "–"
    if value == 0 or 1e-3 <= abs(value) < 10**digits:
        text = f"{value:.{digits}g}"
        return text if "e" not in text else f"{value:g}"
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e7 else f"{value:.{digits - 1}e}"
