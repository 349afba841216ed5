"""Which resources a trial gets."""

from __future__ import annotations

from dataclasses import dataclass

import ray
from ray.tune import PlacementGroupFactory

from bvae.config import ConfigError


@dataclass(frozen=True)
class Lane:
    """The resources of one trial.

    Attributes:
        cpus: cores, and threads that torch uses: two trials of one thread beat one of two.
        gpus: GPUs; a fraction lets several trials share one, 0 trains on the CPU.
    """

    cpus: int = 1
    gpus: float = 0.0

    def __post_init__(self) -> None:
        if self.cpus < 1:
            raise ConfigError(f"cpus_per_trial is {self.cpus}; it must be at least 1")
        if not (0 <= self.gpus < 1 or (self.gpus >= 1 and self.gpus == int(self.gpus))):
            raise ConfigError(f"gpus_per_trial is {self.gpus}; it must be a fraction from 0 to 1 or a whole number")

    def request(self) -> PlacementGroupFactory:
        """What Tune asks Ray for."""
        return PlacementGroupFactory([{"CPU": self.cpus, "GPU": self.gpus} if self.gpus else {"CPU": self.cpus}])

    def concurrent(self, limit: int | None) -> int:
        """How many trials the connected cluster runs at once.

        Raises:
            ConfigError: not even one fits.
        """
        have = ray.cluster_resources()
        for name, wanted in (("CPU", self.cpus), ("GPU", self.gpus)):
            if wanted > have.get(name, 0):
                raise ConfigError(
                    f"{name.lower()}s_per_trial is {wanted:g}, but there are only {have.get(name, 0):g} {name}s; "
                    "ask for fewer"
                )
        fits = int(have["CPU"] // self.cpus)
        if self.gpus:
            fits = min(fits, int(have["GPU"] / self.gpus))
        return min(fits, limit or fits)
