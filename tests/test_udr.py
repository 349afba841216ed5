"""UDR against the formula written out, and on models whose agreement is known."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import Lasso

from analysis.metrics import udr


@pytest.fixture
def latents():
    return np.random.default_rng(0).normal(size=(500, 6))


def test_spearman_score_is_the_formula_written_out(latents):
    rng = np.random.default_rng(1)
    models = [latents[:, :3], latents[:, 1:5] @ rng.normal(size=(4, 4)), latents[:, ::2] + rng.normal(size=(500, 3))]
    result = udr(models, [np.ones(m.shape[1]) for m in models], similarity="spearman")
    for i, first in enumerate(models):
        for j, second in enumerate(models):
            if i == j:
                continue
            strength = np.array([[abs(spearmanr(a, b).statistic) for b in second.T] for a in first.T])
            by_column = sum(max(column) ** 2 / sum(column) for column in strength.T)
            by_row = sum(max(row) ** 2 / sum(row) for row in strength)
            assert result.pairwise[i, j] == pytest.approx((by_column + by_row) / sum(strength.shape))
    others = [np.delete(result.pairwise[:, i], i) for i in range(3)]
    np.testing.assert_allclose(result.scores, [np.median(pair) for pair in others])


def test_lasso_weights_are_scikit_learns(latents):
    first, second = latents[:, :3], latents[:, :4] @ np.random.default_rng(1).normal(size=(4, 2))
    standard = [(m - m.mean(0)) / m.std(0) for m in (first, second)]
    strength = np.abs(Lasso(alpha=0.1).fit(*standard).coef_).T
    expected = sum((strength.max(axis) ** 2 / strength.sum(axis)).sum() for axis in (0, 1)) / 5
    assert udr([first, second], [np.ones(3), np.ones(2)]).pairwise[0, 1] == pytest.approx(expected, abs=1e-3)


def test_the_same_latents_in_another_order_sign_and_size_agree(latents):
    dead = 1e-3 * np.random.default_rng(1).normal(size=(500, 20))
    wide = np.column_stack([-latents[:, ::-1], dead])
    result = udr([latents, wide], [np.ones(6), np.array([1.0] * 6 + [0.0] * 20)], similarity="spearman")
    assert result.scores.min() > 0.8
    unlike = udr([latents, latents @ np.linalg.qr(latents[:6])[0]], [np.ones(6)] * 2, similarity="spearman")
    assert unlike.scores.max() < 0.5


def test_a_model_without_informative_latents_agrees_with_none(latents):
    for similarity in ("lasso", "spearman"):
        assert udr([latents, latents], [np.ones(6), np.zeros(6)], similarity).scores.tolist() == [0, 0]


def test_what_cannot_be_compared_is_refused(latents):
    with pytest.raises(ValueError, match="at least 2 models"):
        udr([latents], [np.ones(6)])
    with pytest.raises(ValueError, match=r"codes\[1\] and kl\[1\]"):
        udr([latents, latents[:-1]], [np.ones(6)] * 2)
    with pytest.raises(ValueError, match=r"codes\[1\] and kl\[1\]"):
        udr([latents, latents], [np.ones(6), np.ones(5)])
    with pytest.raises(ValueError, match="similarity"):
        udr([latents, latents], [np.ones(6)] * 2, similarity="pearson")
