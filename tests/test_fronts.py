"""Fronts that grow row by row are those of all rows sorted anew."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analysis.front import layers
from study.fronts import Fronts

# Few values, so that there are equal rows and equal objectives; nan and infinities count as worst.
FEW = st.sampled_from([*map(float, range(8)), np.nan, np.inf])


def numbers_of(rows: np.ndarray) -> list[int]:
    fronts = Fronts(rows.shape[1])
    for row in rows:
        fronts.add(row)
    np.testing.assert_array_equal(fronts.rows, rows)
    return fronts.numbers.tolist()


@given(st.integers(0, 40).flatmap(lambda count: arrays(float, (count, 2), elements=FEW)))
def test_two_objectives(rows):
    assert numbers_of(rows) == layers(rows, ["min"] * 2).tolist()


@given(arrays(float, (12, 1), elements=FEW), arrays(float, (20, 3), elements=FEW))
def test_one_and_three(one, three):
    assert numbers_of(one) == layers(one, ["min"]).tolist()
    assert numbers_of(three) == layers(three, ["min"] * 3).tolist()


@pytest.mark.parametrize("objectives", [1, 2, 3])
@pytest.mark.parametrize("correlation", [-0.45, 0.0, 0.9])
def test_after_every_row_of_many(correlation, objectives):
    covariance = np.full((objectives, objectives), correlation) + (1 - correlation) * np.eye(objectives)
    rows = np.random.default_rng(0).multivariate_normal(np.zeros(objectives), covariance, 300)
    fronts = Fronts(objectives)
    for count, row in enumerate(rows, start=1):
        fronts.add(row)
        np.testing.assert_array_equal(fronts.numbers, layers(rows[:count], ["min"] * objectives))
