"""What further networks read in the virtual and in the acquired LGE, as columns of the table of subjects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ..conventions import TASKS, NotMeasurable
from .pairs import STRUCTURES, SubjectPair

VIRTUAL, ACQUIRED = PICTURES = ("virtual", "acquired")


class LgeReading:
    """Columns ``<name>_<image>_...`` of one reader: overlap with the ground truth and infarct size, for both images.

    The reading of the acquired LGE is the ceiling. The reading of the virtual LGE tells what that image lost.

    Args:
        read: LGE (X, Y, S), 0..1, and spacing in mm to a label map (X, Y, S), disk codes; raises NotMeasurable.
        name: of the reader, first part of the columns.
        dice, size: label, reference, structure to overlap; label to %LV; raise NotMeasurable.
        consistency: also overlap of the method's own label map with the reading of its image.
        tasks: what the method gives, "mask", "lge" or both; without an LGE only the acquired one is read.
    """

    def __init__(
        self,
        read: Callable[[np.ndarray, tuple], np.ndarray],
        name: str,
        dice: Callable[..., float],
        size: Callable[..., float],
        consistency: bool = False,
        tasks: Sequence[str] = TASKS,
    ) -> None:
        self.read, self.name, self.dice, self.size = read, name, dice, size
        self.consistency, self.shown = consistency and "mask" in tasks, "lge" in tasks

    def __call__(self, pair: SubjectPair) -> dict[str, Any]:
        """The columns of one subject; what cannot be measured is named in ``not_measurable``."""
        row: dict[str, Any] = {}
        reasons: list[str] = []

        def add(column: str, measure: Callable[..., float], *arguments: Any) -> None:
            try:
                row[column] = float(measure(*arguments))
            except NotMeasurable as reason:
                reasons.append(f"{column}: {reason}")

        truth = pair.reference[0].numpy()
        for picture, lge in zip(PICTURES, (pair.lge, pair.reference_lge), strict=True):
            if picture == VIRTUAL and not self.shown:
                continue
            try:
                found = self.read(lge[0].numpy(), pair.spacing_mm)
            except NotMeasurable as reason:
                reasons.append(f"{self.name}_{picture}: {reason}")
                continue
            for structure in STRUCTURES:
                add(f"{self.name}_{picture}_dice_{structure}", self.dice, found, truth, structure)
            add(f"{self.name}_{picture}_infarct_percent_lv", self.size, found)
            if self.consistency and picture == VIRTUAL:
                own = pair.label[0].numpy()
                for structure in STRUCTURES:
                    add(f"consistency_dice_{structure}", self.dice, own, found, structure)
        return row | ({"not_measurable": "; ".join(reasons)} if reasons else {})


class NetworkReader:
    """Segmentation of an LGE by a network of ours that was trained on acquired LGE.

    Args:
        network: takes (B, 1, H, W) in -1..1, gives class logits first. num_classes: how many.
    """

    def __init__(self, network: nn.Module, num_classes: int = 4) -> None:
        self.network, self.num_classes = network, num_classes

    @torch.no_grad()
    def __call__(self, lge: np.ndarray, spacing_mm: tuple) -> np.ndarray:
        """LGE (X, Y, S), 0..1, to network classes (X, Y, S), uint8."""
        slices = torch.from_numpy(np.ascontiguousarray(np.moveaxis(lge, -1, 0))).float()[:, None]
        self.network.eval()
        logits = torch.cat([self.network(one[None] * 2 - 1)[:, : self.num_classes] for one in slices])
        return np.moveaxis(logits.argmax(1).to(torch.uint8).numpy(), 0, -1)
