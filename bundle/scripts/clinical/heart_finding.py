"""Whether a label map found the LV: slices without it, slices where it was invented, distance of its centre."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..conventions import NotMeasurable
from .agreement import dice
from .volumes import structure_mask

# LV blood of a slice that is too little to ask for, or to hold against a label map: pixels.
FEW_PIXELS = 20
# Overlap of LV blood in a slice below which the LV was missed there.
LEAST_DICE = 0.5


def slice_holds_lv(reference: np.ndarray) -> np.ndarray:
    """(S,) bool: slices of a reference (X, Y, S), disk codes, with more than FEW_PIXELS of LV blood."""
    return structure_mask(reference, "lv_blood_pool").sum(axis=(0, 1)) > FEW_PIXELS


def slice_misses_lv(label: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """(S,) bool: slices that hold the LV in which the Dice of its blood is below LEAST_DICE.

    Args:
        label, reference: (X, Y, S), disk codes, on one grid.
    """
    holds = slice_holds_lv(reference)
    found = [
        holds[s] and dice(label[..., s : s + 1], reference[..., s : s + 1], "lv_blood_pool") < LEAST_DICE
        for s in range(len(holds))
    ]
    return np.array(found, dtype=bool)


def slice_invents_lv(label: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """(S,) bool: slices with more than FEW_PIXELS of LV blood where the reference has neither LV blood nor LV wall.

    Args:
        label, reference: (X, Y, S), disk codes, on one grid.
    """
    empty = ~(structure_mask(reference, "lv_blood_pool") | structure_mask(reference, "lv_myocardium")).any(axis=(0, 1))
    return slice_holds_lv(label) & empty


def centre_distance_mm(label: np.ndarray, reference: np.ndarray, pixel_mm: Sequence[float]) -> float:
    """In-plane distance of the centroids of LV blood, each over the whole stack, mm.

    Args:
        label, reference: (X, Y, S), disk codes, on one grid. pixel_mm: size of a pixel along x and y.
    Raises:
        NotMeasurable: one of the two has no LV blood.
    """
    centres = []
    for where, one in (("label map", label), ("reference", reference)):
        x, y, _ = np.nonzero(structure_mask(one, "lv_blood_pool"))
        if not x.size:
            raise NotMeasurable(f"no lv_blood_pool in the {where}")
        centres.append(np.array([x.mean(), y.mean()]) * np.asarray(pixel_mm[:2], dtype=np.float64))
    return float(np.linalg.norm(centres[0] - centres[1]))
