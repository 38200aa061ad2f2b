"""An exported network with the calls of SSDiffUNet: TorchScript or ONNX files answer encode and denoise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..conventions import ConfigError, DataError
from ..networks.condition_encoder import Conditions

TORCHSCRIPT, ONNX = FORMATS = ("torchscript", "onnx")
ENCODER, DENOISER = PARTS = ("encoder", "denoiser")
# The prefix keeps a condition's name apart from an input of the encoder ("available" is both).
_PREFIX = "condition"

Part = Callable[..., Sequence[torch.Tensor]]


def flatten(conditions: Conditions) -> dict[str, torch.Tensor]:
    """The tensors of ``conditions`` by name, in the order of its fields; a list's are numbered."""
    found: dict[str, torch.Tensor] = {}
    for field, value in conditions._asdict().items():
        name = f"{_PREFIX}_{field}"
        found |= {name: value} if isinstance(value, torch.Tensor) else {f"{name}_{i}": x for i, x in enumerate(value)}
    return found


def unflatten(tensors: Mapping[str, torch.Tensor]) -> Conditions:
    """What ``flatten`` was given; a field of which there is no tensor is an empty list."""
    fields: list[Any] = []
    for field in Conditions._fields:
        name = f"{_PREFIX}_{field}"
        numbered = [value for key, value in tensors.items() if _is_numbered(key, name)]
        fields.append(tensors.get(name, numbered))
    return Conditions(*fields)


class ExportedNetwork(nn.Module):
    """Two exported files behind the two calls of SSDiffUNet, on the CPU; a sampler cannot tell the difference.

    Args:
        files: path of the file of each part, "encoder" and "denoiser".
        file_format: "torchscript" or "onnx".
        signature: names and shapes of inputs and outputs, formats.signature of the network.
        size_divisor: height and width are multiples of it.
    Raises:
        ConfigError: the format is not known, or onnxruntime is not installed.
        DataError: a file cannot be read, or takes other inputs.
    """

    def __init__(
        self, files: Mapping[str, Path], file_format: str, signature: Mapping[str, Any], size_divisor: int
    ) -> None:
        super().__init__()
        if file_format not in FORMATS:
            raise ConfigError(f"backend: found '{file_format}', expected one of {', '.join(FORMATS)}.")
        open_part = _torchscript if file_format == TORCHSCRIPT else _onnx
        self.signature, self.size_divisor = signature, int(size_divisor)
        self.image_channels = signature[ENCODER]["inputs"][0]["shape"][1]
        self.num_sequences = signature[ENCODER]["inputs"][1]["shape"][1]
        self.names = _names(signature, ENCODER, "outputs")
        # in a dict, so that eval() and to() of a sampler's engine leave the TorchScript modules alone
        self.parts: dict[str, Part] = {part: open_part(Path(files[part]), signature[part]) for part in PARTS}

    @torch.no_grad()
    def encode(
        self, image: torch.Tensor, available: torch.Tensor | None = None, vendor: torch.Tensor | None = None
    ) -> Conditions:
        """As SSDiffUNet.encode: image (B, image_channels, H, W), -1..1; available (B, sequences); vendor (B,).

        Raises:
            ConfigError: wrong channel count or a size that is no multiple of ``size_divisor``.
        """
        batch, channels, height, width = image.shape
        if channels != self.image_channels:
            raise ConfigError(f"image has {channels} channels, expected {self.image_channels}.")
        if height % self.size_divisor or width % self.size_divisor:
            raise ConfigError(f"image is {height}x{width}, expected multiples of {self.size_divisor}.")
        shown = torch.ones(batch, self.num_sequences) if available is None else available.float()
        who = torch.zeros(batch, dtype=torch.long) if vendor is None else vendor.long()
        outputs = self.parts[ENCODER](image.float(), shown, who)
        return unflatten(dict(zip(self.names, outputs, strict=True)))

    @torch.no_grad()
    def denoise(self, state: torch.Tensor, timesteps: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        """As SSDiffUNet.denoise: state (B, num_classes + 1, H, W), timesteps (B,); the same shape as ``state``."""
        (output,) = self.parts[DENOISER](state.float(), timesteps.long(), *flatten(conditions).values())
        return output


def _torchscript(path: Path, signature: Mapping[str, Any]) -> Part:
    try:
        module = torch.jit.load(str(path), map_location="cpu").eval()
    except (RuntimeError, ValueError, OSError) as error:
        raise _unreadable(path, f"torch {torch.__version__}", error) from error
    return lambda *tensors: _sequence(module(*tensors))


def _onnx(path: Path, signature: Mapping[str, Any]) -> Part:
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as states
    except ImportError as error:
        raise ConfigError(
            "backend: found 'onnx', but the package onnxruntime is not installed here. "
            "Fix: pip install onnxruntime, or --backend torchscript, or --backend torch"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # what it has to say comes as an exception too
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except (states.Fail, states.InvalidProtobuf, states.InvalidGraph, states.NotImplemented, RuntimeError) as error:
        raise _unreadable(path, f"onnxruntime {onnxruntime.__version__}", error) from error
    names, taken = [one["name"] for one in signature["inputs"]], [one.name for one in session.get_inputs()]
    if taken != names:
        raise DataError(
            f"{path.name}: takes the inputs {', '.join(taken[:3])}, ... ({len(taken)}), expected "
            f"{', '.join(names[:3])}, ... ({len(names)}). Fix: export again (configs/export.json)."
        )

    def part(*tensors: torch.Tensor) -> list[torch.Tensor]:
        arrays = {name: x.contiguous().cpu().numpy() for name, x in zip(names, tensors, strict=True)}
        return [torch.from_numpy(array) for array in session.run(None, arrays)]

    return part


def _unreadable(path: Path, reader: str, error: Exception) -> DataError:
    # the end of the first line says why; before it stand the file and the runtime's own source
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].replace(str(path.parent), "...")[-120:]
    return DataError(
        f"{path.name}: {reader} cannot read it ({reason}). Expected: a file of this bundle's export. "
        "Fix: export again here (configs/export.json), or install the version it was exported for."
    )


def _sequence(answer: torch.Tensor | Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
    return (answer,) if isinstance(answer, torch.Tensor) else answer


def _names(signature: Mapping[str, Any], part: str, side: str) -> list[str]:
    return [one["name"] for one in signature[part][side]]


def _is_numbered(key: str, name: str) -> bool:
    stem, _, number = key.rpartition("_")
    return stem == name and number.isdigit()
