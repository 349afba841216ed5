"""Traversals by a decoder whose pictures are known: each latent's value is written into its own rows of the image."""

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.traversals import VALUES, interpolate, traverse, values_of

CODES = np.array([[0.0, 1.0, -1.0], [2.0, -2.0, 0.5]], np.float32)
PRIOR = values_of(CODES)


def decode(codes: NDArray[np.float32]) -> NDArray[np.float32]:
    """64 x 64 images with a band of 16 rows per latent, as bright as (z + 4) / 8."""
    brightness = np.pad((codes + 4) / 8, ((0, 0), (0, 4 - codes.shape[1])))
    return np.repeat(np.repeat(brightness, 16, axis=1)[:, None, :, None], 64, axis=3)


def shown(frames: NDArray[np.uint8], latent: int) -> NDArray[np.float64]:
    """The values that frames (..., C, H, W) show of a latent."""
    return np.asarray(frames[..., 0, 16 * latent + 4, 5] / 255 * 8 - 4)


def test_one_latent_moves_and_the_others_stay_in_few_calls_of_the_decoder() -> None:
    calls = []

    def counted(codes: NDArray[np.float32]) -> NDArray[np.float32]:
        calls.append(len(codes))
        return decode(codes)

    frames = traverse(counted, CODES, PRIOR)
    assert frames.shape == (2, 3, 13, 1, 64, 64)
    assert frames.dtype == np.uint8
    assert calls == [2 * 3 * 13]
    for sample, code in enumerate(CODES):
        for moved in range(3):
            for latent in range(3):
                expected = VALUES if latent == moved else code[latent]
                np.testing.assert_allclose(shown(frames[sample, moved], latent), expected, atol=0.02)


def test_each_latent_takes_its_own_values_in_their_order() -> None:
    values = np.array([[0.0, 1.0], [3.0, -3.0], [-1.0, 2.0]])
    frames = traverse(decode, CODES[:1], values)
    for latent in range(3):
        np.testing.assert_allclose(shown(frames[0, latent], latent), values[latent], atol=0.02)


def test_the_prior_range_reaches_both_ends_and_the_middle() -> None:
    assert PRIOR.shape == (3, 13)
    assert (PRIOR[:, [0, 6, 12]] == [-3, 0, 3]).all()


def test_the_posterior_range_is_that_of_the_samples_in_equal_steps() -> None:
    z = np.random.default_rng(0).normal([0, 5], [1, 0.1], (100_000, 2))
    values = values_of(z, "posterior")
    np.testing.assert_allclose(values[:, 0], [-2.326, 5 - 0.2326], atol=0.03)  # The normal's 1 % quantile.
    np.testing.assert_allclose(values[:, -1], [2.326, 5 + 0.2326], atol=0.03)
    np.testing.assert_allclose(np.diff(values), np.diff(values)[:, :1] * np.ones(12))


@pytest.mark.parametrize("steps", [2, 11])
def test_interpolation_goes_straight_from_one_code_to_the_other(steps: int) -> None:
    frames = interpolate(decode, CODES[:1], CODES[1:], steps)
    assert frames.shape == (1, steps, 1, 64, 64)
    for latent in range(3):
        straight = np.linspace(CODES[0, latent], CODES[1, latent], steps)
        np.testing.assert_allclose(shown(frames[0], latent), straight, atol=0.02)
