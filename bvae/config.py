"""TrialConfig: everything that defines a trial, in one flat frozen dataclass."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NoReturn

# Names only, so that a config can be checked without importing torch; tests hold them equal to the registries' keys.
ARCHITECTURES = ("conv256", "burgess", "locatello", "mlp")
OBJECTIVES = ("beta", "capacity")
SPLITS = ("holdout", "none")
PRECISIONS = ("float32", "bf16")


class UserError(ValueError):
    """A user's mistake: the message is one sentence with the name, the value, what is allowed and what to do."""


class ConfigError(UserError):
    """A setting outside what is allowed; the message names it, its value and what is allowed."""


@dataclass(frozen=True)
class TrialConfig:
    """One trial.

    Attributes:
        beta: weight of the KL term (Higgins et al. 2017, eq. 4); in the capacity objective the weight γ of |KL − C|.
        latent_dim: number of latents D.
        seed: of the weights, the order of the images and the sampled z.
        architecture: a key of bvae.model.ARCHITECTURES.
        objective: a key of bvae.objective.OBJECTIVES.
        learning_rate: of Adam with β1 = 0.9, β2 = 0.999, ε = 1e-8.
        batch_size: images per step.
        steps: gradient steps in all.
        precision: of the products in a gradient step: "float32", or "bf16" (the layers multiply bfloat16
            numbers; weights, loss and Adam stay in float32). What is scored is always computed in float32.
        warmup_steps: β rises linearly from 0 and has its full value from this step on.
        capacity: C's final value in nats per image (capacity objective, Burgess et al. 2018).
        capacity_steps: C rises linearly from 0 and has its final value from this step on.
        channels: of the images, 1 or 3.
        split: "holdout" (0.8 / 0.1 / 0.1) or "none" (the field's convention: train and score on everything).
        split_seed: of the holdout split: the same for all trials that are to be compared.

    Raises:
        ConfigError: a value is outside what is allowed.
    """

    beta: float = 4.0
    latent_dim: int = 10
    seed: int = 0
    architecture: str = "conv256"
    objective: str = "beta"
    learning_rate: float = 5e-4
    batch_size: int = 64
    steps: int = 10_000
    precision: str = "float32"
    warmup_steps: int = 0
    capacity: float = 25.0
    capacity_steps: int = 100_000
    channels: int = 1
    split: str = "holdout"
    split_seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("latent_dim", 1, 256),
            ("seed", 0, 2**31 - 1),
            ("batch_size", 1, 65_536),
            ("steps", 1, 10**9),
            ("warmup_steps", 0, 10**9),
            ("capacity_steps", 1, 10**9),
            ("split_seed", 0, 2**31 - 1),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                _reject(name, value, f"a whole number from {low} to {high:,}")
        for name in ("beta", "learning_rate", "capacity"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
                _reject(name, value, "a finite number above 0")
            object.__setattr__(self, name, float(value))  # 4 and 4.0 are one trial.
        for name, choices in (
            ("architecture", ARCHITECTURES),
            ("objective", OBJECTIVES),
            ("precision", PRECISIONS),
            ("split", SPLITS),
        ):
            if getattr(self, name) not in choices:
                _reject(name, getattr(self, name), "one of " + ", ".join(choices))
        if self.channels not in (1, 3):
            _reject("channels", self.channels, "1 or 3")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrialConfig:
        """A config from a mapping, for example one read from JSON.

        Raises:
            ConfigError: a key is no field, or a value is outside what is allowed.
        """
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(values) - set(known)):
            raise ConfigError(f"unknown setting {', '.join(unknown)}; there are {', '.join(known)}")
        return cls(**values)


def _reject(name: str, value: object, allowed: str) -> NoReturn:
    raise ConfigError(f"{name} is {value!r}; it must be {allowed}")
