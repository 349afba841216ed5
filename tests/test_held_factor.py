"""Drawing samples that share a factor's value."""

import numpy as np

from analysis.metrics.held_factor import HeldFactor

LABELS = np.array([2, 0, 2, 2, 5, 0, 2])


def test_a_batch_shares_one_value_as_frequent_as_in_the_data():
    batches = HeldFactor(LABELS).batches(np.random.default_rng(0), 5000, 8)
    assert batches.shape == (5000, 8)
    assert (LABELS[batches] == LABELS[batches[:, :1]]).all()
    assert set(batches[LABELS[batches] == 2]) == {0, 2, 3, 6}
    np.testing.assert_allclose(np.bincount(LABELS[batches[:, 0]]) / 5000, np.bincount(LABELS) / 7, atol=0.03)


def test_a_partner_is_another_sample_of_the_value_each_equally_often():
    samples = np.tile(np.arange(7), 3000)
    partners = HeldFactor(LABELS).partners(np.random.default_rng(0), samples)
    assert (LABELS[partners] == LABELS[samples]).all()
    assert ((partners != samples) | (samples == 4)).all()  # the only sample of value 5 has itself alone
    counts = np.bincount(partners[samples == 0], minlength=7)
    np.testing.assert_allclose(counts[[2, 3, 6]] / 3000, 1 / 3, atol=0.05)
