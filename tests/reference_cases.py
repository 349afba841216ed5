"""The golden cases: codes and factors, and what the reference scored on them."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

GOLDEN = Path(__file__).parent / "data" / "golden"
CASES = ["perfect", "rotated", "partial", "random"]
FACTOR_NAMES = ["shape", "scale", "orientation", "pos_x", "pos_y"]


class Case(NamedTuple):
    scores: dict
    codes: np.ndarray
    factors: np.ndarray
    held_out: tuple


def load(name):
    with np.load(GOLDEN / f"synthetic_{name}.npz") as arrays:
        scores = json.loads((GOLDEN / "synthetic_scores.json").read_text())["scores"][name]
        return Case(scores, arrays["mus_train"], arrays["ys_train"], (arrays["mus_test"], arrays["ys_test"]))
