"""Gradient-boosted trees exactly as scikit-learn's GradientBoostingClassifier() grows them, compiled.

100 stages, depth 3, learning rate 0.1, log-loss, one regression tree per class and stage, exact splits by squared
error, no subsampling. As there, features are tried in an order drawn by the seed, since the first of equally good
splits wins and a fixed order would favour the first codes; the draws themselves are others, so only ties fall
otherwise. It is fast because every code is sorted once for all 11,300 trees and a node is a segment of the sorted
rows, read in sequence.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

STAGES = 100
LEARNING_RATE = 0.1
DEPTH = 3
LEAVES = 2**DEPTH
# scikit-learn's constants: values closer than GAP are one value, a node whose variance is below PURE isn't split.
GAP = 1e-7
PURE = float(np.finfo(np.float64).eps)


class Boosted(NamedTuple):
    """Importance (D,) of each feature, summing to 1 or all 0 where nothing was split; accuracies in [0, 1]."""

    importance: np.ndarray
    train_accuracy: float
    test_accuracy: float


def boosted(train: np.ndarray, labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray, seed: int = 0) -> Boosted:
    """Fit on train (N, D) with labels (N,), judge on test (M, D). Cost: 300 · classes · N · D steps of about 6 ns."""
    classes, targets = np.unique(labels, return_inverse=True)
    if len(classes) == 1:
        return Boosted(np.zeros(train.shape[1]), 1.0, float(np.mean(test_labels == classes[0])))
    columns = np.ascontiguousarray(train.T, dtype=np.float32)
    order = np.argsort(columns, axis=1, kind="stable").astype(np.uint32)
    trees = 1 if len(classes) == 2 else len(classes)
    turns = np.tile(np.arange(len(columns)), (STAGES, trees, DEPTH, 1))
    turns = np.random.default_rng(seed).permuted(turns, axis=-1)
    unseen = np.ascontiguousarray(test.T, dtype=np.float32)
    gains, raw, test_raw = grown(columns, order, turns, targets.astype(np.int64), len(classes), unseen)
    total = gains.sum()
    return Boosted(
        gains / total if total > 0 else gains,
        float(np.mean(predicted(raw) == targets)),
        float(np.mean(classes[predicted(test_raw)] == test_labels)),
    )


def predicted(raw: np.ndarray) -> np.ndarray:
    """The class of each column of raw scores (trees, N); two classes share one tree, whose sign decides."""
    return (raw[0] >= 0).astype(np.int64) if len(raw) == 1 else raw.argmax(axis=0)


@njit(cache=True)
def grown(columns, order, turns, targets, classes, unseen):  # type: ignore[no-untyped-def]
    """All stages: gains (D,) summed over trees, raw scores of train (trees, N) and test (trees, M)."""
    features, rows = columns.shape
    trees = turns.shape[1]
    ranked = np.empty_like(columns)
    for feature in range(features):
        ranked[feature] = columns[feature][order[feature]]
    gains = np.zeros(features)
    raw = np.empty((trees, rows))
    test_raw = np.empty((trees, unseen.shape[1]))
    prior = np.bincount(targets, minlength=classes) / rows
    for tree in range(trees):
        start = np.log(prior[1] / prior[0]) if trees == 1 else np.log(prior[tree])
        raw[tree] = start
        test_raw[tree] = start
    inverse = np.zeros(rows + 1)
    inverse[1:] = 1.0 / np.arange(1, rows + 1)
    residual = np.empty(rows)
    leaf = np.empty(rows, np.int64)
    side = np.empty(rows, np.uint8)
    sorted_rows = np.empty_like(order)
    sorted_values = np.empty_like(ranked)
    for stage in range(STAGES):
        chance = probabilities(raw)  # all trees of a stage see the scores from before it
        for tree in range(trees):
            label = 1 if trees == 1 else tree
            for i in range(rows):
                residual[i] = (targets[i] == label) - chance[tree, i]
            sorted_rows[:] = order
            sorted_values[:] = ranked
            split, threshold = one_tree(
                columns, sorted_values, sorted_rows, turns[stage, tree], residual, leaf, side, inverse, gains
            )
            values = leaf_values(residual, chance[tree], leaf, 1.0 if trees == 1 else (classes - 1) / classes)
            for i in range(rows):
                raw[tree, i] += LEARNING_RATE * values[leaf[i]]
            for i in range(unseen.shape[1]):
                test_raw[tree, i] += LEARNING_RATE * values[routed(unseen, i, split, threshold)]
    return gains, raw, test_raw


@njit(cache=True)
def probabilities(raw):  # type: ignore[no-untyped-def]
    """Softmax over trees, or the logistic function of a single one."""
    trees, rows = raw.shape
    if trees == 1:
        return 1.0 / (1.0 + np.exp(-raw))
    chance = np.empty((trees, rows))
    highest = raw[0].copy()
    for tree in range(1, trees):
        highest = np.maximum(highest, raw[tree])
    total = np.zeros(rows)
    for tree in range(trees):
        chance[tree] = np.exp(raw[tree] - highest)
        total += chance[tree]
    for tree in range(trees):
        chance[tree] /= total
    return chance


@njit(cache=True)
def one_tree(columns, ranked, order, turns, residual, leaf, side, inverse, gains):  # type: ignore[no-untyped-def]
    """Grow one tree by levels; fills `leaf` (N,), adds to `gains`, gives each node's feature (-1: none) and threshold.

    A node is a segment of every feature's sorted rows. One that isn't split sends all its rows to the left.
    """
    split = np.full((DEPTH, LEAVES), -1, np.int64)
    threshold = np.zeros((DEPTH, LEAVES), np.float32)
    start = np.zeros(LEAVES + 1, np.int64)
    start[1] = len(residual)
    for level in range(DEPTH):
        below = np.zeros(LEAVES + 1, np.int64)
        for node in range(2**level):
            first, last = start[node], start[node + 1]
            feature, middle, gain = best_split(ranked, order, turns[level], residual, inverse, first, last)
            split[level, node] = feature
            threshold[level, node] = middle
            to_the_right = 0
            for i in order[0, first:last]:
                side[i] = feature >= 0 and columns[feature, i] > middle
                leaf[i] = 2 * node + side[i]
                to_the_right += side[i]
            below[2 * node + 1] = last - to_the_right
            below[2 * node + 2] = last
            if feature >= 0:
                gains[feature] += gain
                if level + 1 < DEPTH:
                    partition(ranked, order, side, first, last)
        start = below
    return split, threshold


@njit(cache=True)
def best_split(ranked, order, turns, residual, inverse, first, last):  # type: ignore[no-untyped-def]
    """Feature, threshold and gain of a node's best split, or -1; tries every cut between neighbouring values.

    The gain is the drop in squared error: (Σ_left r)² / n_left + (Σ_right r)² / n_right - (Σ r)² / n.
    """
    rows = last - first
    total = 0.0
    square = 0.0
    for i in order[0, first:last]:
        total += residual[i]
        square += residual[i] * residual[i]
    if rows < 2 or square * inverse[rows] - (total * inverse[rows]) ** 2 <= PURE:
        return -1, np.float32(0), 0.0
    best, best_feature, best_middle = -np.inf, -1, np.float32(0)
    for feature in turns:
        left = 0.0
        previous = ranked[feature, first]
        for position in range(first, last):
            value = ranked[feature, position]
            if value > previous + np.float32(GAP):
                right = total - left
                score = left * left * inverse[position - first] + right * right * inverse[last - position]
                if score > best:
                    middle = np.float32(0.5) * previous + np.float32(0.5) * value
                    best, best_feature, best_middle = score, feature, middle if middle < value else previous
            left += residual[order[feature, position]]
            previous = value
    return best_feature, best_middle, max(best - total * total * inverse[rows], 0.0) if best_feature >= 0 else 0.0


@njit(cache=True)
def partition(ranked, order, side, first, last):  # type: ignore[no-untyped-def]
    """Within the segment, every feature's rows of side 0 before those of side 1, each still sorted; no branches."""
    right_rows = np.empty(last - first + 1, order.dtype)
    right_values = np.empty(last - first + 1, ranked.dtype)
    for feature in range(len(order)):
        own_rows = order[feature, first:last]
        own_values = ranked[feature, first:last]
        left = 0
        right = 0
        for position in range(last - first):
            i = own_rows[position]
            value = own_values[position]
            own_rows[left] = i
            own_values[left] = value
            right_rows[right] = i
            right_values[right] = value
            right += side[i]
            left = position + 1 - right
        own_rows[left:] = right_rows[:right]
        own_values[left:] = right_values[:right]


@njit(cache=True)
def leaf_values(residual, chance, leaf, shrink):  # type: ignore[no-untyped-def]
    """One Newton step of the log-loss for each leaf: shrink · Σ r / Σ p (1 − p)."""
    gradient = np.zeros(LEAVES)
    curvature = np.zeros(LEAVES)
    for i in range(len(residual)):
        gradient[leaf[i]] += residual[i]
        curvature[leaf[i]] += chance[i] * (1.0 - chance[i])
    values = np.zeros(LEAVES)
    for node in range(LEAVES):
        if abs(curvature[node]) > 1e-150:
            values[node] = shrink * gradient[node] / curvature[node]
    return values


@njit(cache=True)
def routed(columns, i, split, threshold):  # type: ignore[no-untyped-def]
    """The leaf that column i of the features falls into."""
    node = 0
    for level in range(DEPTH):
        feature = split[level, node]
        node = 2 * node + (1 if feature >= 0 and columns[feature, i] > threshold[level, node] else 0)
    return node
