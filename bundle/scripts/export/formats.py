"""A network as TorchScript and ONNX files: encoder and denoiser, batch and image size left open."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from ..conventions import ConfigError
from ..networks.joint_unet import JointUNet
from .exported_network import DENOISER, ENCODER, FORMATS, PARTS, TORCHSCRIPT, flatten, unflatten

# Batch and size of the example an export is traced with: no 1, which torch.export takes for a constant, no square.
_BATCH, _HEIGHT, _WIDTH = 2, 8, 6
# Loggers with a line per constant they merge, and a warning that torchvision is missing, which nothing here needs.
_TALKATIVE = ("torch.onnx", "onnxscript", "onnx_ir")
_DTYPES = {torch.float32: "float32", torch.int64: "int64"}


class _Encoder(nn.Module):
    def __init__(self, network: JointUNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor, available: torch.Tensor, vendor: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(flatten(self.network.encode(image, available, vendor)).values())


class _Denoiser(nn.Module):
    def __init__(self, network: JointUNet, names: Sequence[str]) -> None:
        super().__init__()
        self.network, self.names = network, list(names)

    def forward(self, state: torch.Tensor, timesteps: torch.Tensor, *conditions: torch.Tensor) -> torch.Tensor:
        return self.network.denoise(state, timesteps, unflatten(dict(zip(self.names, conditions, strict=True))))


def signature(network: JointUNet) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Inputs and outputs of both parts as JSON values: name, dtype, shape.

    A size that follows the image is a text, such as "height/2" or "height*width/64"; it is found by encoding images
    of two sizes.
    """
    small, large = (_example(network, scale) for scale in (1, 2))
    size = (_HEIGHT * network.size_divisor, _WIDTH * network.size_divisor)
    return {
        part: {
            side: [_port(name, small[part][side][name], large[part][side][name], size) for name in small[part][side]]
            for side in ("inputs", "outputs")
        }
        for part in PARTS
    }


def serialise(network: JointUNet, file_format: str, metadata: Mapping[str, str]) -> dict[str, bytes]:
    """The file of each part ("encoder", "denoiser") as bytes.

    Args:
        network: in eval mode, on the CPU.
        file_format: "torchscript" or "onnx".
        metadata: texts stored inside each file.
    Raises:
        ConfigError: the format is not known, or the packages for ONNX are missing.
    """
    if file_format not in FORMATS:
        raise ConfigError(f"formats: found '{file_format}', expected some of {', '.join(FORMATS)}.")
    example = _example(network, 1)
    modules = {ENCODER: _Encoder(network), DENOISER: _Denoiser(network, list(example[ENCODER]["outputs"]))}
    make = _torchscript_bytes if file_format == TORCHSCRIPT else _onnx_bytes
    described = signature(network)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer, about the size check of encode
        return {
            part: make(modules[part].eval(), tuple(example[part]["inputs"].values()), described[part], metadata)
            for part in PARTS
        }


@torch.no_grad()
def _example(network: JointUNet, scale: int) -> dict[str, dict[str, dict[str, torch.Tensor]]]:
    """Inputs and outputs of both parts by name, for a random image ``scale`` times the example's size."""
    generator = torch.Generator().manual_seed(0)
    height, width = (scale * n * network.size_divisor for n in (_HEIGHT, _WIDTH))
    image = torch.rand(_BATCH, network.image_channels, height, width, generator=generator) * 2 - 1
    state = torch.randn(_BATCH, network.state_channels, height, width, generator=generator)
    available, vendor = torch.ones(_BATCH, network.num_sequences), torch.zeros(_BATCH, dtype=torch.long)
    conditions = network.encode(image, available, vendor)
    timesteps, tensors = torch.full((_BATCH,), 500), flatten(conditions)
    return {
        ENCODER: {"inputs": {"image": image, "available": available, "vendor": vendor}, "outputs": tensors},
        DENOISER: {
            "inputs": {"state": state, "timesteps": timesteps, **tensors},
            "outputs": {"output": network.denoise(state, timesteps, conditions)},
        },
    }


def _port(name: str, small: torch.Tensor, large: torch.Tensor, size: tuple[int, int]) -> dict[str, Any]:
    shape: list[int | str] = ["batch"]
    for axis in range(1, small.ndim):
        one, other = small.shape[axis], large.shape[axis]
        if one == other:
            shape.append(one)
        elif other == 2 * one:
            side, word = (size[0], "height") if axis == small.ndim - 2 else (size[1], "width")
            shape.append(_divided(word, side // one))
        else:
            shape.append(_divided("height*width", size[0] * size[1] // one))
    return {"name": name, "dtype": _DTYPES[small.dtype], "shape": shape}


def _divided(word: str, factor: int) -> str:
    return word if factor == 1 else f"{word}/{factor}"


def _torchscript_bytes(
    module: nn.Module, inputs: tuple[torch.Tensor, ...], described: Mapping[str, Any], metadata: Mapping[str, str]
) -> bytes:
    stream = io.BytesIO()
    traced = torch.jit.trace(module, inputs, check_trace=False)
    torch.jit.save(traced, stream, _extra_files=dict(metadata))
    return stream.getvalue()


def _onnx_bytes(
    module: nn.Module, inputs: tuple[torch.Tensor, ...], described: Mapping[str, Any], metadata: Mapping[str, str]
) -> bytes:
    try:
        import onnx  # noqa: F401 (torch.onnx needs both)
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"formats: found 'onnx', but the package {error.name} is not installed here. "
            "Fix: pip install onnx onnxscript, or --formats torchscript"
        ) from error
    axes = [_open_axes(port["shape"]) for port in described["inputs"]]
    dynamic = tuple(axes) if isinstance(module, _Encoder) else (*axes[:2], tuple(axes[2:]))
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
    program = torch.onnx.export(
        module,
        inputs,
        dynamo=True,
        dynamic_shapes=dynamic,
        input_names=[port["name"] for port in described["inputs"]],
        output_names=[port["name"] for port in described["outputs"]],
        verbose=False,
    )
    program.model.metadata_props.update(metadata)
    return program.model_proto.SerializeToString()


def _open_axes(shape: Sequence[int | str]) -> dict[int, Any]:
    return {axis: torch.export.Dim.AUTO for axis, size in enumerate(shape) if isinstance(size, str)}
