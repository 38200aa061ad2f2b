"""A part of the joint state that is known while the other is sampled: a given mask, or a given LGE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from monai.data import MetaTensor

from ..conventions import LGE, MASK, ConfigError, DataError
from .process import GIVEN, JointProcess


class Known(NamedTuple):
    """What is given, as a part of the state.

    state: (S, state channels, H, W), clean; the other part of it means nothing. channels: which of them are known,
    (1, state channels, 1, 1), bool. part: "mask" or "lge".
    """

    state: torch.Tensor
    channels: torch.Tensor
    part: str

    def select(self, index: torch.Tensor) -> Known:
        """That of the slices of ``index``, in that order."""
        return self._replace(state=self.state[index])

    def put(self, state: torch.Tensor) -> torch.Tensor:
        """``state`` with what is known in its place."""
        return torch.where(self.channels, self.state, state)

    def timesteps(self, t: int) -> list[int]:
        """Of mask and LGE, when the part that is looked for is at ``t``."""
        return [GIVEN if self.part == name else t for name in (MASK, LGE)]


def known_part(given: Mapping[str, torch.Tensor], process: JointProcess, images: torch.Tensor) -> Known:
    """What is given for the slices ``images`` (S, sequences, H, W).

    Args:
        given: {"mask": codes 0..K-1} or {"lge": 0..1}, (1, 1, H, W, S).
    Raises:
        ConfigError: both, something else, or a part that ``process`` never gives in training.
        DataError: another shape or other values.
    """
    if len(given) != 1 or not set(given) <= {MASK, LGE}:
        raise ConfigError(f"given: found {', '.join(given)}, expected one of {MASK} and {LGE}: the other is sampled.")
    ((part, value),) = given.items()
    if not process.given_shares[part]:
        raise ConfigError(
            f"given: found {part}, but process::given_shares gives none in training, so that the network never learnt "
            "it. Fix: the configs it was trained with, as configs/train.json."
        )
    if not isinstance(value, torch.Tensor):
        raise DataError(f"given {part}: found {type(value).__name__}, expected a tensor. Fix: torch.as_tensor(...).")
    # without the place and file of a MetaTensor, which are not those of the result
    value = (value.as_tensor() if isinstance(value, MetaTensor) else value).float()
    highest = process.num_classes - 1 if part == MASK else 1
    expected = (1, 1, *images.shape[2:], len(images))
    low, high = (float(value.min()), float(value.max())) if value.numel() else (0.0, 0.0)
    whole = part == LGE or bool((value == value.round()).all())
    if tuple(value.shape) != expected or not (low >= 0 and high <= highest) or not whole:
        raise DataError(
            f"given {part}: found shape {tuple(value.shape)} with values from {low:g} to {high:g}, expected {expected} "
            f"with {'whole numbers' if part == MASK else 'values'} from 0 to {highest}. Fix: grid and scale as "
            "preprocessing gives them."
        )
    slices = value[0].movedim(-1, 0).to(images)
    unknown = torch.zeros_like(slices)
    clean = process.clean_state(*((unknown, slices) if part == MASK else (slices, unknown)))
    of_mask = torch.arange(clean.shape[1], device=clean.device) < clean.shape[1] - 1
    return Known(clean, (of_mask if part == MASK else ~of_mask)[None, :, None, None], part)
