"""Traversals: codes -> frames -> pictures. A decoder is any function of arrays; nothing here knows a model or torch.

Frames are (..., C, H, W) uint8 with C 1 or 3. D latents, V values of one latent, S samples (images whose codes are
moved). Grey pictures share one palette of 32 greys, coloured ones one of 64 colours made from all frames: small files,
no flicker.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Frames = NDArray[np.uint8]
Decode = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # (n, D) -> (n, C, H, W) in [0, 1]

VALUES = np.linspace(-3, 3, 13)
DEAD = 0.01  # nats: a latent that carries less is called dead
BATCH = 512
MILLISECONDS = 80  # a frame of a GIF
GREYS, COLORS = 32, 64
PAPER, INK, QUIET = 255, 30, 150  # of labels


class Latent(NamedTuple):
    """A latent of a trained model: its number, its KL in nats, the factor it is matched to (None: to none)."""

    latent: int
    kl: float
    factor: str | None = None

    @property
    def dead(self) -> bool:
        """Whether it carries next to nothing, so that moving it shows nothing real."""
        return self.kl < DEAD

    @property
    def amount(self) -> str:
        """Its KL in words."""
        return f"< {DEAD} nats" if self.dead else f"{self.kl:.2f} nats"

    @property
    def name(self) -> str:
        """What a label has room for: dead, its factor, or its KL."""
        return "dead" if self.dead else self.factor or self.amount


def traverse(decode: Decode, code: NDArray[np.floating], latent: int, values: Sequence[float] | NDArray) -> Frames:
    """Decode one code with one latent set to each value, the others as they are.

    Args:
        decode: (n, D) codes -> (n, C, H, W) images in [0, 1].
        code: (D,).
        latent: which to move, from 0.
        values: (V,).

    Returns:
        (V, C, H, W) uint8.

    Raises:
        ValueError: there is no such latent.
    """
    if not 0 <= latent < len(code):
        raise ValueError(f"latent must lie between 0 and {len(code) - 1}, got {latent}")
    codes = np.repeat(np.asarray(code, np.float32)[None], len(values), axis=0)
    codes[:, latent] = values
    return _decoded(decode, codes)


def traverse_all(decode: Decode, codes: NDArray[np.floating], values: Sequence[float] | NDArray) -> Frames:
    """`traverse` for every latent of every code, in few calls of the decoder: (S, D) -> (S, D, V, C, H, W) uint8."""
    samples, latents = codes.shape
    moved = np.tile(np.asarray(codes, np.float32)[:, None, None], (1, latents, len(values), 1))  # (S, D, V, D)
    for latent in range(latents):
        moved[:, latent, :, latent] = values
    frames = _decoded(decode, moved.reshape(-1, latents))
    return frames.reshape(samples, latents, len(values), *frames.shape[1:])


def there_and_back(frames: Frames) -> Frames:
    """(V, ...) -> (2V - 2, ...): to the end and back, each end once, so that a loop has no jump and no pause."""
    return np.concatenate([frames, frames[-2:0:-1]])


def pictures(pixels: Frames) -> list[Image.Image]:
    """(n, C, H, W) frames as Pillow images that all have the same palette."""
    if pixels.shape[1] == 1:
        levels = np.round(pixels[:, 0] * ((GREYS - 1) / 255)).astype(np.uint8)
        palette = np.repeat(np.round(np.linspace(0, 255, GREYS)).astype(np.uint8), 3).tobytes()
        return [_indexed(level, palette) for level in levels]
    rows = np.concatenate(list(pixels.transpose(0, 2, 3, 1)))  # All frames below each other.
    shared = Image.fromarray(rows).quantize(COLORS)
    return [Image.fromarray(p).quantize(palette=shared, dither=Image.Dither.NONE) for p in pixels.transpose(0, 2, 3, 1)]


def save_gif(path: Path, frames: Frames, milliseconds: int = MILLISECONDS) -> None:
    """Write (n, C, H, W) frames as a GIF that loops for ever."""
    first, *rest = pictures(frames)
    first.save(path, "GIF", save_all=True, append_images=rest, duration=milliseconds, loop=0, optimize=False)


def save_png(path: Path, pixels: Frames) -> None:
    """Write one (C, H, W) picture as a PNG with a small palette."""
    pictures(pixels[None])[0].save(path, "PNG", optimize=True)


def captioned(frames: Frames, words: Sequence[str], scale: int = 2, strip: int = 18) -> Frames:
    """(n, C, H, W) frames, enlarged, with a line of text below each."""
    large = frames.repeat(scale, axis=-2).repeat(scale, axis=-1)
    count, channels, height, width = large.shape
    out = np.full((count, channels, height + strip, width), PAPER, np.uint8)
    out[:, :, :height] = large
    for i, text in enumerate(words):
        out[i, :, height:] = _text(text, width, strip, size=11)
    return out


def overview(frames: Frames, images: Frames, latents: Sequence[Latent]) -> Frames:
    """All traversals at once: a row per sample (its image first), a column per latent, all moving together.

    Args:
        frames: (S, D, V, C, H, W), with the latents in their own order.
        images: (S, C, H, W), what was encoded.
        latents: in the order of the columns; dead ones are greyed.

    Returns:
        (V, C, height, width) uint8.
    """
    shown = np.stack([_faded(frames[:, of.latent], of.dead) for of in latents], axis=1)  # (S, D, V, C, H, W)
    first = np.repeat(images[:, None, None], frames.shape[2], axis=2)
    grid = np.concatenate([first, shown], axis=1)
    heads = ["image", *(f"z{of.latent}" for of in latents)]
    subheads = ["", *(of.name for of in latents)]
    return np.stack([_sheet(grid[:, :, v], heads, subheads) for v in range(frames.shape[2])])


def contact_sheet(frames: Frames, latents: Sequence[Latent], values: Sequence[float] | NDArray) -> Frames:
    """One sample's traversals as a picture: a row per latent with its label, a column per value.

    Args:
        frames: (D, V, C, H, W), with the latents in their own order.
        latents: in the order of the rows; dead ones are greyed.
        values: (V,), written above the columns.

    Returns:
        (C, height, width) uint8.
    """
    grid = np.stack([_faded(frames[of.latent], of.dead) for of in latents])
    body = _sheet(grid, [f"{v:+.1f}" for v in values])
    left = np.full((body.shape[0], body.shape[1], 92), PAPER, np.uint8)
    top, row = body.shape[1] - len(latents) * (grid.shape[-2] + 2), grid.shape[-2] + 2
    for i, of in enumerate(latents):
        ink = QUIET if of.dead else INK
        lines = [f"z{of.latent}", "dead" if of.dead else of.factor or "", of.amount]
        for j, line in enumerate(filter(None, lines)):
            y = top + i * row + 6 + 16 * j
            left[:, y : y + 16] = _text(line, left.shape[2], 16, size=11, ink=ink)
    return np.concatenate([left, body], axis=2)


def frame_sheet(frames: Frames, latents: Sequence[Latent], images: Frames, reconstructions: Frames) -> Frames:
    """What the dashboard plays: a row per latent, a column per value; the last row holds image, reconstruction, image,
    ...

    Args:
        frames: (D, V, C, H, W), with the latents in their own order.
        latents: in the order of the rows.
        images, reconstructions: (S, C, H, W); as many pairs as fit into V columns are shown.

    Returns:
        (C, rows · H, V · W) uint8.
    """
    grid = frames[[of.latent for of in latents]]
    last = np.zeros_like(grid[:1])
    pairs = np.stack([images, reconstructions], axis=1).reshape(-1, *images.shape[1:])[: grid.shape[1]]
    last[0, : len(pairs)] = pairs
    return _tiled(np.concatenate([grid, last]))


def write_gifs(
    folder: Path, frames: Frames, images: Frames, latents: Sequence[Latent], about: dict[str, object]
) -> None:
    """Write a trial's GIFs: <sample>/traversal_latent_dim_<d>.gif, traversals.gif, contact_sheet.png and trial.json.

    The folder is built under a temporary name and then takes the place of an older one.
    """
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    for sample, moved in enumerate(frames):
        (temporary / str(sample)).mkdir(parents=True)
        for of in latents:
            words = [f"z{of.latent} = {v:+.1f}  {of.name}" for v in VALUES]
            loop = there_and_back(captioned(_faded(moved[of.latent], of.dead), words))
            save_gif(temporary / str(sample) / f"traversal_latent_dim_{of.latent}.gif", loop)
    save_gif(temporary / "traversals.gif", there_and_back(overview(frames, images, latents[:16])))
    save_png(temporary / "contact_sheet.png", contact_sheet(frames[0], latents, VALUES))
    (temporary / "trial.json").write_text(json.dumps(about))
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(temporary, folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw one checkpoint's traversals; 0, or 2 after one sentence about what is wrong with the arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis.traversals", description="Traversal GIFs of a checkpoint."
    )
    parser.add_argument("checkpoint", type=Path, help="a checkpoint's .safetensors file")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write; replaced if it exists")
    parser.add_argument("--data", type=Path, help="the .npz it was trained on (default: dSprites)")
    options = parser.parse_args(arguments)
    from analysis.portraits import portrait
    from bvae.cache import CacheError
    from bvae.checkpoint import CheckpointError, load_model
    from bvae.data import DataError, load

    try:
        if options.out.exists() and not (options.out / "trial.json").is_file():
            raise OSError(f"{options.out} exists and holds no traversals: name another folder for --out")
        drawn = portrait(load_model(options.checkpoint), load(options.data))
        options.out.parent.mkdir(parents=True, exist_ok=True)
        write_gifs(options.out, drawn.frames, drawn.images, drawn.latents, {"checkpoint": str(options.checkpoint)})
    except (CheckpointError, DataError, CacheError, OSError) as error:
        print(f"python -m analysis.traversals: {error}", file=sys.stderr)
        return 2
    print(options.out / "traversals.gif")
    return 0


def _decoded(decode: Decode, codes: NDArray[np.float32]) -> Frames:
    """Images of codes (n, D), a batch at a time, as uint8."""
    batches = [decode(codes[i : i + BATCH]) for i in range(0, len(codes), BATCH)]
    return np.round(np.concatenate(batches) * 255).astype(np.uint8)


def _indexed(levels: NDArray[np.uint8], palette: bytes) -> Image.Image:
    height, width = levels.shape
    indexed = Image.frombytes("P", (width, height), levels.tobytes())
    indexed.putpalette(palette)
    return indexed


def _faded(frames: Frames, dead: bool) -> Frames:
    """Dead latents at a third of their contrast, on grey: seen at once, and not mistaken for a working one."""
    return (frames // 3 + 96).astype(np.uint8) if dead else frames


def _tiled(grid: Frames) -> Frames:
    """(R, K, C, H, W) -> (C, R·H, K·W)."""
    rows, columns, channels, height, width = grid.shape
    return grid.transpose(2, 0, 3, 1, 4).reshape(channels, rows * height, columns * width)


def _sheet(grid: Frames, heads: Sequence[str], subheads: Sequence[str] = ()) -> Frames:
    """(R, K, C, H, W) tiles, 2 pixels apart, one or two lines of text above each column: (C, height, width)."""
    gaps = np.full((*grid.shape[:3], grid.shape[3] + 2, grid.shape[4] + 2), PAPER, np.uint8)
    gaps[..., : grid.shape[3], : grid.shape[4]] = grid
    body = _tiled(gaps)
    width = gaps.shape[4]
    lines = [heads, subheads] if subheads else [heads]
    top = [
        np.concatenate([_text(word, width, 16, size=11, ink=INK if n == 0 else 110) for word in line], axis=1)
        for n, line in enumerate(lines)
    ]
    head = np.repeat(np.concatenate(top)[None], body.shape[0], axis=0)
    return np.concatenate([head, body], axis=1)


def _text(text: str, width: int, height: int, size: int, ink: int = INK) -> NDArray[np.uint8]:
    """Text on paper, (height, width) uint8; cut where it is too long."""
    image = Image.new("L", (width, height), PAPER)
    ImageDraw.Draw(image).text((3, height // 2), text, fill=ink, font=ImageFont.load_default(size), anchor="lm")
    return np.asarray(image)


if __name__ == "__main__":
    sys.exit(main())
