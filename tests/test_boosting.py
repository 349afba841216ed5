"""The compiled trees against scikit-learn's own."""

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier

from analysis.metrics.boosting import boosted


def data(classes, seed=0, rows=600):
    """Labels that depend on two of four features, smoothly, so that few splits are equally good."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, 4)).astype(np.float32)
    signal = features[:, 0] + 0.5 * features[:, 1] ** 2 + 0.5 * rng.normal(size=rows)
    return features, np.digitize(signal, np.quantile(signal, np.arange(1, classes) / classes))


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_importances_and_accuracies_are_those_of_scikit_learn(classes):
    features, labels = data(classes)
    unseen, unseen_labels = data(classes, seed=1)
    model = GradientBoostingClassifier(random_state=0).fit(features, labels)
    result = boosted(features, labels, unseen, unseen_labels)
    np.testing.assert_allclose(result.importance, model.feature_importances_, atol=0.01)
    assert result.train_accuracy == pytest.approx(model.score(features, labels), abs=0.01)
    assert result.test_accuracy == pytest.approx(model.score(unseen, unseen_labels), abs=0.02)


def test_labels_need_not_be_consecutive():
    features, labels = data(3)
    plain, spaced = (boosted(features, values, features, values) for values in (labels, labels * 7 + 2))
    np.testing.assert_array_equal(plain.importance, spaced.importance)
    assert plain.test_accuracy == spaced.test_accuracy == plain.train_accuracy


def test_nothing_to_split_is_no_importance():
    labels = np.array([0, 1] * 10)
    constant = np.zeros((20, 2))
    result = boosted(constant, labels, constant, labels)
    np.testing.assert_array_equal(result.importance, [0, 0])
    assert result.test_accuracy == 0.5
    alone = boosted(np.arange(20.0)[:, None], np.full(20, 4), constant[:, :1], np.full(20, 4))
    assert (alone.importance[0], alone.test_accuracy) == (0.0, 1.0)


def test_equal_features_share_their_importance():
    # The first of equally good splits wins: in a fixed order it would always be the same copy.
    features, labels = data(4)
    twice = np.column_stack([features[:, 0], features[:, 0]])
    first, second = boosted(twice, labels, twice, labels).importance
    assert first == pytest.approx(second, abs=0.1)
