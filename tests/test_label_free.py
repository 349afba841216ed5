"""UDR of trials whose codes are known, and what following it costs."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from constructed import MadeTrial, write_study

from analysis.codes import CODES_FILE, Codes, read_codes, write_codes
from analysis.figures.label_free import label_free_data, label_free_figure, words
from analysis.label_free import regret
from analysis.ranking import Ranking, rank
from analysis.trials import read_study

RANDOM = np.random.default_rng(0)
AXES = RANDOM.uniform(-1, 1, (400, 3))
TURN = np.linalg.qr(RANDOM.normal(size=(3, 3)))[0]
KL = np.array([2.0, 1.5, 1.0])
# Two seeds found the axes in another order and sense, the third mixes them all.
MEANS = {"a": AXES, "b": -AXES[:, [2, 0, 1]], "mixed": AXES @ TURN}
MIG = {"a": 0.30, "b": 0.35, "mixed": 0.40, "best": 0.50}


def study(directory: Path, means: dict[str, np.ndarray], images: dict[str, np.ndarray] | None = None) -> Ranking:
    trials = [
        MadeTrial(t, seed=i, mig=MIG.get(t, 0.1), checkpoint=f"tune/{t}/c.safetensors") for i, t in enumerate(means)
    ]
    trials.append(MadeTrial("best", seed=9, mig=MIG["best"]))  # Left no codes.
    write_study(directory, trials)
    for trial_id, mean in means.items():
        (directory / "tune" / trial_id).mkdir(parents=True)
        shown = (images or {}).get(trial_id, np.arange(len(mean)))
        write_codes(directory / "tune" / trial_id / CODES_FILE, Codes(mean, KL, shown))
    return rank(read_study(directory))


def test_the_seed_that_mixes_the_axes_comes_last(tmp_path: Path) -> None:
    ranking = study(tmp_path / "study", MEANS)
    udr = ranking.trials.set_index("trial_id")["udr"]
    assert udr["a"] == pytest.approx(udr["b"])
    assert udr["a"] > udr["mixed"] + 0.1
    assert np.isnan(udr["best"])
    assert ranking.cells["udr_mean"].iloc[0] == pytest.approx(udr.mean())
    assert "udr" in ranking.metrics


def test_codes_of_other_images_are_not_compared(tmp_path: Path) -> None:
    ranking = study(tmp_path / "study", MEANS, {"b": np.arange(400)[::-1]})
    udr = ranking.trials.set_index("trial_id")["udr"]
    assert np.isnan(udr["b"])
    assert udr["a"] == pytest.approx(udr["mixed"])  # Each is compared with the other only.


def test_without_codes_there_is_no_udr(tmp_path: Path) -> None:
    ranking = study(tmp_path / "none", {})
    assert "udr" not in ranking.metrics
    assert label_free_data(ranking, "mig") is None
    assert "udr" not in study(tmp_path / "one", {"a": AXES}).metrics


def test_regret_is_what_the_pick_lacks() -> None:
    trials = pd.DataFrame({"udr": [0.1, 0.9, 0.5, 0.3, None], "mig": [0.4, 0.3, 0.1, 0.2, 0.9]})
    found = regret(trials, "mig")
    assert found is not None
    assert (found.picked, found.best, found.ties, found.regret) == pytest.approx((0.3, 0.4, 1, 0.1))
    assert found.chance == pytest.approx(0.4 - 0.25)
    assert found.rho == pytest.approx(-0.4)  # Ranks (1, 4, 3, 2) and (4, 3, 1, 2).
    less = regret(trials.rename(columns={"mig": "reconstruction"}), "reconstruction")
    assert less is not None
    assert (less.picked, less.best, less.regret) == pytest.approx((0.3, 0.1, 0.2))
    assert regret(trials.assign(mig=np.nan), "mig") is None


def test_the_figure_rings_the_pick_and_says_the_regret(tmp_path: Path) -> None:
    data = label_free_data(study(tmp_path / "study", MEANS), "mig")
    assert data is not None
    figure = label_free_figure(data)
    ring = next(t for t in figure.data if t.name == "picked")
    assert sorted(ring.y) == [MIG["a"], MIG["b"]]  # Each is as like the other, and as unlike the mixed one.
    assert list(ring.x) == data.trials["x"].iloc[:2].tolist()
    first, second = words(data).split("<br>")
    assert first.startswith("picks 0.325 (2 tie), best 0.400")
    assert second.startswith("regret ")
    assert figure.layout.annotations[0].text == words(data)


def test_codes_come_back_and_damaged_ones_are_none(tmp_path: Path) -> None:
    path = tmp_path / CODES_FILE
    write_codes(path, Codes(AXES, KL, np.arange(400)))
    found = read_codes(tmp_path / "checkpoint.safetensors")
    assert found is not None
    np.testing.assert_array_equal(found.mean, np.float32(AXES))
    np.testing.assert_array_equal(found.images, np.arange(400))
    path.write_bytes(path.read_bytes()[:-200])
    assert read_codes(tmp_path / "checkpoint.safetensors") is None
    np.savez(path, mean=np.array([{}], dtype=object), kl=KL, images=KL)  # A pickle inside is refused.
    assert read_codes(tmp_path / "checkpoint.safetensors") is None
    path.unlink()
    assert read_codes(tmp_path / "checkpoint.safetensors") is None


def test_a_trial_s_codes_are_those_of_the_first_validation_images(small_store) -> None:  # type: ignore[no-untyped-def]
    from analysis.codes import CODED_IMAGES
    from bvae.config import TrialConfig
    from bvae.model import VAE
    from bvae.training import encode
    from study.scoring import compared_codes

    vae = VAE(TrialConfig(latent_dim=3, architecture="burgess"))
    validation = np.arange(50)[::-1].copy()
    codes = compared_codes(vae, small_store, validation)
    np.testing.assert_array_equal(codes.images, validation[:CODED_IMAGES])
    np.testing.assert_array_equal(codes.mean, encode(vae, small_store, validation).mean.numpy())
    assert codes.kl.shape == (3,)
