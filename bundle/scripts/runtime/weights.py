"""Network weights on disk: plain tensors, read without unpickling, loaded strictly."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import nn

from ..conventions import DataError
from ..files import write_bytes


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


def save_network_weights(network: nn.Module, path: Path) -> None:
    """Writes a state dict of plain, contiguous CPU tensors, complete or not at all."""
    state = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    write_bytes(path, state_bytes(state))


def state_bytes(state: Mapping[str, Any]) -> bytes:
    """A state dict as torch saves it."""
    # in memory first: on a full disk torch.save raises an error of its own kind, a plain write an OSError
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


def load_weights(path: Path) -> dict[str, Any]:
    """Reads a checkpoint onto the CPU, tensors and numbers only.

    Raises:
        DataError: missing or unreadable file.
    """
    if not path.is_file():
        raise DataError(
            f"{path}: no such weights file.\nExpected: the shipped models/model.pt, or that of a training run.\n"
            "Fix: give its folder with --ckpt_dir, or train first (configs/train.json)."
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:  # before the others: its own message is a page of advice to unpickle it all
        raise DataError(
            f"{path}: damaged, or holds more than tensors. Fix: copy it again, or save plain tensors."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: not a readable weights file ({first_line(error)}). Fix: copy it again.") from error
    if not isinstance(state, dict):
        raise DataError(f"{path}: holds a {type(state).__name__}, expected a state dict. Fix: give a model.pt.")
    return state


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
            "Fix: use the config (network_def) these weights were trained with."
        )
    network.load_state_dict(state)


def misfits(network: nn.Module, state: Mapping[str, torch.Tensor]) -> list[str]:
    """Where names or shapes of ``state`` differ from the network's, in words."""
    wanted = network.state_dict()
    problems = [f"{k}: missing in the file" for k in wanted if k not in state]
    problems += [f"{k}: unknown to the network" for k in state if k not in wanted]
    return problems + [
        f"{k}: shape {tuple(state[k].shape)} in the file, {tuple(v.shape)} in the network"
        for k, v in wanted.items()
        if k in state and getattr(state[k], "shape", None) != v.shape
    ]


def first_line(error: Exception) -> str:
    """First line of an error's message, or its type where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]
