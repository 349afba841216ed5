"""The β-VAE: learns from images; knows no labels, no Ray, no plots.

    from bvae import VAE, TrialConfig, load_model, train

The names are looked up when they are asked for: a config can be checked without importing torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bvae.checkpoint import load_model
    from bvae.config import TrialConfig
    from bvae.model import VAE
    from bvae.training import train

__all__ = ["VAE", "TrialConfig", "load_model", "train"]
_MODULES = {"VAE": "model", "TrialConfig": "config", "load_model": "checkpoint", "train": "training"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'bvae' has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(import_module(f"bvae.{_MODULES[name]}"), name)
