"""Network weights on disk: plain tensors, read without unpickling, loaded strictly."""

from __future__ import annotations

import hashlib
import io
import logging
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import nn

from ..conventions import DataError
from ..files import remove, write_bytes, write_text
from .distributed import process_number

logger = logging.getLogger(__name__)

# SHA-256 of models/model.pt and models/reader/lge_segmentation.pt; by name alone others might be taken for them.
SHIPPED = frozenset({
    "6204fcc1566880e9480f2e21f51ba8dd11c28728978ab54dd56168a89084d775",
    "8e6981a76bff206df4a9071cecb2580e0fd5aaaafac283c11aec7a9251d70db9",
})  # fmt: skip


class WeightsLoader:
    """Loads ``model.pt`` into the network before the first subject.

    Args:
        path: file of plain tensors, as ``TrainingCheckpoint`` writes it.
        network: gets the weights, strictly.
    """

    def __init__(self, path: str, network: nn.Module) -> None:
        self.path, self.network = Path(path), network

    def attach(self, engine: Engine) -> None:
        """Loads at the start of the run."""
        engine.add_event_handler(Events.STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Loads the weights.

        Raises:
            DataError: the file is missing, unreadable, or made for another network.
        """
        load_network_weights(self.network, load_weights(self.path), self.path)
        if process_number() == 0:
            digest = sha256_of(self.path)
            whose = ", those that come with the bundle" if digest in SHIPPED else ""
            logger.info("weights: %s, SHA-256 %s%s", self.path, digest[:12], whose)


def save_network_weights(network: nn.Module, path: Path) -> None:
    """Writes a state dict of plain, contiguous CPU tensors, complete or not at all; and its SHA-256 beside it.

    The file of the hash (``<name>.sha256``, as sha256sum writes it) holds the old hash, too, while the weights are
    replaced, so that a process that ends in between leaves weights that are known.
    """
    state = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    content = state_bytes(state)
    line = f"{hashlib.sha256(content).hexdigest()}  {path.name}\n"
    before = f"{sha256_of(path)}  {path.name}\n" if path.is_file() else ""
    write_text(_sidecar(path), line + before)
    write_bytes(path, content)
    write_text(_sidecar(path), line)


def move_weights(path: Path, target: Path) -> None:
    """Gives a file of weights another name; its hash goes along, as ``save_network_weights`` writes it."""
    known = _known_hashes(path)
    lines = "".join(f"{one}  {target.name}\n" for one in sorted(known))
    if known:
        write_text(_sidecar(target), lines + "".join(f"{one}  {target.name}\n" for one in _known_hashes(target)))
    else:
        remove(_sidecar(target))
    path.replace(target)
    if known:
        write_text(_sidecar(target), lines)
    remove(_sidecar(path))


def _known_hashes(path: Path) -> set[str]:
    """SHA-256 of the file beside the weights, for a file of that name; empty where there is none.

    Raises:
        ValueError: it is no text.
    """
    if not _sidecar(path).is_file():
        return set()
    lines = [line.split(maxsplit=1) for line in _sidecar(path).read_text(encoding="utf-8-sig").splitlines()]
    named = ((line[0].lower(), line[1].lstrip("*") if len(line) > 1 else path.name) for line in lines if line)
    return {digest for digest, name in named if name == path.name}


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def state_bytes(state: Mapping[str, Any]) -> bytes:
    """A state dict as torch saves it."""
    # in memory first: on a full disk torch.save raises an error of its own kind, a plain write an OSError
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


def load_weights(path: Path) -> dict[str, Any]:
    """Reads a checkpoint onto the CPU, tensors and numbers only.

    Raises:
        DataError: missing or unreadable file, or one that is not what was written: by the checksums in it, and by the
            SHA-256 beside it where there is one.
    """
    if not path.is_file():
        raise DataError(
            f"{path}: no such weights file.\nExpected: the shipped models/model.pt, or that of a training run.\n"
            "Fix: give its folder with --ckpt_dir, or train first (configs/train.json); outside of the bundle's folder "
            "name that with --bundle_root."
        )
    try:
        _check_bytes(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:  # before the others: its own message is a page of advice to unpickle it all
        raise DataError(
            f"{path}: damaged, or holds more than tensors. Fix: copy it again, or save plain tensors."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: not a readable weights file ({first_line(error)}). Fix: copy it again.") from error
    if not isinstance(state, dict):
        raise DataError(f"{path}: holds a {type(state).__name__}, expected a state dict. Fix: give a model.pt.")
    if not all(isinstance(key, str) for key in state):
        raise DataError(f"{path}: holds entries without a name, expected a state dict. Fix: give a model.pt.")
    return state


def _check_bytes(path: Path) -> None:
    """torch reads a file in which bits have flipped; the checksums of its archive and the hash beside it tell.

    Raises:
        DataError: they differ. zipfile.BadZipFile, zlib.error, NotImplementedError: no archive that can be read.
    """
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise DataError(f"{path}: damaged: the checksum of a part of it is wrong. Fix: copy it again.")
    if _sidecar(path).is_file() and (found := sha256_of(path)) not in (known := _known_hashes(path)):
        expected = ", ".join(sorted(f"{one[:16]}..." for one in known)) or "none"
        raise DataError(
            f"{path}: found SHA-256 {found[:16]}..., expected {expected} by {_sidecar(path).name}: the file is not the "
            "one that was written.\n"
            "Fix: copy both files again; remove the second one if you changed the first yourself."
        )


def load_network_weights(network: nn.Module, state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Strict load.

    Raises:
        DataError: names or shapes differ; lists the first five.
    """
    state = {k.removeprefix("module."): v for k, v in state.items()}
    problems = misfits(network, state)
    if problems:
        lines = "\n".join(f"  {p}" for p in problems[:5])
        raise DataError(
            f"{path}: the weights do not fit the network ({len(problems)} differences):\n{lines}\n"
            "Fix: use the config (network_def) these weights were trained with; for those up to version 0.4 "
            "configs/variants/ssdiff_unet.json after the other one."
        )
    if broken := not_finite(network, state):
        raise DataError(
            f"{path}: {len(broken)} of {len(state)} tensors hold NaN or infinite numbers, the first {broken[0]}.\n"
            "Fix: use weights of an earlier epoch, or train again with a lower --learning_rate."
        )
    network.load_state_dict(state)


def misfits(network: nn.Module, state: Mapping[str, torch.Tensor]) -> list[str]:
    """Where names or shapes of ``state`` differ from the network's, in words."""
    wanted = network.state_dict()
    problems = [f"{k}: missing in the file" for k in wanted if k not in state]
    problems += [f"{k}: unknown to the network" for k in state if k not in wanted]
    problems += [f"{k}: no tensor in the file" for k in wanted if k in state and not _is_plain(state[k])]
    problems += [
        f"{k}: {state[k].dtype} in the file, {v.dtype} in the network"
        for k, v in wanted.items()
        if k in state and _is_plain(state[k]) and not _is_of_kind(state[k], v)
    ]
    return problems + [
        f"{k}: shape {tuple(state[k].shape)} in the file, {tuple(v.shape)} in the network"
        for k, v in wanted.items()
        if k in state and _is_plain(state[k]) and state[k].shape != v.shape
    ]


def not_finite(network: nn.Module, state: Mapping[str, Any]) -> list[str]:
    """Names of the tensors of a state that fits which hold NaN or infinite numbers once the network has them."""
    wanted = network.state_dict()
    return [k for k, v in wanted.items() if v.is_floating_point() and not state[k].to(v.dtype).isfinite().all()]


def _is_plain(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.layout == torch.strided


def _is_of_kind(value: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Whether numbers of a file may become those of the network: real ones real, whole ones whole."""
    return value.is_floating_point() == wanted.is_floating_point() and not value.is_complex()


def first_line(error: Exception) -> str:
    """First line of an error's message, or its type where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]
