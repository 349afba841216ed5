"""python -m bvae.export CHECKPOINT: the encoder and the decoder as files that run without this package.

    encoder   images (N, C, 64, 64) float32 in [0, 1] -> mean, logvar, both (N, D)
    decoder   z (N, D) float32 -> logits (N, C, 64, 64); their sigmoid is the image

In three formats, each for any batch size N: ONNX; TorchScript, which libtorch programs read and PyTorch has deprecated;
and torch.export's .pt2, which PyTorch names as its successor. Each file is opened again and compared with the model
before it gets its name.

An .onnx file holds no pickle. TorchScript archives and .pt2 files do, and are programs besides: open only those of
people you trust.
"""

from __future__ import annotations

import argparse
import copy
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bvae.checkpoint import load_model
from bvae.config import UserError
from bvae.model import VAE

BATCHES = (1, 5)  # sizes at which a file is compared with the model; it was traced with another
TOLERANCE = 1e-4  # relative, absolute near 0: other runtimes sum float32 in another order

Run = Callable[[Tensor], Tensor | tuple[Tensor, ...]]


class ExportError(UserError):
    """What can't be exported, or does not compute what the model does; the message says which."""


class Part(NamedTuple):
    """A half of a model: the module, an example of its input, and the names of its input and outputs."""

    module: nn.Module
    example: Tensor
    input: str
    outputs: tuple[str, ...]


class Format(NamedTuple):
    """A format: its files' suffix, the packages beyond torch that it needs, and how a part is written and read."""

    suffix: str
    packages: tuple[str, ...]
    write: Callable[[Part, Path], None]
    read: Callable[[Path], Run]


class Exported(NamedTuple):
    """A file that was written, and the largest absolute difference between its outputs and the model's."""

    path: Path
    difference: float


class _Encoder(nn.Module):
    """The posterior as a plain tuple: no format knows this package's Posterior."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        mean, logvar = self.encoder(images)
        return mean, logvar


def export(vae: VAE, folder: str | Path, formats: Sequence[str] | None = None) -> list[Exported]:
    """Write the encoder and the decoder of a model into `folder`, in the formats named (by default all of FORMATS).

    Raises:
        ExportError: a format is unknown, its packages are missing, or a file does not compute what the model does.
        OSError: the folder can't be written.
    """
    formats = tuple(FORMATS) if formats is None else formats
    for name in formats:
        if name not in FORMATS:
            raise ExportError(f"format is {name!r}; it must be one of {', '.join(FORMATS)}")
        if missing := [package for package in FORMATS[name].packages if find_spec(package) is None]:
            raise ExportError(
                f"format is {name!r}, which needs {' and '.join(missing)}: pip install 'beta-vae-study[export]', "
                "or choose other formats"
            )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _exported(part, FORMATS[name], folder / f"{half}{FORMATS[name].suffix}")
        for half, part in parts(vae).items()
        for name in formats
    ]


def parts(vae: VAE) -> dict[str, Part]:
    """What is exported of a model, by name; the model itself is left as it is."""
    vae = copy.deepcopy(vae).cpu().eval().requires_grad_(False)
    draw = torch.Generator().manual_seed(0)
    images = torch.rand(2, vae.config.channels, 64, 64, generator=draw)
    z = torch.randn(2, vae.config.latent_dim, generator=draw)
    return {
        "encoder": Part(_Encoder(vae.encoder), images, "images", ("mean", "logvar")),
        "decoder": Part(vae.decoder, z, "z", ("logits",)),
    }


def _exported(part: Part, form: Format, path: Path) -> Exported:
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of deprecations, which the first lines of this file say.
            form.write(part, temporary)
            difference = _difference(part, form.read(temporary))
        if difference is None:
            raise ExportError(f"{path.name} would not compute what the model does; it was not written")
        os.replace(temporary, path)
        return Exported(path, difference)
    finally:
        temporary.unlink(missing_ok=True)


def _difference(part: Part, run: Run) -> float | None:
    """The largest absolute difference over all batch sizes; None where one is beyond the tolerance."""
    draw, largest = torch.Generator().manual_seed(1), 0.0
    for size in BATCHES:
        given = torch.rand(size, *part.example.shape[1:], generator=draw)
        for theirs, ours in zip(_tuple(run(given)), _tuple(part.module(given)), strict=True):
            if theirs.shape != ours.shape or not torch.allclose(theirs, ours, TOLERANCE, TOLERANCE):
                return None
            largest = max(largest, float((theirs - ours).abs().max()))
    return largest


def _tuple(outputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)


def _program(part: Part) -> torch.export.ExportedProgram:
    return torch.export.export(part.module, (part.example,), dynamic_shapes=({0: torch.export.Dim("batch")},))


def _write_onnx(part: Part, path: Path) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # It warns of every absent package, needed or not.
    program = torch.onnx.export(
        _program(part),
        (part.example,),
        input_names=[part.input],
        output_names=part.outputs,
        dynamic_shapes=({0: "batch"},),  # The axis' name in the file.
        verbose=False,
    )
    assert program is not None
    program.save(path)


def _read_onnx(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (name,) = (given.name for given in session.get_inputs())
    return lambda given: tuple(torch.from_numpy(output) for output in session.run(None, {name: given.numpy()}))


FORMATS: dict[str, Format] = {
    "onnx": Format(".onnx", ("onnxscript", "onnxruntime"), _write_onnx, _read_onnx),
    "torchscript": Format(
        ".ts", (), lambda part, path: torch.jit.trace(part.module, (part.example,)).save(path), torch.jit.load
    ),
    "pt2": Format(
        ".pt2",
        (),
        lambda part, path: torch.export.save(_program(part), path),
        lambda path: torch.export.load(path).module(),
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0, or 2 after one sentence about a user's mistake."""
    parser = argparse.ArgumentParser(
        prog="python -m bvae.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path, help="a checkpoint.safetensors of a study or of bvae.checkpoint.save")
    parser.add_argument("--out", type=Path, help="folder for the files (by default the checkpoint's own)")
    parser.add_argument(
        "--formats", nargs="+", choices=tuple(FORMATS), default=tuple(FORMATS), help="which of them (all by default)"
    )
    options = parser.parse_args(arguments)
    try:
        written = export(load_model(options.checkpoint), options.out or options.checkpoint.parent, options.formats)
    except (UserError, OSError) as error:
        print(f"python -m bvae.export: {error}", file=sys.stderr)
        return 2
    for path, difference in written:
        print(f"{path}   {path.stat().st_size / 1e6:.1f} MB, within {difference:.0e} of the model")
    return 0


if __name__ == "__main__":
    sys.exit(main())
