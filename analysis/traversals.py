"""Traversals: codes -> frames. A decoder is any function of arrays; only the command at the end opens a model.

Frames are (..., C, H, W) uint8 with C 1 or 3. D latents, V values of one latent, S samples (images whose codes are
moved).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from analysis.pictures import Frames

Decode = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # (n, D) -> (n, C, H, W) in [0, 1]
Range = Literal["prior", "posterior"]

VALUES = np.linspace(-3, 3, 13)
QUANTILES = (0.01, 0.99)
BATCH = 512


def values_of(z: NDArray[np.floating], span: Range = "prior") -> NDArray[np.float64]:
    """The values that each latent is set to: (D, V), rising in equal steps.

    Args:
        z: (N, D) samples of the aggregate posterior.
        span: "prior" goes from -3 to 3, the same for every latent and every model; "posterior" from the 1 % to the 99 %
            quantile of each latent's samples, where images really are.
    """
    if span == "prior":
        return np.tile(VALUES, (z.shape[1], 1))
    low, high = np.quantile(z, QUANTILES, axis=0)
    return np.linspace(low, high, len(VALUES), axis=1)


def traverse(decode: Decode, codes: NDArray[np.floating], values: NDArray[np.floating]) -> Frames:
    """Decode each code with one latent set to each of its values, the others as they are, for every latent.

    Args:
        decode: (n, D) codes -> (n, C, H, W) images in [0, 1].
        codes: (S, D).
        values: (D, V).

    Returns:
        (S, D, V, C, H, W) uint8.
    """
    samples, latents = codes.shape
    moved = np.tile(np.asarray(codes, np.float32)[:, None, None], (1, latents, values.shape[1], 1))  # (S, D, V, D)
    for latent in range(latents):
        moved[:, latent, :, latent] = values[latent]
    frames = decoded(decode, moved.reshape(-1, latents))
    return frames.reshape(samples, latents, values.shape[1], *frames.shape[1:])


def interpolate(decode: Decode, codes: NDArray[np.floating], others: NDArray[np.floating], steps: int) -> Frames:
    """Decode what lies on the straight line between two codes, ends included: two (S, D) -> (S, steps, C, H, W)."""
    part = np.linspace(0, 1, steps)[:, None]
    between = np.asarray(codes[:, None] * (1 - part) + others[:, None] * part, np.float32)  # (S, steps, D)
    frames = decoded(decode, between.reshape(-1, codes.shape[1]))
    return frames.reshape(len(codes), steps, *frames.shape[1:])


def decoded(decode: Decode, codes: NDArray[np.float32]) -> Frames:
    """Images of codes (n, D), a batch at a time, as (n, C, H, W) uint8."""
    batches = [decode(codes[i : i + BATCH]) for i in range(0, len(codes), BATCH)]
    return np.round(np.concatenate(batches) * 255).astype(np.uint8)


def add_range(parser: argparse.ArgumentParser) -> None:
    """The option of every command that draws traversals."""
    parser.add_argument(
        "--range", choices=get_args(Range), default="prior",
        help="move each latent from -3 to 3, or between the 1 %% and 99 %% quantiles of the aggregate posterior "
        "(default %(default)s)",
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw one checkpoint; 0, or 2 after one sentence about what is wrong with the arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis.traversals",
        description="Draw what one checkpoint has learnt: traversals (<sample>/traversal_latent_dim_<d>.gif, "
        "traversals.gif, contact_sheet.png), reconstructions.png, prior_samples.png, interpolation.gif and .png.",
    )
    parser.add_argument("checkpoint", type=Path, help="a checkpoint's .safetensors file")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write; replaced if it was drawn before")
    parser.add_argument("--data", type=Path, help="its images (default: those of the study around it, else dSprites)")
    add_range(parser)
    options = parser.parse_args(arguments)
    from analysis.album import draw_checkpoint
    from bvae.config import UserError

    try:
        print(draw_checkpoint(options.checkpoint, options.out, options.data, options.range))
    except (UserError, OSError) as error:
        print(f"python -m analysis.traversals: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
