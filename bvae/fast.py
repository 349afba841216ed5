"""What makes training fast on a CPU without changing what is computed.

`decode` and `forward` are those of bvae.model.VAE, which is their specification, with the convolutions that halve
images, and those that double them, computed in another way; what this file knows nothing better for, and everything on
a GPU, is left to the model itself.

Shapes of these convolutions (kernel 4, stride 2, padding 1): N images with C channels, of which the larger ones are
2H × 2W, and the smaller ones H × W.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn, ops
from torch.autograd import Function
from torch.nn import functional

from bvae.model import VAE, Posterior

FEW = 4  # channels: with fewer in the larger images a convolution is a matrix product too thin for torch's kernels
SMALL = 16  # pixels: for images up to here, the gradient of the weights is faster as a matrix product


def decode(vae: VAE, z: Tensor) -> Tensor:
    """As `vae.decode(z)`."""
    return _run(vae.decoder, z)


def forward(vae: VAE, images: Tensor, noise: Tensor) -> tuple[Posterior, Tensor]:
    """As `vae(images, noise)`, in the precision of its config; posterior and logits have that of its weights."""
    with multiplied_in(vae.config.precision, images.device):
        body = _run(vae.encoder.body, images.to(vae.dtype))
    posterior = Posterior(*vae.encoder.head(body.to(vae.dtype)).chunk(2, dim=1))
    with multiplied_in(vae.config.precision, images.device):
        return posterior, decode(vae, posterior.sample(noise)).to(vae.dtype)


def multiplied_in(precision: str, device: torch.device) -> torch.autocast:
    """torch's mixed precision where `precision` (a TrialConfig's) asks for it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def _run(layers: nn.Sequential, x: Tensor) -> Tensor:
    """As `layers(x)`."""
    if torch.is_autocast_enabled(x.device.type):
        x = x.to(torch.get_autocast_dtype(x.device.type))
    for layer in layers:
        if x.device.type != "cpu":
            x = layer(x)
        elif isinstance(layer, nn.Conv2d) and _halves(layer):
            thin = layer.in_channels < FEW and not x.requires_grad
            x = (_ThinConvolution if thin else _Convolution).apply(x, layer.weight.to(x.dtype), layer.bias)
        elif isinstance(layer, nn.ConvTranspose2d) and _halves(layer):
            thin = layer.out_channels < FEW
            x = (_ThinTransposed if thin else _Transposed).apply(x, layer.weight.to(x.dtype), layer.bias)
        elif isinstance(layer, nn.ReLU):
            x = functional.relu_(x)
        else:
            x = layer(x)
    return x


