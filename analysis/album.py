"""The album of one model: a folder of GIFs and contact sheets of all that its decoder can show.

<sample>/traversal_latent_dim_<d>.gif  one latent moved, from the code of one test image
traversals.gif                         all of them at once
contact_sheet.png                      those of the first test image, a row per latent
reconstructions.png                    test images above what comes back of them
prior_samples.png                      what codes from the prior decode to
interpolation.png, interpolation.gif   the straight way from one test image's code to the next one's
trial.json                             of which checkpoint all this is
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from analysis.latents import Latent
from analysis.pictures import INK, QUIET, Frames, Side, captioned, faded, save_gif, save_png, sheet, there_and_back
from analysis.portraits import SAMPLES, Portrait, images_of, portrait
from analysis.traversals import Range, decoded, interpolate

COLUMNS = 16  # latents at most that traversals.gif moves
SIDE_BY_SIDE = 8  # prior samples along each side of their sheet
BETWEEN = 11  # pictures from one image to the next


def write_album(folder: Path, drawn: Portrait, about: Mapping[str, object]) -> None:
    """Write a model's album. It is built under a temporary name and then takes the place of an older one."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    places = np.linspace(0, 1, drawn.values.shape[1]).tolist()
    for sample, moved in enumerate(drawn.frames):
        (temporary / str(sample)).mkdir(parents=True)
        for of in drawn.latents:
            words = [f"{of.symbol} = {signed(value)}  {of.name}" for value in of.sign * drawn.values[of.latent]]
            loop = there_and_back(captioned(faded(moved[of.latent], of.dead), words, places))
            save_gif(temporary / str(sample) / f"traversal_latent_dim_{of.latent}.gif", loop)
    save_gif(temporary / "traversals.gif", there_and_back(overview(drawn.frames, drawn.images, drawn.latents)))
    save_png(temporary / "contact_sheet.png", contact_sheet(drawn))
    save_png(temporary / "reconstructions.png", reconstructions(drawn.images, drawn.reconstructions))
    save_png(temporary / "prior_samples.png", prior_samples(drawn))
    still, moving = interpolations(drawn)
    save_png(temporary / "interpolation.png", still)
    save_gif(temporary / "interpolation.gif", there_and_back(moving))
    (temporary / "trial.json").write_text(json.dumps(about))
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(temporary, folder)


def draw_checkpoint(checkpoint: Path, folder: Path, data: Path | None, span: Range) -> Path:
    """Write the album of one checkpoint.

    Args:
        checkpoint: its .safetensors file; where it lies in a study's folder, the study says which images are its own.
        folder: where to write; an album that lies there is replaced.
        data: the images, if not those of the study around it, or dSprites.
        span: how far the latents are moved.

    Returns:
        the folder.

    Raises:
        UserError: the checkpoint or the images can't be used, or don't belong together.
        OSError: the folder holds something else, or can't be written.
    """
    from bvae.checkpoint import load_model

    if checkpoint.is_dir():
        raise OSError(f"{checkpoint} is a folder: name the .safetensors file of a checkpoint")
    place = folder.resolve()
    if place.exists() and not (place.is_dir() and ((place / "trial.json").is_file() or not any(place.iterdir()))):
        raise OSError(f"{folder} exists and holds no traversals: name another folder for --out")
    vae = load_model(checkpoint)
    around = [parent / "study.json" for parent in checkpoint.resolve().parents if (parent / "study.json").is_file()]
    store = images_of(json.loads(around[0].read_text(encoding="utf-8")) if around else None, data)
    drawn = portrait(vae, store, span)
    place.parent.mkdir(parents=True, exist_ok=True)
    write_album(place, drawn, {"checkpoint": str(checkpoint), "range": span})
    return folder


def overview(frames: Frames, images: Frames, latents: Sequence[Latent]) -> Frames:
    """All traversals at once: a row per sample (its image first), a column per latent, all moving together.

    Args:
        frames: (S, D, V, C, H, W), with the latents in their own order.
        images: (P, C, H, W), the first S of which were encoded.
        latents: in the order of the columns, of which there are COLUMNS at most; dead ones are greyed.

    Returns:
        (V, C, height, width) uint8.
    """
    samples, _, count = frames.shape[:3]
    latents = latents[:COLUMNS]
    shown = np.stack([faded(frames[:, of.latent], of.dead) for of in latents], axis=1)  # (S, D, V, C, H, W)
    first = np.repeat(images[:samples, None, None], count, axis=2)
    grid = np.concatenate([first, shown], axis=1)
    heads = [["image", *(of.symbol for of in latents)], ["", *(of.name for of in latents)]]
    return np.stack([sheet(grid[:, :, v], heads) for v in range(count)])


def contact_sheet(drawn: Portrait) -> Frames:
    """The first sample's traversals: a row per latent with its label and its KL as a bar, a column per value.

    Returns:
        (C, height, width) uint8.
    """
    latents, frames = drawn.latents, drawn.frames[0]
    values = np.stack([of.sign * drawn.values[of.latent] for of in latents])
    same = bool(np.allclose(values, values[0]))
    heads = [signed(v) for v in values[0]] if same else ["1 %", *[""] * (values.shape[1] - 2), "99 %"]
    strongest = max(latents[0].kl, 1e-9)
    sides = []
    for of, row in zip(latents, values, strict=True):
        first = of.symbol if same else f"{of.symbol}  {signed(row[0])} … {signed(row[-1])}"
        lines = [first, *(["dead"] if of.dead else [of.factor] if of.factor else []), of.amount]
        sides.append(Side(lines, QUIET if of.dead else INK, 0 if of.dead else of.kl / strongest))
    return sheet(np.stack([faded(frames[of.latent], of.dead) for of in latents]), [heads], sides)


def signed(value: float) -> str:
    """A latent's value as labels write it: +1.5, -0.5, 0.0."""
    return f"{value:+.1f}" if abs(value) >= 0.05 else "0.0"


def reconstructions(images: Frames, back: Frames) -> Frames:
    """Images above their reconstructions, (P, C, H, W) both: (C, height, width)."""
    return sheet(np.stack([images, back]), [], [Side(["test image"]), Side(["reconstruction", "of its mean code"])])


def prior_samples(drawn: Portrait) -> Frames:
    """What seeded samples of the prior decode to, in a square: (C, height, width)."""
    z = np.random.default_rng(0).standard_normal((SIDE_BY_SIDE**2, drawn.codes.shape[1])).astype(np.float32)
    pictures = decoded(drawn.decode, z)
    return sheet(pictures.reshape(SIDE_BY_SIDE, SIDE_BY_SIDE, *pictures.shape[1:]), [])


def interpolations(drawn: Portrait) -> tuple[Frames, Frames]:
    """The way from each sample's code to the next sample's, a row each, between the two images themselves.

    Returns:
        the whole way as a picture (C, height, width), and the way walked as frames (BETWEEN, C, height, width).
    """
    starts = np.arange(min(SAMPLES, len(drawn.codes)))
    ends = np.roll(starts, -1)
    way = interpolate(drawn.decode, drawn.codes[starts], drawn.codes[ends], BETWEEN)
    start, end = drawn.images[starts, None], drawn.images[ends, None]
    share = [f"{round(100 * i / (BETWEEN - 1))} %" for i in range(BETWEEN)]
    still = sheet(np.concatenate([start, way, end], axis=1), [["from", *share, "to"]])
    moving = [
        sheet(np.concatenate([start, way[:, i : i + 1], end], axis=1), [["from", share[i], "to"]])
        for i in range(BETWEEN)
    ]
    return still, np.stack(moving)
