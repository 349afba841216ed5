"""What makes training fast on a CPU without changing what is computed.

`encode`, `decode` and `forward` are those of bvae.model.VAE, which is their specification, with some layers computed in
another way; what this file knows nothing better for, and everything on a GPU, is left to the model itself.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

from torch import Tensor, nn, ops
from torch.autograd import Function
from torch.nn import functional

from bvae.model import VAE, Posterior

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> None:
    """Tell glibc's malloc to keep what is freed instead of giving it back to the system; elsewhere, nothing.

    Each step frees and takes again the same few activations of some megabytes. By default each of them is mapped anew,
    page by page, which costs a fifth of a small convolutional VAE's step on a CPU.
    """
    if (libc := _malloc()) is not None:
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(M_TOP_PAD, 64 * 2**20)


def give_freed_memory_back() -> None:
    """Once, all that is free.

    What comes between gradient steps, as scoring does, may take several times their memory, in pieces that they have no
    use for; and each trial of a worker is a new thread, whose heap the next one may not find. malloc's own limit of
    heaps comes too late for Ray's workers, which have more from the start.
    """
    if (libc := _malloc()) is not None:
        libc.malloc_trim(0)


def _malloc() -> ctypes.CDLL | None:
    """The C library, where its malloc is glibc's."""
    libc = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    return libc if hasattr(libc, "mallopt") else None


FEW = 4  # channels: up to here a convolution is a matrix product too thin for torch's kernels


def encode(vae: VAE, images: Tensor) -> Posterior:
    """As `vae.encode(images)`."""
    body = _run(vae.encoder.body, images.to(vae.dtype))
    return Posterior(*vae.encoder.head(body).chunk(2, dim=1))


def decode(vae: VAE, z: Tensor) -> Tensor:
    """As `vae.decode(z)`."""
    return _run(vae.decoder, z)


def forward(vae: VAE, images: Tensor, noise: Tensor) -> tuple[Posterior, Tensor]:
    """As `vae(images, noise)`."""
    posterior = encode(vae, images)
    return posterior, decode(vae, posterior.sample(noise))


def _run(layers: nn.Sequential, x: Tensor) -> Tensor:
    """As `layers(x)`."""
    for layer in layers:
        if x.device.type != "cpu":
            x = layer(x)
        elif isinstance(layer, nn.Conv2d) and layer.in_channels < FEW and _halves(layer) and not x.requires_grad:
            x = _FirstConvolution.apply(x, layer.weight, layer.bias)
        elif isinstance(layer, nn.ConvTranspose2d) and layer.out_channels < FEW and _halves(layer):
            x = _LastConvolution.apply(x, layer.weight, layer.bias)
        elif isinstance(layer, nn.ReLU):
            x = functional.relu_(x)
        else:
            x = layer(x)
    return x


def _halves(layer: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    """Whether it is a plain k4 s2 p1 layer, which halves images or doubles them: the only ones computed otherwise."""
    shape = (layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.output_padding, layer.groups)
    return shape == ((4, 4), (2, 2), (1, 1), (1, 1), (0, 0), 1) and layer.bias is not None


def _patches(images: Tensor) -> Tensor:
    """What each output of a convolution (k4, s2, p1) sees: (N, C, H, W) -> (N · H/2 · W/2, C · 4 · 4)."""
    padded = functional.pad(images, (1, 1, 1, 1))
    return padded.unfold(2, 4, 2).unfold(3, 4, 2).permute(0, 2, 3, 1, 4, 5).reshape(-1, images.shape[1] * 16)


def _pixels(images: Tensor) -> Tensor:
    """(N, C, H, W) -> (N · H · W, C), a view where the channels are last in memory."""
    return images.permute(0, 2, 3, 1).reshape(-1, images.shape[1])


class _FirstConvolution(Function):
    """conv2d(images, weight, bias, stride=2, padding=1) of kernel 4; its weights' gradient is one matrix product."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(images, weight)
        return functional.conv2d(images, weight, bias, stride=2, padding=1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, Tensor]:
        images, weight = ctx.saved_tensors
        pixels = _pixels(gradient)
        return None, (pixels.t() @ _patches(images)).view_as(weight), pixels.sum(dim=0)


class _LastConvolution(Function):
    """conv_transpose2d(x, weight, bias, stride=2, padding=1) of kernel 4: one matrix product, then sums of patches."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        patches = (_pixels(x) @ weight.flatten(1)).view(len(x), -1, weight[0].numel()).transpose(1, 2)
        height, width = (2 * side for side in x.shape[2:])
        return functional.fold(patches, (height, width), kernel_size=4, padding=1, stride=2).add_(bias[:, None, None])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        return ops.aten.convolution_backward(
            gradient, x, weight, [weight.shape[1]], [2, 2], [1, 1], [1, 1], True, [0, 0], 1, [True, True, True]
        )
