"""What one writes for each metric with scikit-learn and NumPy, in the way of the field's reference.

Each function gives the value and by how much its time has to be multiplied, 1 unless it did a part of the work.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp
from scipy.stats import spearmanr
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.feature_selection import mutual_info_classif
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mutual_info_score, roc_auc_score
from sklearn.svm import LinearSVC

TRAIN, TEST = 10_000, 5_000
CHEN_DRAWS = 10_000


class Data(NamedTuple):
    """One encoding; the metrics that fit something take its first TRAIN samples and judge on the next TEST."""

    all_codes: np.ndarray
    all_logvar: np.ndarray
    all_factors: np.ndarray
    all_of_dci: bool

    @property
    def codes(self) -> np.ndarray:
        """(TRAIN, D)."""
        return self.all_codes[:TRAIN]

    @property
    def logvar(self) -> np.ndarray:
        """(TRAIN, D)."""
        return self.all_logvar[:TRAIN]

    @property
    def factors(self) -> np.ndarray:
        """(TRAIN, K)."""
        return self.all_factors[:TRAIN]

    @property
    def test(self) -> tuple[np.ndarray, np.ndarray]:
        """Codes (TEST, D) and factors (TEST, K)."""
        return self.all_codes[TRAIN : TRAIN + TEST], self.all_factors[TRAIN : TRAIN + TEST]


def information(data: Data) -> np.ndarray:
    """One mutual_info_score for each pair of binned code and factor, (D, K)."""
    bins = [np.digitize(column, np.histogram(column, 20)[1][:-1]) for column in data.codes.T]
    return np.array([[mutual_info_score(b, labels) for labels in data.factors.T] for b in bins])


def mig(data: Data) -> tuple[float, float]:
    """The gap between the two best codes of each factor, in units of its entropy."""
    ranked = np.sort(information(data), axis=0)
    entropies = [mutual_info_score(labels, labels) for labels in data.factors.T]
    return float(np.mean((ranked[-1] - ranked[-2]) / entropies)), 1


def modularity(data: Data) -> tuple[float, float]:
    """The squared information of a code outside its best factor."""
    squared = information(data) ** 2
    best = squared.max(axis=1)
    return float(np.mean(1 - (squared.sum(axis=1) - best) / (best * (squared.shape[1] - 1)))), 1


def dci_informativeness(data: Data) -> tuple[float, float]:
    """GradientBoostingClassifier for each factor, or for the first alone: trees scale with factor values."""
    done = range(data.factors.shape[1]) if data.all_of_dci else [0]
    accuracies = []
    for k in done:
        model = GradientBoostingClassifier(random_state=0).fit(data.codes, data.factors[:, k])
        accuracies.append(model.score(data.test[0], data.test[1][:, k]))
    values = [len(np.unique(labels)) for labels in data.factors.T]
    return float(np.mean(accuracies)), sum(values) / sum(values[k] for k in done)


def sap(data: Data) -> tuple[float, float]:
    """A linear support vector machine for each code and factor."""
    accuracy = np.empty((data.codes.shape[1], data.factors.shape[1]))
    for j in range(data.codes.shape[1]):
        for k in range(data.factors.shape[1]):
            model = LinearSVC(C=0.01, class_weight="balanced").fit(data.codes[:, [j]], data.factors[:, k])
            accuracy[j, k] = model.score(data.test[0][:, [j]], data.test[1][:, k])
    ranked = np.sort(accuracy, axis=0)
    return float(np.mean(ranked[-1] - ranked[-2])), 1


def explicitness(data: Data) -> tuple[float, float]:
    """A logistic regression and its areas under the curve for each factor."""
    mean, spread = data.codes.mean(axis=0), data.codes.std(axis=0)
    areas = []
    for labels, unseen in zip(data.factors.T, data.test[1].T, strict=True):
        model = LogisticRegression().fit((data.codes - mean) / spread, labels)
        chance = model.predict_proba((data.test[0] - mean) / spread)
        areas.append(roc_auc_score(unseen[:, None] == model.classes_, chance))
    return float(np.mean(areas)), 1


def batch(data: Data, rng: np.random.RandomState, k: int, size: int) -> np.ndarray:
    """Samples that share a value of factor k."""
    value = data.all_factors[rng.randint(len(data.all_factors)), k]
    return rng.choice(np.flatnonzero(data.all_factors[:, k] == value), size)


def factor_vae_score(data: Data) -> tuple[float, float]:
    """A Python loop over votes."""
    rng = np.random.RandomState(0)
    variance = np.var(data.all_codes, axis=0, ddof=1)
    active = np.sqrt(variance) >= 0.05
    votes = np.zeros((2, data.factors.shape[1], int(active.sum())))
    for part, count in enumerate((TRAIN, TEST)):
        for _ in range(count):
            k = rng.randint(data.factors.shape[1])
            held = data.all_codes[batch(data, rng, k, 64)]
            votes[part, k, np.argmin(np.var(held, axis=0, ddof=1)[active] / variance[active])] += 1
    named = votes[0].argmax(axis=0)
    return float(votes[1][named, np.arange(votes.shape[2])].sum() / TEST), 1


def beta_vae_score(data: Data) -> tuple[float, float]:
    """A Python loop over points and their pairs."""
    rng = np.random.RandomState(0)
    same = [[np.flatnonzero(f == v) for v in range(f.max() + 1)] for f in data.all_factors.T]
    points, labels = [], []
    for _ in range(TRAIN + TEST):
        k = rng.randint(data.factors.shape[1])
        first = rng.randint(len(data.all_codes), size=64)
        second = [rng.choice(same[k][value]) for value in data.all_factors[first, k]]
        points.append(np.abs(data.all_codes[first] - data.all_codes[second]).mean(axis=0))
        labels.append(k)
    model = LogisticRegression().fit(points[:TRAIN], labels[:TRAIN])
    return float(model.score(points[TRAIN:], labels[TRAIN:])), 1


def irs(data: Data) -> tuple[float, float]:
    """A mask for each value of each factor."""
    deviation = np.abs(data.codes - data.codes.mean(axis=0)).max(axis=0)
    matrix = np.empty((data.codes.shape[1], data.factors.shape[1]))
    for k, labels in enumerate(data.factors.T):
        column = np.digitize(labels, np.histogram(labels, 20)[1][:-1])
        groups = [data.codes[column == value] for value in np.unique(column)]
        spread = [np.quantile(np.abs(g - g.mean(axis=0)), 0.99, axis=0) for g in groups]
        matrix[:, k] = 1 - np.mean(spread, axis=0) / deviation
    return float(np.average(matrix.max(axis=1), weights=deviation)), 1


def mcc(data: Data) -> tuple[float, float]:
    """Spearman's correlation for each pair, and the assignment."""
    rho = np.array([[abs(spearmanr(c, f).statistic) for f in data.factors.T] for c in data.codes.T])
    return float(rho[linear_sum_assignment(-rho)].sum() / rho.shape[1]), 1


