"""Matching and turning of latents, on codes whose answer is known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.latents import DEAD, MATCHED, Latent, describe, matched, rises, shares

RANDOM = np.random.default_rng(0)
FACTORS = np.stack([RANDOM.integers(0, n, 3000) for n in (3, 6, 8)], axis=1)
NAMES = ("shape", "scale", "place")
TIGHT = np.full(3000, -6.0)  # log-variance of a latent that knows


def codes(*columns: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.stack(columns, axis=1).astype(float)


def test_each_latent_is_called_after_the_factor_it_holds_and_rises_with_it() -> None:
    mean = codes(RANDOM.normal(size=3000), -FACTORS[:, 2], FACTORS[:, 0], 0.5 - FACTORS[:, 1])
    logvar = codes(np.zeros(3000), TIGHT, TIGHT, TIGHT)
    described = describe(mean, logvar, np.array([0.5, 3.0, 1.5, 2.0]), FACTORS, NAMES)
    assert described == [
        Latent(1, 3.0, "place", -1),
        Latent(3, 2.0, "scale", -1),
        Latent(2, 1.5, "shape", 1),
        described[3],
    ]
    assert (described[3].latent, described[3].factor) == (0, None)


def test_the_assignment_holds_the_most_together() -> None:
    """Taken greedily, latent 0 would get factor 0, and latent 1 next to nothing."""
    assert matched(np.array([[0.9, 0.8], [0.7, 0.11]])) == {0: 1, 1: 0}


def test_what_is_below_the_bound_is_not_matched_and_displaces_nothing() -> None:
    assert matched(np.array([[0.5, MATCHED - 0.01], [0.4, 0.0]])) == {0: 0}
    assert matched(np.zeros((3, 2))) == {}


def test_a_latent_that_whispers_a_factor_is_not_called_by_its_name() -> None:
    """Its mean follows the scale perfectly at a thousandth of the posterior's width: binned means give it full credit,
    samples none."""
    whisper = 1e-3 * FACTORS[:, 1]
    loud = FACTORS[:, 1] + RANDOM.normal(0, 1.0, 3000)
    described = describe(codes(whisper, loud), codes(np.zeros(3000), TIGHT), np.array([0.02, 2.0]), FACTORS, NAMES)
    assert [(of.latent, of.factor) for of in described] == [(1, "scale"), (0, None)]


def test_no_latent_holds_more_than_its_kl() -> None:
    """Twelve images fill the bins so thinly that the plug-in estimate calls noise informative."""
    few = FACTORS[:12]
    share = shares(RANDOM.normal(size=(12, 2)), np.array([0.05, 5.0]), few)
    assert (share[0] <= 0.05 / 1.0).all()
    assert (share[1] > 0.5).any()


def test_a_factor_with_one_value_is_held_by_nobody() -> None:
    constant = np.stack([FACTORS[:, 0], np.zeros(3000, int)], axis=1)
    assert shares(codes(FACTORS[:, 0]), np.array([3.0]), constant)[0].tolist() == [pytest.approx(1, abs=0.01), 0.0]


def saw(angle: NDArray[np.floating], periods: int, phase: float) -> NDArray[np.float64]:
    return np.asarray((periods * angle / (2 * np.pi) + phase) % 1)


@pytest.mark.parametrize("periods", [1, 2, 4])  # A heart, an ellipse, a square.
@pytest.mark.parametrize("way", [-1, 1])
def test_the_way_round_is_seen_whatever_the_symmetry_and_the_start(periods: int, way: int) -> None:
    step = 2 * np.pi / 39
    angle = RANDOM.uniform(0, 2 * np.pi, 400)
    for phase in (0.0, 0.3, 0.5, 0.9):
        [rise] = rises(*(codes(way * saw(a, periods, phase)) for a in (angle, angle + step)))
        assert np.sign(rise) == way
        assert abs(rise) > 0.6


def test_a_latent_that_swings_has_no_way_round() -> None:
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    [rise] = rises(*(np.cos(a)[:, None] for a in (angle, angle + 0.16)))
    assert abs(rise) < 0.02


def test_steps_decide_where_ranks_are_fooled() -> None:
    """A saw-tooth that starts in its middle climbs at every step but one, and yet falls over the whole turn."""
    angle = RANDOM.integers(0, 40, 3000)
    mean = codes(saw(angle * 2 * np.pi / 40, 1, 0.5))
    following = codes(saw((angle + 1) * 2 * np.pi / 40, 1, 0.5))
    alone = (mean, codes(TIGHT), np.array([3.0]), angle[:, None], ("orientation",))
    assert describe(*alone)[0].sign == -1
    assert describe(*alone, steps={0: rises(mean, following)})[0].sign == 1


def test_dead_latents_say_so_and_are_left_as_they_are() -> None:
    assert Latent(0, DEAD / 2).dead
    assert not Latent(0, DEAD).dead
    [dead] = describe(codes(-1e-4 * FACTORS[:, 1]), codes(np.zeros(3000)), np.array([DEAD / 2]), FACTORS, NAMES)
    assert (dead.name, dead.symbol, dead.amount, dead.sign) == ("dead", "z0", "< 0.01 nats", 1)


def test_labels_name_latent_factor_and_amount() -> None:
    assert [of.symbol for of in (Latent(3, 1.0), Latent(3, 1.0, sign=-1))] == ["z3", "-z3"]
    assert [of.name for of in (Latent(0, 3.0, "scale"), Latent(0, 0.5), Latent(0, 0.001, "scale"))] == [
        "scale",
        "0.50 nats",
        "dead",
    ]
