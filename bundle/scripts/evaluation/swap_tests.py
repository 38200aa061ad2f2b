"""Swap tests: one sequence of a subject is replaced by another subject's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.utils.data import Dataset

from ..conventions import AVAILABLE, IMAGE, MOTION_CHANNELS, SEQUENCES, ConfigError

_CHANNELS = {"cine": [0, *MOTION_CHANNELS], "t2_stir": [1]}


class ExchangedSequence(Dataset):
    """Subjects whose cine or T2-STIR is that of the next subject in the list.

    A result that stays the same ignores the sequence. Slices are matched by their place between the first and
    the last one. A subject without the sequence is passed over.

    Args:
        dataset: subject-level items.
        sequence: which one; "" changes nothing.
    Raises:
        ConfigError: an unknown sequence, or fewer than two subjects that have it.
    """

    def __init__(self, dataset: Sequence[dict], sequence: str = "") -> None:
        if sequence and sequence not in SEQUENCES:
            raise ConfigError(f"exchange: found '{sequence}', expected one of {', '.join(SEQUENCES)}, or nothing.")
        self.dataset, self.sequence = dataset, sequence

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict:
        item = self.dataset[index]
        if not self.sequence:
            return item
        other = self._next(index)
        slices, others = item[IMAGE].shape[-1], other[IMAGE].shape[-1]
        if not slices or not others:
            return item
        place = torch.linspace(0, others - 1, slices).round().long()
        changed = {key: item[key].clone() for key in (IMAGE, AVAILABLE, "available_slices")}
        changed[IMAGE][_CHANNELS[self.sequence]] = other[IMAGE][_CHANNELS[self.sequence]][..., place]
        row = SEQUENCES.index(self.sequence)
        changed[AVAILABLE][row] = other[AVAILABLE][row]
        changed["available_slices"][row] = other["available_slices"][row, place]
        return item | changed

    def _next(self, index: int) -> dict:
        """The next subject in the list, from the start again, that has the sequence."""
        row = SEQUENCES.index(self.sequence)
        for step in range(1, len(self.dataset)):
            other = self.dataset[(index + step) % len(self.dataset)]
            if float(other[AVAILABLE][row]):
                return other
        raise ConfigError(f"exchange: no other subject has a {self.sequence}; at least two are needed.")