def chen_mig(data: Data) -> tuple[float, float]:
    """Samples the entropies on up to 10,000 posteriors and values of the first factor; the rest is extrapolated."""
    rng = np.random.default_rng(0)
    labels, draws = data.factors[:, 0], CHEN_DRAWS // 50
    mean, deviation = data.codes.astype(float), np.exp(0.5 * data.logvar.astype(float))
    source = rng.integers(len(mean), size=draws)
    information = []
    for j in range(mean.shape[1]):
        z = mean[source, j] + deviation[source, j] * rng.normal(size=draws)
        density = -0.5 * ((z[:, None] - mean[:, j]) / deviation[:, j]) ** 2 - np.log(deviation[:, j])
        same = labels[source][:, None] == labels
        inside = logsumexp(np.where(same, density, -np.inf), axis=1) - np.log(same.sum(axis=1))
        information.append(np.mean(inside - logsumexp(density, axis=1) + np.log(len(mean))))
    ranked = np.sort(information)
    gap = (ranked[-1] - ranked[-2]) / mutual_info_score(labels, labels)
    return float(gap), 50 * data.factors.shape[1] * len(data.all_codes) / len(data.codes)


def infomec_modularity(data: Data) -> tuple[float, float]:
    """Nearest neighbours and logistic regressions as scikit-learn has them."""
    standard = ((data.codes - data.codes.mean(axis=0)) / data.codes.std(axis=0)).astype(float)
    information = np.array(
        [
            mutual_info_classif(standard, labels, discrete_features=False, n_neighbors=10, random_state=0)
            / mutual_info_score(labels, labels)
            for labels in data.factors.T
        ]
    )
    for labels in data.factors.T:
        LogisticRegression(C=np.inf, class_weight="balanced", max_iter=100).fit(standard, labels)
    spread = np.ptp(data.codes, axis=0)
    kept = information[:, spread > spread.max() / 20]
    even = 1 / len(kept)
    return float((np.mean(kept.max(axis=0) / kept.sum(axis=0)) - even) / (1 - even)), 1


def active_latents(data: Data) -> tuple[float, float]:
    """Variances."""
    return float(np.sum(np.var(data.all_codes, axis=0) > 0.01)), 1


def kl_per_latent(data: Data) -> tuple[float, float]:
    """The formula."""
    mean, logvar = data.all_codes.astype(float), data.all_logvar.astype(float)
    return float(np.mean(0.5 * (mean**2 + np.exp(logvar) - 1 - logvar))), 1


def gaussian_total_correlation(data: Data) -> tuple[float, float]:
    """The determinant of the correlations."""
    return float(-0.5 * np.linalg.slogdet(np.corrcoef(data.all_codes.T))[1]), 1


PLAIN = {
    function.__name__: function
    for function in (
        mig, dci_informativeness, sap, factor_vae_score, beta_vae_score, modularity, explicitness, irs, mcc, chen_mig,
        infomec_modularity, active_latents, kl_per_latent, gaussian_total_correlation,
    )
}  # fmt: skip
