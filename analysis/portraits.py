"""Portraits: what a trained model shows of itself. Needs torch and bvae.

Shapes: P test images, the first S of which are moved; D latents, V values of one latent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.latents import Latent, describe, rises
from analysis.metrics.rows import sampled
from analysis.pictures import Frames
from analysis.traversals import Decode, Range, decoded, traverse, values_of

if TYPE_CHECKING:
    from bvae.data import ImageStore
    from bvae.model import VAE

SAMPLES = 4  # test images whose codes are moved; the same for every trial with the same split
SHOWN = 8  # test images beside their reconstructions; the first are those that are moved
DESCRIBED = 4000  # test images from which KL and factors of the latents are measured
TURNED = 250  # of them also seen one step of a circular factor on
CIRCULAR = ("orientation",)  # factors whose last value leads back to their first


@dataclass(frozen=True)
class Portrait:
    """What a trained model shows of itself.

    Attributes:
        latents: sorted by KL, the strongest first.
        values: (D, V), what each latent was set to, in the latents' own order; falling where one is turned round.
        frames: (S, D, V, C, H, W) uint8, in the latents' own order, as `values` goes.
        images, reconstructions: (P, C, H, W) uint8.
        codes: (P, D) posterior means of the images.
        decode: the model's decoder.
    """

    latents: list[Latent]
    values: NDArray[np.float64]
    frames: Frames
    images: Frames
    reconstructions: Frames
    codes: NDArray[np.float32]
    decode: Decode


def portrait(vae: VAE, store: ImageStore, span: Range = "prior") -> Portrait:
    """Describe a model's latents and traverse them from the first of its shuffled test images.

    Raises:
        DataError: the images are not of the kind that the model was trained on.
    """
    from bvae.data import DataError, split
    from bvae.objective import kl_per_latent
    from bvae.training import encode

    if store.image_shape[0] != vae.config.channels:
        raise DataError(
            f"the model was trained on images of {vae.config.channels} channels, but those of {store.name} have "
            f"{store.image_shape[0]}: name its own images"
        )
    test = split(len(store), vae.config.split, vae.config.split_seed).test
    chosen = np.random.default_rng(0).permutation(test)[:DESCRIBED]
    posterior = encode(vae, store, chosen)
    mean, logvar = posterior.mean.float().numpy(), posterior.logvar.float().numpy()
    kl = kl_per_latent(posterior).numpy()
    steps = _steps(vae, store, chosen[:TURNED], mean)
    latents = describe(mean, logvar, kl, store.factors(chosen), store.space.names, steps)
    sign = np.ones((len(latents), 1))
    sign[[of.latent for of in latents], 0] = [of.sign for of in latents]
    values = sign * values_of(sampled(mean, logvar) * sign[:, 0], span)
    decode, codes = decoder(vae), mean[:SHOWN]
    images = np.round(store.images(chosen[:SHOWN]) * (255 / store.white)).astype(np.uint8)
    frames = traverse(decode, codes[:SAMPLES], values)
    return Portrait(latents, values, frames, images, decoded(decode, codes), codes, decode)


def images_of(info: Mapping[str, Any] | None, path: Path | None = None) -> ImageStore:
    """The images that a study was trained on, or dSprites where there is no study.

    Args:
        info: study.json.
        path: where they lie, if not where the study says.

    Raises:
        DataError: they can't be read, or are others than the study's.
        CacheError: the image cache can't be written.
    """
    from bvae.data import load

    source = info["data"]["source"] if info else "dsprites"
    store = load(path or (None if source == "dsprites" else source))
    if info:
        check_images(info, store)
    return store


def check_images(info: Mapping[str, Any], store: ImageStore) -> None:
    """Refuse images that are not the study's.

    Raises:
        DataError: their checksum is another than the one in study.json.
    """
    from bvae.data import DataError

    if info["data"].get("sha256") not in (None, store.sha256):
        raise DataError(
            f"the images of {store.name} are not those that the study {info['name']} was trained on "
            f"({info['data']['source']}): name its own file"
        )


def decoder(vae: VAE) -> Decode:
    """A model's decoder as a function of arrays: (n, D) codes -> (n, C, H, W) probabilities."""
    import torch

    def decode(codes: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(torch.sigmoid(vae.decode(torch.from_numpy(codes)).float()).numpy())

    return decode


def one_step_on(
    store: ImageStore, indices: NDArray[np.int64], factor: int
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """The images in which one factor has its next value and all else stays, where a set holds every combination.

    Returns:
        which of the indices (n,) have such an image, and the indices of those images; none in a set that is no grid.
    """
    sizes, factors = store.space.sizes, store.factors(indices)
    if len(store) != np.prod(sizes):
        return np.zeros(len(indices), bool), indices[:0]
    has_next = factors[:, factor] + 1 < sizes[factor]
    moved = factors[has_next] + np.eye(len(sizes), dtype=np.int64)[factor]
    found = np.ravel_multi_index(tuple(moved.T), sizes)
    if not np.array_equal(store.factors(found), moved):
        return np.zeros(len(indices), bool), indices[:0]
    return has_next, found


def _steps(
    vae: VAE, store: ImageStore, indices: NDArray[np.int64], codes: NDArray[np.floating]
) -> dict[int, NDArray[np.float64]]:
    """For each circular factor, how the latents (D,) rise as it goes one step on, from images with these codes."""
    from bvae.training import encode

    steps = {}
    for factor in (store.space.names.index(name) for name in CIRCULAR if name in store.space.names):
        has_next, following = one_step_on(store, indices, factor)
        if len(following):
            steps[factor] = rises(codes[: len(indices)][has_next], encode(vae, store, following).mean.float().numpy())
    return steps
