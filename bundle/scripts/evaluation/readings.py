"""What further networks read in the virtual and in the acquired LGE, as columns of the table of subjects."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from ..clinical.agreement import dice
from ..clinical.volumes import infarct_percent_lv
from ..conventions import COMPARED_STRUCTURES, LGE, MASK, NETWORK_CLASSES, TASKS, NotMeasurable
from .pairs import SubjectPair
from .subject_rows import Row, measured_row

VIRTUAL, ACQUIRED = "virtual", "acquired"
# LGE (X, Y, S), 0..1, and spacing in mm to a label map (X, Y, S), disk codes; raises NotMeasurable.
ReadLge = Callable[[np.ndarray, tuple[float, float, float]], np.ndarray]


class LgeReading:
    """Columns ``<name>_<image>_...`` of one reader: overlap with the truth and infarct size, for both images.

    The reading of the acquired LGE is the ceiling; the one of the virtual LGE beside it says what that image lost.

    Args:
        read: one that segments an LGE. name: of the reader, first part of the columns.
        consistency: also overlap of the method's own label map with the reading of its image.
        tasks: what the method gives, "mask", "lge" or both; without an LGE only the acquired one is read.
    """

    def __init__(self, read: ReadLge, name: str, consistency: bool = False, tasks: Sequence[str] = TASKS) -> None:
        self.read, self.name = read, name
        self.consistency, self.shown = consistency and MASK in tasks, LGE in tasks

    def __call__(self, pair: SubjectPair) -> Row:
        """The columns of one subject; what cannot be measured is named in ``not_measurable``."""
        row: Row = {}
        reasons: list[str] = []
        own, truth = pair.label[0].numpy(), pair.reference[0].numpy()
        for image, lge in ((VIRTUAL, pair.lge), (ACQUIRED, pair.reference_lge)):
            if image == VIRTUAL and not self.shown:
                continue
            name = f"{self.name}_{image}"
            try:
                found = self.read(lge[0].numpy(), pair.spacing_mm)
            except NotMeasurable as reason:
                reasons.append(f"{name}: {reason}")
                continue
            measures: dict[str, tuple] = {f"{name}_dice_{one}": (dice, found, truth, one) for one in pair.compared}
            measures[f"{name}_infarct_percent_lv"] = (infarct_percent_lv, found)
            if self.consistency and image == VIRTUAL:
                measures |= {f"consistency_dice_{one}": (dice, own, found, one) for one in COMPARED_STRUCTURES}
            columns = measured_row(measures)
            reasons.append(str(columns.pop("not_measurable", "")))
            row |= columns
        text = "; ".join(filter(None, reasons))
        return row | ({"not_measurable": text} if text else {})


class SliceSegmenter:
    """Segmentation of an LGE by a network of ours that was trained on acquired LGE, slice by slice.

    Args:
        network: takes (B, 1, H, W) in -1..1, gives class logits first. num_classes: how many.
    """

    def __init__(self, network: nn.Module, num_classes: int = len(NETWORK_CLASSES)) -> None:
        self.network, self.num_classes = network, num_classes

    @torch.no_grad()
    def __call__(self, lge: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
        """LGE (X, Y, S), 0..1, to network classes (X, Y, S), uint8."""
        slices = torch.from_numpy(np.ascontiguousarray(np.moveaxis(lge, -1, 0))).float()[:, None]
        self.network.eval()
        logits = torch.cat([self.network(one[None] * 2 - 1)[:, : self.num_classes] for one in slices])
        return np.moveaxis(logits.argmax(1).to(torch.uint8).numpy(), 0, -1)
