"""Train one β-VAE and score it while it learns.

python examples/train_and_score.py                    # dSprites, rendered on first use
python examples/train_and_score.py --data mine.npz    # images (N, 64, 64), factors (N, K), factor_names (K,)
"""

import argparse
from pathlib import Path

import numpy as np

from analysis.metrics import score
from bvae import TrialConfig, checkpoint, train
from bvae.data import load, split
from bvae.training import encode, evaluate

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--data", type=Path, help="an own .npz, or the published dSprites archive")
parser.add_argument("--steps", type=int, default=2_000)
parser.add_argument("--out", type=Path, default=Path("checkpoint.safetensors"))
options = parser.parse_args()

store = load(options.data)
config = TrialConfig(
    beta=8, latent_dim=6, architecture="burgess", learning_rate=1e-3, batch_size=32, steps=options.steps,
    channels=store.image_shape[0],
)  # fmt: skip

# Training never sees these images; a study picks by them.
validation = split(len(store), config.split, config.split_seed).validation
images = np.random.default_rng(0).choice(validation, min(3_000, len(validation)), replace=False)
factors = store.factors(images)

quarters = range(max(1, config.steps // 4), config.steps, max(1, config.steps // 4))
for report in train(config, store, report_at=[*quarters, config.steps]):
    posterior = encode(report.vae, store, images)
    likelihood = evaluate(report.vae, store, images, posterior, report.step)
    scores = score(posterior.mean.numpy(), factors, budget="cheap", factor_names=store.space.names)
    print(
        f"step {report.step:>6}   reconstruction {likelihood.reconstruction:.1f}, KL {likelihood.kl:.2f} nats per image"
        f"   MIG {scores['mig']:.3f}   {report.images_per_second:,.0f} images/s"
    )

print("\nMIG of each factor: " + ", ".join(f"{name} {scores[f'mig/{name}']:.3f}" for name in store.space.names))
checkpoint.save(options.out, report.checkpoint())
print(f"{options.out} holds the model: bvae.load_model({str(options.out)!r})")
