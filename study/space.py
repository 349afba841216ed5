"""What a study tries: presets, search spaces, and the plan of trials they give.

A setting with several values is an axis of the search; its name is a TrialConfig field. A new hyperparameter needs its
field there and one line in Settings here.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np

from bvae.config import TrialConfig


@dataclass(frozen=True)
class Settings:
    """What is studied: together with the code and the data this defines the numbers that come out.

    Those that take several values are the axes of the search. The defaults are the chosen preset's.

    Attributes:
        beta: weights of the KL term; in the capacity objective γ.
        latent_dim: latent sizes.
        seed: every cell (β, latent size, ...) is run with each of these seeds.
        architecture: conv256, burgess, locatello or mlp.
        objective: beta (Higgins et al. 2017) or capacity (Burgess et al. 2018).
        learning_rate: of Adam.
        batch_size: images per gradient step.
        precision: float32, or bf16 (the layers multiply bfloat16 numbers): faster on GPUs and on CPUs with AMX.
        warmup_steps: steps over which β rises from 0.
        capacity: final C of the capacity objective, in nats per image.
        capacity_steps: steps over which C rises from 0.
        steps: gradient steps of a trial that nothing stops.
        grace_period: no trial is stopped before this step: the first rung.
        reduction_factor: one trial in so many goes on from each rung.
        scheduler: pareto-asha (judges reconstruction and MIG at once), asha (Ray's own, on one metric), fifo (every
            trial runs to its end) or random (as fifo, for a random search).
        metric: asha: the metric that it judges; one without β in it.
        brackets: pareto-asha: so many groups of trials that never meet; each later one is first judged a rung later.
        strata: pareto-asha: shared ranks all trials together, beta those of one β among themselves.
        stop: pareto-asha: hard stops whoever is not good enough; soft never the last trial of a cell.
        soft_until: soft stop: the step from which on it is hard; by default never.
        audit: pareto-asha: the share of the stopped trials that run on to their end, to learn what stopping loses.
        scheduler_seed: of brackets and audits.
        pack: the seeds of a cell are trained by one process, and judged by their mean: on a GPU all at once, as one
            small model leaves it idle.
        report_every: steps between reports; rungs are reported besides.
        score_images: images of each split that are encoded for the scores.
        final_scores: metrics at the last step: cheap, as at every report, or full, with DCI and others (3 × 25 s).
        split: holdout (0.8 / 0.1 / 0.1) or none (train and score on all images, the field's convention).
        split_seed: of the holdout split.
        num_samples: random search: so many cells are drawn instead of the full grid.
        beta_range: random search: β drawn log-uniformly from LOW HIGH.
        latent_dim_range: random search: latent size drawn uniformly from LOW HIGH.
        learning_rate_range: random search: learning rate drawn log-uniformly from LOW HIGH.
        plan_seed: of the order of the trials and of random search.
    """

    beta: tuple[float, ...] = (0.1, 8.0, 16.0)
    latent_dim: tuple[int, ...] = (6, 10)
    seed: tuple[int, ...] = (0, 1, 2)
    architecture: tuple[str, ...] = ("burgess",)
    objective: tuple[str, ...] = ("beta",)
    learning_rate: tuple[float, ...] = (1e-3,)
    batch_size: tuple[int, ...] = (32,)
    precision: tuple[str, ...] = ("float32",)
    warmup_steps: tuple[int, ...] = (0,)
    capacity: tuple[float, ...] = (25.0,)
    capacity_steps: tuple[int, ...] = (100_000,)
    steps: int = 1_980
    grace_period: int = 220
    reduction_factor: float = 3.0
    scheduler: str = "pareto-asha"
    metric: str | None = None
    brackets: int = 1
    strata: Literal["shared", "beta"] = "shared"
    stop: Literal["hard", "soft"] = "hard"
    soft_until: int | None = None
    audit: float = 0.0
    scheduler_seed: int = 0
    pack: bool = False
    report_every: int = 330
    score_images: int = 3_000
    final_scores: Literal["cheap", "full"] = "cheap"
    split: str = "holdout"
    split_seed: int = 0
    num_samples: int | None = None
    beta_range: tuple[float, float] | None = None
    latent_dim_range: tuple[int, int] | None = None
    learning_rate_range: tuple[float, float] | None = None
    plan_seed: int = 0


PRESETS = {
    # Two cores, under ten minutes. Small batches: the first few hundred steps decide which latent holds what, and one
    # on 32 images teaches nearly as much there as one on 64. β 0.1 is almost an autoencoder, with redundant codes:
    # beside it one sees what β does. From 0.5 to 4, so few steps show hardly more than the luck of the seed.
    "quick": Settings(),
    # Two cores, about an hour as --dry-run estimates it.
    "laptop": Settings(
        beta=(1.0, 2.0, 4.0, 8.0, 16.0),
        latent_dim=(4, 6, 10),
        seed=(0, 1, 2),
        steps=8_100,
        grace_period=900,
        report_every=900,
        score_images=15_000,
        final_scores="full",
    ),
    # Locatello et al. 2019: 300 models, for GPUs. Nothing stops before a third: disentanglement comes late.
    "paper": Settings(
        beta=(1.0, 2.0, 4.0, 6.0, 8.0, 16.0),
        latent_dim=(10,),
        seed=tuple(range(50)),
        architecture=("locatello",),
        learning_rate=(1e-4,),
        batch_size=(64,),
        steps=300_000,
        grace_period=100_000,
        report_every=10_000,
        score_images=15_000,
        final_scores="full",
        split="none",
    ),
}
OF_EVERY_STUDY = ("beta", "latent_dim", "seed")
AXES = tuple(f.name for f in fields(TrialConfig) if str(Settings.__annotations__.get(f.name, "")).startswith("tuple"))
# What only says which trials there are, and changes nothing in one: a study may be extended in these.
EXTENDABLE = (*AXES, "beta_range", "latent_dim_range", "learning_rate_range", "num_samples", "plan_seed")


def plan(settings: Settings, channels: int = 1) -> list[TrialConfig]:
    """The trials of a study, in the order in which they start.

    Seeds are outermost and the cells of each seed are shuffled: whenever a study is looked at, or a rung is judged, all
    cells have had nearly the same number of seeds, and no value of β always comes first.

    Raises:
        ConfigError: a trial's value is outside what is allowed.
    """
    generator = np.random.default_rng(settings.plan_seed)
    fixed: dict[str, Any] = {
        "steps": settings.steps,
        "split": settings.split,
        "split_seed": settings.split_seed,
        "channels": channels,
    }
    cells = list(_grid(settings) if settings.num_samples is None else _samples(settings, generator))
    trials = []
    for seed in settings.seed:
        for index in generator.permutation(len(cells)):
            trials.append(TrialConfig(**fixed, **cells[index], seed=seed))
    return list(dict.fromkeys(trials))  # Random search may draw a cell twice.


def _grid(settings: Settings) -> Iterator[dict[str, Any]]:
    names = [name for name in AXES if name != "seed"]
    for values in itertools.product(*(getattr(settings, name) for name in names)):
        yield dict(zip(names, values, strict=True))


def _samples(settings: Settings, generator: np.random.Generator) -> Iterator[dict[str, Any]]:
    for _ in range(settings.num_samples or 0):
        cell = {}
        for name in AXES:
            values = getattr(settings, name)
            bounds = getattr(settings, f"{name}_range", None)
            if name == "seed":
                continue
            if bounds is None:
                cell[name] = values[generator.integers(len(values))]
            elif name == "latent_dim":
                cell[name] = int(generator.integers(bounds[0], bounds[1] + 1))
            else:  # Rounded, so that a person can type the value again.
                cell[name] = float(f"{math.exp(generator.uniform(math.log(bounds[0]), math.log(bounds[1]))):.3g}")
        yield cell


def varying(trials: Iterable[TrialConfig]) -> dict[str, list[Any]]:
    """The settings in which trials differ, and the three of every study, with the values they take, in order."""
    values = defaultdict[str, set[Any]](set)
    for config in trials:
        for name, value in vars(config).items():
            values[name].add(value)
    return {name: sorted(seen) for name, seen in values.items() if len(seen) > 1 or name in OF_EVERY_STUDY}


def trial_id(config: TrialConfig) -> str:
    """A name that a person can read and that is the same for the same trial in every run:
    "beta4-latent10-seed0-1f3a9c"."""
    content = json.dumps(asdict(config), sort_keys=True).encode()
    return f"beta{config.beta:g}-latent{config.latent_dim}-seed{config.seed}-{hashlib.sha256(content).hexdigest()[:6]}"
