import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bvae import data, sprites

# Of all images in the archive's order, each bit-packed to 512 bytes; from an independent render by the same rules.
SHA256 = "4e682b81d923a43384021f0ae9fabf0a1cc6bd9e2e3720c945807322c17eac1e"
FRAMES = Path(__file__).parents[2] / "shared" / "dsprites" / "frames.npz"
factor_tuples = st.tuples(*(st.integers(0, size - 1) for size in sprites.FACTOR_SIZES))


@pytest.mark.skipif(
    not FRAMES.exists(), reason="the labelled frames of the dataset's animation lie beside the project only in CI"
)
def test_labelled_frames_come_out_bit_for_bit():
    with np.load(FRAMES, allow_pickle=False) as frames:
        assert len(frames["images"]) == 320
        np.testing.assert_array_equal(sprites.render_packed(frames["factors"].astype(int)), frames["images"])


def test_the_whole_set_has_the_published_checksum_and_white_pixels():
    store = data.load_dsprites()
    digest, white = hashlib.sha256(), 0
    for start in range(0, len(store), 8192):
        images = store.images(np.arange(start, min(start + 8192, len(store))))
        white += int(images.sum(dtype=np.int64))
        digest.update(np.packbits(images.reshape(len(images), -1), axis=1))
    assert len(store) == 737_280
    assert white == 128_328_614
    assert digest.hexdigest() == SHA256


@given(factor_tuples)
@settings(max_examples=200, deadline=None)
def test_any_sprite_is_binary_inside_the_image_and_near_its_centre(factors):
    image = sprites.render([factors])[0]
    assert set(np.unique(image)) == {0, 1}
    rows, columns = np.nonzero(image)
    assert rows.min() > 0
    assert rows.max() < 63
    assert columns.min() > 0
    assert columns.max() < 63
    shape, _, _, x, y = factors
    # Square and ellipse are symmetric about their centre; the heart's centroid lies up to 2 pixels away.
    tolerance = 0.6 if shape < 2 else 2.5
    assert abs(columns.mean() + 0.5 - (16 + x * 32 / 31)) < tolerance
    assert abs(rows.mean() + 0.5 - (16 + y * 32 / 31)) < tolerance


@given(factor_tuples)
@settings(max_examples=50, deadline=None)
def test_area_grows_with_scale_and_barely_changes_with_orientation(factors):
    shape, _, orientation, x, y = factors
    area = sprites.render([(shape, scale, orientation, x, y) for scale in range(6)]).sum(axis=(1, 2), dtype=int)
    assert (np.diff(area) > 0).all()
    turned = sprites.render([(shape, 5, o, x, y) for o in range(40)]).sum(axis=(1, 2), dtype=int)
    assert np.ptp(turned) < 0.1 * turned.mean()


def test_known_areas_of_the_outlines():
    # Analytic areas in square pixels: (2 · 9.6)² and π · 12.768 · 7.218; counts of one placement may differ a little.
    square, ellipse = (
        sprites.render([(shape, 5, o, 15, 15) for o in range(40)]).sum(axis=(1, 2), dtype=int).mean()
        for shape in (0, 1)
    )
    assert square == pytest.approx(19.2**2, rel=0.01)
    assert ellipse == pytest.approx(np.pi * 12.768 * 7.218, rel=0.01)


def test_the_last_orientation_repeats_the_first():
    first, last = ([(shape, 3, o, 7, 9) for shape in range(3)] for o in (0, 39))
    np.testing.assert_array_equal(sprites.render(first), sprites.render(last))


def test_packed_and_unpacked_agree_and_order_is_free():
    factors = np.random.default_rng(0).integers(0, sprites.FACTOR_SIZES, (50, 5))
    images = sprites.render(factors)
    assert images.shape == (50, 64, 64)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(np.packbits(images.reshape(50, -1), axis=1), sprites.render_packed(factors))
    np.testing.assert_array_equal(sprites.render(factors[::-1]), images[::-1])


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ([[0, 0, 0, 0]], "shape \\(1, 4\\)"),
        ([[0.0, 0, 0, 0, 0]], "integers"),
        ([[3, 0, 0, 0, 0]], "shape = 3; shape goes from 0 to 2"),
        ([[0, 0, -1, 0, 0]], "orientation = -1"),
    ],
)
def test_bad_factors_are_named(factors, message):
    with pytest.raises(ValueError, match=message):
        sprites.render(factors)
