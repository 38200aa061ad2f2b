"""Which classes the label maps of a training show: what a data set never shows it does not mark."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from .. import conventions


class MarkedClasses:
    """What the label maps of each data set tell and show; a data set is the folder above that of its label maps.

    Maps of four classes in our codes, as inference writes them and a reader corrects them, are coded as if they could
    mark no-reflow and oedema. Where no map of a folder shows one of them, it does not teach that there is none.
    """

    def __init__(self) -> None:
        self._shown: dict[Path, set[int]] = {}
        self._told: dict[Path, torch.Tensor] = {}
        self._merged: dict[Path, torch.Tensor] = {}

    def note(self, entry: Mapping, groups: torch.Tensor, label: torch.Tensor) -> None:
        """Adds a subject: its datalist entry, its label_groups (K,), and its label map in a network's classes."""
        folder, told = _folder_of(entry), groups == torch.arange(len(groups))
        self._shown.setdefault(folder, set()).update(label.unique().tolist())
        self._told[folder] = told | self._told.get(folder, torch.zeros_like(told))

    def merge_never_shown(self) -> None:
        """From now on ``merged`` takes back what no label map of a folder shows; call it after the last subject."""
        for folder, told in self._told.items():
            merged = torch.arange(len(told))
            for c in range(len(conventions.NETWORK_CLASSES), len(told)):
                if c not in self._shown[folder]:
                    merged[c], told[c] = conventions.TO_NETWORK_CLASS[c], False
            self._merged[folder] = merged

    def merged(self, entry: Mapping, groups: torch.Tensor) -> torch.Tensor:
        """label_groups (K,) of a subject, as its folder allows."""
        found = self._merged.get(_folder_of(entry))
        return groups if found is None else found[groups]

    def unmarked(self) -> list[str]:
        """Names of the classes that no label map marks; [] where nothing was noted."""
        if not self._told:
            return []
        told = torch.stack(list(self._told.values())).any(dim=0)
        return [name for name, one in zip(conventions.ALL_CLASSES, told, strict=False) if not one]


def _folder_of(entry: Mapping) -> Path:
    return Path(str(entry.get(conventions.LABEL, ""))).parent.parent