def _halves(layer: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    """Whether it is a plain k4 s2 p1 layer, which halves images or doubles them: the only ones computed otherwise."""
    shape = (layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.output_padding, layer.groups)
    return shape == ((4, 4), (2, 2), (1, 1), (1, 1), (0, 0), 1) and layer.bias is not None


class _Convolution(Function):
    """conv2d(images, weight, bias, stride=2, padding=1) of kernel 4."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(images, weight)
        return functional.conv2d(images, weight, bias, stride=2, padding=1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        images, weight = ctx.saved_tensors
        to_images = _backward(images, gradient, weight, 0) if ctx.needs_input_grad[0] else None
        return to_images, _weight_gradient(images, gradient, weight), _pixels(gradient).sum(dim=0)


class _Transposed(Function):
    """conv_transpose2d(images, weight, bias, stride=2, padding=1) of kernel 4.

    torch's own backward pass takes longer for the bias of large images, a mere sum, than for everything else.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(images, weight)
        return functional.conv_transpose2d(images, weight, bias, stride=2, padding=1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        images, weight = ctx.saved_tensors
        to_images = functional.conv2d(gradient, weight, stride=2, padding=1)
        return to_images, _weight_gradient(gradient, images, weight), _pixels(gradient).sum(dim=0)


class _ThinConvolution(Function):
    """`_Convolution` for images with few channels, which need no gradient: two products with `_planes`."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        planes = _planes(images)
        ctx.save_for_backward(planes, weight)
        count, _, height, width = images.shape
        shape = (count, len(weight), height // 2, width // 2)
        result = torch.empty(shape, dtype=images.dtype, memory_format=torch.channels_last)
        torch.addmm(bias.to(images.dtype), planes.t(), weight.flatten(1).t(), out=_pixels(result))
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, Tensor]:
        planes, weight = ctx.saved_tensors
        pixels = _pixels(gradient)
        return None, (planes @ pixels).t().reshape_as(weight), pixels.sum(dim=0)


class _ThinTransposed(Function):
    """`_Transposed` to images with few channels: products with planes, as `_ThinConvolution`, its mirror image."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(images, weight)
        planes = weight.flatten(1).t() @ _pixels(images).t()
        return _sums(planes.to(bias.dtype), images).add_(bias[:, None, None])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        images, weight = ctx.saved_tensors
        planes = _planes(gradient.to(images.dtype))
        to_images = torch.empty_like(images, memory_format=torch.channels_last)
        torch.mm(planes.t(), weight.flatten(1).t(), out=_pixels(to_images))
        return to_images, (planes @ _pixels(images)).t().reshape_as(weight), gradient.sum(dim=(0, 2, 3))


def _weight_gradient(larger: Tensor, smaller: Tensor, weight: Tensor) -> Tensor:
    """Of a convolution from the larger images to the smaller ones, or a transposed one the other way."""
    if smaller.shape[2] * smaller.shape[3] > SMALL:
        return _backward(larger, smaller, weight, 1)
    gradient = _pixels(smaller).t() @ _windows(larger)
    return gradient.view(len(weight), 4, 4, -1).permute(0, 3, 1, 2)


def _backward(larger: Tensor, smaller: Tensor, weight: Tensor, wanted: int) -> Tensor:
    """torch's gradient of a convolution for its images (0) or its weights (1)."""
    mask = [wanted == 0, wanted == 1, False]
    return ops.aten.convolution_backward(smaller, larger, weight, None, [2, 2], [1, 1], [1, 1], False, [0, 0], 1, mask)[
        wanted
    ]


def _pixels(images: Tensor) -> Tensor:
    """(N, C, H, W) -> (N · H · W, C), a view where the channels are last in memory."""
    return images.permute(0, 2, 3, 1).reshape(-1, images.shape[1])


def _windows(images: Tensor) -> Tensor:
    """What each pixel of the smaller images sees: (N, C, 2H, 2W) -> (N · H · W, 4 · 4 · C)."""
    count, channels, height, width = images.shape
    padded = images.new_zeros(count, height + 2, width + 2, channels)
    padded[:, 1:-1, 1:-1] = images.permute(0, 2, 3, 1)
    image, row, column, _ = padded.stride()
    shape = (count, height // 2, width // 2, 4, 4 * channels)  # Four pixels of a row lie beside each other.
    return padded.as_strided(shape, (image, 2 * row, 2 * column, row, 1)).reshape(-1, 16 * channels)


def _planes(images: Tensor) -> Tensor:
    """The same, a plane for each place in the kernel: (N, C, 2H, 2W) -> (C · 4 · 4, N · H · W).

    Few channels lie in planes of which each can be copied at once, and not pixel by pixel.
    """
    count, channels, height, width = images.shape
    halves = images.reshape(count, channels, height // 2, 2, width // 2, 2).permute(1, 3, 5, 0, 2, 4)
    planes = images.new_zeros(channels, 4, 4, count, height // 2, width // 2)
    planes[:, 1:3, 1:3] = halves
    planes[:, 1:3, 0, ..., 1:] = planes[:, 1:3, 2, ..., :-1]
    planes[:, 1:3, 3, ..., :-1] = planes[:, 1:3, 1, ..., 1:]
    planes[:, 0, ..., 1:, :] = planes[:, 2, ..., :-1, :]
    planes[:, 3, ..., :-1, :] = planes[:, 1, ..., 1:, :]
    return planes.view(channels * 16, -1)


def _sums(planes: Tensor, smaller: Tensor) -> Tensor:
    """The mirror image of `_planes`: each pixel of the larger images is a sum over planes."""
    count, _, height, width = smaller.shape
    planes = planes.view(-1, 4, 4, count, height, width)
    planes[:, 2, ..., :-1, :] += planes[:, 0, ..., 1:, :]
    planes[:, 1, ..., 1:, :] += planes[:, 3, ..., :-1, :]
    planes[:, 1:3, 2, ..., :-1] += planes[:, 1:3, 0, ..., 1:]
    planes[:, 1:3, 1, ..., 1:] += planes[:, 1:3, 3, ..., :-1]
    return planes[:, 1:3, 1:3].permute(3, 0, 4, 1, 5, 2).reshape(count, -1, 2 * height, 2 * width)
