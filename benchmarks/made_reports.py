"""What trials report and what is known of their images, without images and training: made up, as large as real ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from bvae.config import TrialConfig

FACTORS = {"shape": 3, "scale": 6, "orientation": 40, "pos_x": 32, "pos_y": 32}


class Images:
    """What study.json says of the data."""

    space = SimpleNamespace(names=tuple(FACTORS), sizes=tuple(FACTORS.values()))
    image_shape = (1, 64, 64)
    sha256 = "0" * 64

    def __len__(self) -> int:
        return 737_280


class Made:
    """Reports of one trial, from a generator of its own: the same after each restart."""

    def __init__(self, config: TrialConfig) -> None:
        self.config = config
        own = [config.seed, config.latent_dim, int(config.beta * 1000), int(config.learning_rate * 1e5)]
        generator = np.random.default_rng(own)
        octave = np.log2(config.beta)
        rate = abs(np.log2(config.learning_rate / 5e-4))
        self._end = 60 + 4 * octave + 0.75 * octave**2 - 0.5 * config.latent_dim + 2 * rate + generator.normal(0, 2)
        self._mig = max(0.01, 0.3 - 0.03 * (octave - 2) ** 2 - 0.02 * rate + generator.normal(0, 0.04))
        self._noise = generator.normal(0, 1, 1000)

    def report(self, step: int) -> dict[str, Any]:
        """What a trial reports at a step: the keys and lists of a real one."""
        noise = iter(np.roll(self._noise, step).tolist())
        late = step / self.config.steps
        mig = self._mig * late**0.5 + 0.004 * next(noise)
        reconstruction = self._end + 200 * np.exp(-6 * late) + next(noise)
        kl = [abs(8 / self.config.beta**0.4 / (i + 1) + 0.1 * next(noise)) for i in range(self.config.latent_dim)]
        scores = {"reconstruction": float(reconstruction), "kl": sum(kl), "mig": mig}
        scores |= {f"mig/{name}": mig * (1 + 0.1 * next(noise)) for name in FACTORS}
        scores |= {name: abs(0.5 + 0.1 * next(noise)) for name in ("modularity", "irs", "mcc")}
        test = {f"test_{name}": value * 1.01 for name, value in scores.items()} if late == 1 else {}
        return {
            **scores, **test, "active_latents": float(min(6, len(kl))), "kl_per_latent": kl,
            "gaussian_total_correlation": abs(next(noise)), "elbo": -float(reconstruction) - sum(kl),
            "loss": float(reconstruction) + self.config.beta * sum(kl),
            "train_loss": float(reconstruction) + self.config.beta * sum(kl) - 1,
            "train_reconstruction": float(reconstruction) - 1, "train_kl": sum(kl),
            "mutual_information": [[round(abs(next(noise)), 3) for _ in FACTORS] for _ in kl],
            "step": step, "device": "cpu", "node_ip": "10.0.0.1", "scoring_seconds": 1.0,
        }  # fmt: skip
