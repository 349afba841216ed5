"""What a report of a trial says, and that it is the same numbers that the metrics give by themselves."""

import json

import numpy as np
import pytest

from analysis.metrics import METRICS, distinct, mig, sampled, score
from bvae.config import TrialConfig
from bvae.training import encode, train
from study.scoring import measure, scored_indices

CONFIG = TrialConfig(latent_dim=3, batch_size=8, steps=2, architecture="burgess")
CHEAP = {name for name, metric in METRICS.items() if metric.budget == "cheap"}


@pytest.fixture(scope="module")
def trial(small_store):
    report = next(train(CONFIG, small_store, [2]))
    return report, small_store, scored_indices(small_store, CONFIG, 50)


def encoded(trial):
    report, store, (validation, _) = trial
    posterior = encode(report.vae, store, validation)
    return posterior.mean.numpy(), posterior.logvar.numpy(), store.factors(validation), store.space.names


def test_a_report_on_the_way_has_the_cheap_scores_and_mig_by_factor(trial):
    metrics = measure(*trial)
    codes, logvar, factors, names = encoded(trial)
    expected = score(codes, factors, budget="cheap", logvar=logvar, factor_names=names)
    parts = {name for name in metrics if "/" in name}
    assert parts == {f"mig/{name}" for name in names}
    for name in parts | CHEAP - {"kl_per_latent"}:
        assert metrics[name] == pytest.approx(expected[name], abs=1e-6)
    assert len(metrics["kl_per_latent"]) == 3
    np.testing.assert_allclose(metrics["mutual_information"], mig(codes, factors).information, atol=6e-4)
    assert not [name for name in metrics if name.startswith(("test_", "sampled_", "without_duplicate_"))]
    assert len(json.dumps(metrics)) < 2000


def test_the_last_report_adds_the_test_split_other_codes_and_all_parts_by_factor(trial):
    metrics = measure(*trial, final="cheap")
    codes, logvar, factors, names = encoded(trial)
    drawn = score(sampled(codes, logvar), factors, budget="cheap", factor_names=names)
    kept = distinct(factors, names)
    once = score(codes[kept], factors[kept], budget="cheap", logvar=logvar[kept], factor_names=names)
    for prefix, scores in (("sampled_", drawn), ("without_duplicate_", once)):
        for name in ("mig", "mig/scale", "mcc/shape", "irs"):
            assert metrics[prefix + name] == pytest.approx(scores[name], abs=1e-6)
    assert {"test_reconstruction", "test_mig", "test_mig/pos_x"} <= set(metrics)
    assert not {"test_loss", "test_sampled_mig", "test_mutual_information"} & set(metrics)
    assert not [name for name in metrics if name.endswith("modularity/0")]


def test_the_full_budget_is_for_means_and_samples(trial, monkeypatch):
    asked = []
    monkeypatch.setattr("study.scoring.score", lambda *_, budget, **__: asked.append(budget) or {})
    measure(*trial)
    measure(*trial, final="full")
    assert asked == ["cheap", "full", "full", "cheap", "full"]  # means; means, samples, without duplicate, test means
