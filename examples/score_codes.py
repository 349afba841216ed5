"""Score codes of any model with every metric, between a null and a ceiling.

python examples/score_codes.py codes.npz    # codes (N, D), factors (N, K) counted from 0, optionally logvar (N, D)
python examples/score_codes.py              # made-up codes: x and y clean, scale and orientation mixed, two of noise
"""

import argparse
from pathlib import Path

import numpy as np

from analysis.metrics import METRICS, score_rows

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("file", type=Path, nargs="?")
parser.add_argument("--samples", type=int, default=15_000, help="of made-up codes")
options = parser.parse_args()

if options.file:
    with np.load(options.file) as arrays:
        codes, factors = arrays["codes"], arrays["factors"]
        logvar = arrays.get("logvar")
else:
    draw = np.random.default_rng(0)
    factors = draw.integers(0, [6, 40, 32, 32], (options.samples, 4))
    scale, orientation, x, y = (factors / factors.max(axis=0) - 0.5).T
    noise = draw.normal(size=(options.samples, 2))
    codes = np.column_stack([x, y, scale + orientation, scale - orientation, noise])
    logvar = np.full(codes.shape, np.log(0.02**2))

rows = ("mean", "shuffled_factors", "true_factors")
scores = score_rows(codes, factors, logvar=logvar, rows=rows)

print(f"{'':<36}{'these codes':>14}{'chance':>14}{'the factors':>14}   better")
for name, metric in METRICS.items():
    if name in scores["mean"]:  # Those that need logvar are left out without it.
        numbers = "".join(f"{scores[row][name]:>14.3f}" if name in scores[row] else f"{'–':>14}" for row in rows)
        print(f"{metric.title:<36}{numbers}   {metric.mode or '–'}")
