"""Portraits of models whose codes and pictures are known: matched, turned, and the same for a model and its mirror."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from constructed import FakeStore
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.portraits import check_images, one_step_on, portrait
from bvae.config import TrialConfig
from bvae.data import DataError, FactorSpace, split
from bvae.model import Posterior

SIZES = (39, 8)


class Grid:
    """Every combination of an orientation and a place; an image's upper half is as bright as the one, its lower half as
    the other."""

    white, image_shape, name, sha256 = 255, (1, 64, 64), "grid", "1234"
    space = FactorSpace(("orientation", "place"), SIZES)

    def __len__(self) -> int:
        return int(np.prod(SIZES))

    def factors(self, indices: np.ndarray) -> np.ndarray:
        return np.stack(np.unravel_index(np.asarray(indices), SIZES), axis=-1)

    def images(self, indices: np.ndarray) -> np.ndarray:
        bright = (self.factors(indices) * (6, 30)).astype(np.uint8)
        return np.repeat(np.repeat(bright, 32, axis=1)[:, None, :, None], 64, axis=3)


class Known(torch.nn.Module):
    """Latents: the orientation as two turns of a saw-tooth that starts in mid-tooth, the place, and a dead one; then
    `signs` and `order` are laid over them. Its decoder writes each of the three into a band."""

    def __init__(self, signs: tuple[int, ...] = (1, 1, 1), order: tuple[int, ...] = (0, 1, 2)) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.signs, self.order = torch.tensor(signs, dtype=torch.float32), list(order)
        self.config = TrialConfig(latent_dim=3, split="none")

    def encode(self, images: torch.Tensor) -> Posterior:
        orientation, place = images[:, 0, 0, 0] * 255 / 6, images[:, 0, 63, 0] * 255 / 30
        saw = ((2 * orientation / 39 + 0.25) % 1) * 4 - 2
        plain = torch.stack([saw, place / 2 - 1.75, torch.zeros_like(place)], dim=1)
        spread = torch.tensor([-5.0, -4.0, 0.0]).expand_as(plain)
        return Posterior((plain * self.signs)[:, self.order], spread[:, self.order])

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        plain = torch.empty_like(z)
        plain[:, self.order] = z
        bands = torch.nn.functional.pad(plain * self.signs, (0, 1))
        return bands.repeat_interleave(16, dim=1)[:, None, :, None].expand(-1, 1, -1, 64)


def drawn(model: Known, span: Any = "prior") -> Any:
    return portrait(model, Grid(), span)  # type: ignore[arg-type]


def test_latents_are_matched_turned_and_sorted() -> None:
    plain = drawn(Known())
    assert [(of.latent, of.factor, of.sign) for of in plain.latents] == [
        (0, "orientation", 1),
        (1, "place", 1),
        (2, None, 1),
    ]
    assert plain.latents[2].dead


@settings(max_examples=12, deadline=None)
@given(
    st.tuples(*[st.sampled_from([-1, 1])] * 3),
    st.permutations(range(3)),
    st.sampled_from(["prior", "posterior"]),
)
def test_a_model_and_its_mirror_image_are_drawn_alike(signs: Any, order: list[int], span: str) -> None:
    """Whichever way a model's latents came out, the same factor moves the same way in the same row."""
    plain, other = drawn(Known(), span), drawn(Known(signs, tuple(order)), span)
    assert [of.factor for of in other.latents] == [of.factor for of in plain.latents]
    assert [of.sign for of in other.latents[:2]] == list(signs[:2])
    for one, two in zip(plain.latents[:2], other.latents[:2], strict=True):
        # Sampled with other noise, the quantiles differ a little.
        difference = plain.frames[:, one.latent].astype(int) - other.frames[:, two.latent]
        assert np.abs(difference).max() <= (0 if span == "prior" else 6)


def test_raising_a_turned_latent_lowers_its_value() -> None:
    turned = drawn(Known((-1, 1, 1)))
    assert turned.values[0].tolist() == sorted(turned.values[0], reverse=True)
    assert turned.values[1].tolist() == sorted(turned.values[1])


def test_a_portrait_moves_the_codes_of_test_images(with_checkpoint: Any) -> None:
    from bvae.checkpoint import load_model

    store = FakeStore()
    made = portrait(load_model(with_checkpoint / "a.safetensors"), store)  # type: ignore[arg-type]
    assert made.frames.shape == (4, 3, 13, 1, 64, 64)
    assert made.images.shape == made.reconstructions.shape == (8, 1, 64, 64)
    test = {store.images(np.array([i])).tobytes() for i in split(400, "holdout", 0).test}
    assert all(image.tobytes() in test for image in made.images)


def test_the_next_step_is_the_image_in_which_one_factor_alone_moved() -> None:
    indices = np.array([0, 7, 8, 311])
    has_next, following = one_step_on(Grid(), indices, 0)  # type: ignore[arg-type]
    assert has_next.tolist() == [True, True, True, False]
    assert following.tolist() == [8, 15, 16]


def test_a_set_that_is_no_grid_has_no_next_steps() -> None:
    has_next, following = one_step_on(FakeStore(), np.arange(10), 0)  # type: ignore[arg-type]
    assert not has_next.any()
    assert len(following) == 0

    class Shuffled(Grid):
        def factors(self, indices: np.ndarray) -> np.ndarray:
            return super().factors(len(self) - 1 - np.asarray(indices))

    assert len(one_step_on(Shuffled(), np.arange(10, 20), 0)[1]) == 0  # type: ignore[arg-type]


def test_images_of_another_kind_are_refused() -> None:
    with pytest.raises(DataError, match="trained on images of 1 channels, but those of grid have 3"):
        portrait(Known(), SimpleNamespace(image_shape=(3, 64, 64), name="grid"))  # type: ignore[arg-type]


def test_images_of_another_study_are_refused() -> None:
    info = {"name": "mine", "data": {"source": "dsprites", "sha256": "5678"}}
    with pytest.raises(DataError, match="not those that the study mine was trained on"):
        check_images(info, Grid())  # type: ignore[arg-type]
    check_images({**info, "data": {"source": "grid", "sha256": "1234"}}, Grid())  # type: ignore[arg-type]
