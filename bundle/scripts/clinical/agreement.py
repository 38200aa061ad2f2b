"""Overlap of a label map with a reference: Dice, and the difference of the infarct sizes."""

from __future__ import annotations

import numpy as np

from ..conventions import NotMeasurable
from .volumes import LESIONS, infarct_percent_lv, structure_mask


def dice(label: np.ndarray, reference: np.ndarray, structure: str) -> float:
    """Dice coefficient of one of conventions.STRUCTURES over the whole subject, 0..1.

    Args:
        label, reference: (X, Y, S), disk codes.
    Raises:
        NotMeasurable: the structure is in neither of the two, so that there is nothing to overlap; the reference has no
            such structure, but for a lesion, which a healthy wall lacks; the reference has no wall to look for one in.
    Source: Dice, Ecology 1945;26:297.
    """
    found, wanted = structure_mask(label, structure), structure_mask(reference, structure)
    require_reference(reference, structure)
    total = int(found.sum()) + int(wanted.sum())
    if total == 0:
        raise NotMeasurable(f"no {structure} in the label map and none in the reference")
    return 2 * int((found & wanted).sum()) / total


def require_reference(reference: np.ndarray, structure: str) -> None:
    """Raises NotMeasurable when a reference (X, Y, S) lacks a structure, or the wall to look for a lesion in."""
    needed = "viable_myocardium" if structure in LESIONS else structure
    if not structure_mask(reference, needed).any():
        raise NotMeasurable(f"the reference has no {needed}")


def infarct_size_error(label: np.ndarray, reference: np.ndarray) -> float:
    """Absolute difference of infarct size, in points of %LV.

    Raises:
        NotMeasurable: a size cannot be measured in one of the two.
    """
    return abs(infarct_percent_lv(label) - infarct_percent_lv(reference))
