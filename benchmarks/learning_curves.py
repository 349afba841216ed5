"""Learning curves as a small table: those of a study's finished trials, or made ones whose front is known.

    python -m benchmarks.learning_curves RUN_DIR      # writes benchmarks/learning_curves.parquet

The recorded ones come from a study that stopped nothing:

    python -m study.run --name curves --scheduler fifo --beta 0.1 1 4 8 16 --report-every 220
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.trials import read_study

RECORDED = Path(__file__).with_name("learning_curves.parquet")
COLUMNS = ["trial_id", "beta", "latent_dim", "seed", "step", "reconstruction", "kl", "mig"]


def finished_curves(run_directory: str | Path) -> pd.DataFrame:
    """One row per report of the trials that finished; values of the validation split."""
    scores = read_study(run_directory).scores
    return scores.loc[scores["status"] == "finished", COLUMNS].reset_index(drop=True)


def made_curves(seed: int, late: bool, steps: int = 1_980, every: int = 220) -> pd.DataFrame:
    """90 trials, six β × three latent sizes × five seeds, with a front that is known: that of the noiseless ends.

    Reconstruction rises with β, MIG has its best at β = 8, and a seed adds its luck to both. Curves fall to their ends
    exponentially, measured with noise. Where MIG comes late, it emerges at a moment that β and luck decide, between a
    tenth and nine tenths of the training: a rung knows little about it.
    """
    generator = np.random.default_rng(seed)
    at = np.arange(every, steps + 1, every)
    rows = []
    for beta in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0):
        for latents in (4, 6, 10):
            for luck in range(5):
                octave = np.log2(beta)
                end = 100 + 4 * octave + 1.5 * octave**2 / 2 - 0.5 * latents + generator.normal(0, 2)
                mig = max(0.01, 0.3 - 0.03 * (octave - 3) ** 2 - 0.005 * latents + generator.normal(0, 0.04))
                onset = steps * np.clip(0.5 - 0.05 * (octave - 2.5) + generator.normal(0, 0.15), 0.1, 0.9)
                grown = 1 / (1 + np.exp(-(at - onset) / (0.05 * steps))) if late else 1 - np.exp(-at / (0.15 * steps))
                grown, level = grown / grown[-1], np.exp(-at / (0.1 * steps))
                noise = np.append(generator.normal(0, 1, len(at) - 1), 0.0)  # The ends are noiseless.
                rows.append(
                    pd.DataFrame(
                        {
                            "trial_id": f"beta{beta:g}-latent{latents}-seed{luck}",
                            "beta": beta,
                            "latent_dim": latents,
                            "seed": luck,
                            "step": at,
                            "reconstruction": end + 300 * (level - level[-1]) + noise,
                            "mig": mig * grown + 0.01 * np.roll(noise, 1) * (at < steps),
                        }
                    )
                )
    return pd.concat(rows, ignore_index=True)


def main() -> None:
    """Write the recorded curves of a run directory."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m benchmarks.learning_curves RUN_DIR")
    curves = finished_curves(sys.argv[1])
    curves.astype({"reconstruction": "float32", "kl": "float32", "mig": "float32"}).to_parquet(RECORDED, index=False)
    print(f"{RECORDED}: {curves['trial_id'].nunique()} trials, {RECORDED.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main()
