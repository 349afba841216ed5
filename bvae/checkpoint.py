"""Checkpoints: one safetensors file, whose header holds step, config and version as JSON. Nothing in it is a pickle.

A checkpoint rebuilds a run by itself: weights, Adam's moments, step, the noise generator's state and the config. The
order of the images needs no state: it is a function of seed and step.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from bvae.config import ConfigError, TrialConfig, UserError
from bvae.model import VAE

FORMAT = "bvae-checkpoint-1"


class CheckpointError(UserError):
    """A file that is no whole checkpoint; the message names it and says what is wrong."""


@dataclass(frozen=True)
class Checkpoint:
    """A training run after `step` gradient steps.

    Attributes:
        config: the trial.
        step: gradient steps done.
        weights: by parameter name.
        moments: Adam's first and second moments, as "exp_avg.<name>" and "exp_avg_sq.<name>".
        noise_state: of the generator that draws the noise of z; its kind is that of the device it was made on.
        device: "cpu" or "cuda": where `noise_state` can go on.
        seconds: spent on the trial's gradient steps so far.
    """

    config: TrialConfig
    step: int
    weights: dict[str, Tensor]
    moments: dict[str, Tensor]
    noise_state: Tensor
    device: str
    seconds: float


def save(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint under a temporary name, then rename: `path` is whole or as it was.

    Raises:
        OSError: the folder is missing, not writable, or full.
    """
    path = Path(path)
    tensors = {f"weights.{k}": v for k, v in checkpoint.weights.items()}
    tensors |= {f"moments.{k}": v for k, v in checkpoint.moments.items()}
    tensors["noise_state"] = checkpoint.noise_state
    header = {
        "format": FORMAT,
        "config": json.dumps(asdict(checkpoint.config)),
        "step": str(checkpoint.step),
        "device": checkpoint.device,
        "seconds": repr(checkpoint.seconds),
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, temporary, header)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except SafetensorError as error:  # What it raises when a write fails.
        raise OSError(f"checkpoint {path} can't be written: {error}") from None
    finally:
        temporary.unlink(missing_ok=True)


def load(path: str | Path) -> Checkpoint:
    """Read a checkpoint, with all tensors on the CPU.

    Raises:
        CheckpointError: the file is missing, truncated, or not one of this project's.
    """
    if not Path(path).is_file():
        raise CheckpointError(f"checkpoint {path} does not exist")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT:
                raise CheckpointError(
                    f"{path} is a safetensors file, but not a checkpoint of this project ({FORMAT}); "
                    f"its header says {header.get('format')!r}"
                )
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
            return Checkpoint(
                config=TrialConfig.from_dict(json.loads(header["config"])),
                step=int(header["step"]),
                weights={k.removeprefix("weights."): v for k, v in tensors.items() if k.startswith("weights.")},
                moments={k.removeprefix("moments."): v for k, v in tensors.items() if k.startswith("moments.")},
                noise_state=tensors["noise_state"],
                device=header["device"],
                seconds=float(header["seconds"]),
            )
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError, ConfigError) as error:
        raise CheckpointError(f"{path} is no whole checkpoint ({error}); it may be truncated or another file") from None


def load_model(path: str | Path) -> VAE:
    """The VAE of a checkpoint, on the CPU, ready to encode and decode.

    Raises:
        CheckpointError: the file is missing, truncated, or not one of this project's.
    """
    checkpoint = load(path)
    vae = VAE(checkpoint.config)
    try:
        vae.load_state_dict(checkpoint.weights)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: the weights don't fit its config ({error})") from None
    return vae.eval().requires_grad_(False)


def moments_of(optimizer: torch.optim.Adam, vae: VAE) -> dict[str, Tensor]:
    """Adam's moments by parameter name, as a checkpoint keeps them."""
    return {
        f"{moment}.{name}": optimizer.state[parameter][moment]
        for name, parameter in vae.named_parameters()
        for moment in ("exp_avg", "exp_avg_sq")
    }


def restore_moments(optimizer: torch.optim.Adam, vae: VAE, checkpoint: Checkpoint) -> None:
    """Give Adam a checkpoint's moments, in each parameter's own memory layout, which the fused kernel relies on."""
    for name, parameter in vae.named_parameters():
        optimizer.state[parameter] = {"step": torch.tensor(float(checkpoint.step), device=parameter.device)} | {
            moment: torch.empty_like(parameter).copy_(checkpoint.moments[f"{moment}.{name}"])
            for moment in ("exp_avg", "exp_avg_sq")
        }
