"""Regions of interest of an LGE image, from its label map: blood, remote myocardium, infarct."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .. import conventions
from ..conventions import DataError, NotMeasurable
from .volumes import structure_mask

SMALLEST_REGION = 20  # pixels
REMOTE_GAP_PIXELS = 2  # between remote myocardium and a lesion, in the slice
_IN_PLANE = ndimage.generate_binary_structure(2, 1)[..., None]


def code_mask(label: np.ndarray, name: str) -> np.ndarray:
    """Voxels of one of conventions.LABEL_NAMES, bool."""
    return np.asarray(label) == conventions.LABEL_NAMES.index(name)


def remote_region(label: np.ndarray) -> np.ndarray:
    """Remote myocardium (X, Y, S), bool: wall without lesion (infarct, no-reflow, oedema).

    One pixel (4 neighbours) away from other tissue, so that partial volume stays out, and REMOTE_GAP_PIXELS from a
    lesion of the same slice.
    """
    wall = structure_mask(label, "lv_myocardium")
    healthy = code_mask(label, "myocardium")
    near = ndimage.binary_dilation(wall & ~healthy, structure=_IN_PLANE, iterations=REMOTE_GAP_PIXELS)
    return eroded(wall, 1) & healthy & ~near


def blood_region(label: np.ndarray) -> np.ndarray:
    """LV blood (X, Y, S), bool, two pixels away from other tissue."""
    return eroded(structure_mask(label, "lv_blood_pool"), 2)


def infarct_region(label: np.ndarray) -> np.ndarray:
    """Hyperenhanced infarct (X, Y, S), bool: no-reflow left out, one pixel away from what is not wall."""
    return eroded(structure_mask(label, "lv_myocardium"), 1) & code_mask(label, "infarct")


def with_infarct(label: np.ndarray, infarct: np.ndarray) -> np.ndarray:
    """The label map with another infarct, for volumes, transmurality and segments of a thresholded image.

    Args:
        label: (X, Y, S), disk codes. infarct: (X, Y, S), bool; what lies outside the LV wall is ignored.
    """
    wall = structure_mask(label, "lv_myocardium")
    names = conventions.LABEL_NAMES
    changed = np.where(wall, names.index("myocardium"), label)
    return np.where(wall & infarct, names.index("infarct"), changed).astype(np.uint8)


def eroded(mask: np.ndarray, pixels: int) -> np.ndarray:
    """The mask (X, Y, S) without its border in each slice."""
    return ndimage.binary_erosion(mask, structure=_IN_PLANE, iterations=pixels)


def require_grid(image: np.ndarray, **others: np.ndarray | None) -> None:
    """Raises DataError when an array is not (X, Y, S) on the grid of ``image``."""
    for name, other in others.items():
        if np.ndim(image) != 3 or (other is not None and np.shape(other) != np.shape(image)):
            shape = np.shape(image if other is None else other)
            raise DataError(
                f"{name}: found shape {shape} for an image of shape {np.shape(image)}, expected one grid (X, Y, S). "
                "Fix: resample both to the grid of the image."
            )


def values(image: np.ndarray, mask: np.ndarray, name: str, smallest: int = SMALLEST_REGION) -> np.ndarray:
    """Grey levels (n,), float64, of a region.

    Raises:
        NotMeasurable: the region is smaller than ``smallest`` pixels, or holds NaN or infinite values.
    """
    found = np.asarray(image)[mask].astype(np.float64)
    if found.size < smallest:
        raise NotMeasurable(f"{name}: {found.size} pixels away from other tissue, at least {smallest} are needed")
    if not np.isfinite(found).all():
        raise NotMeasurable(f"{name}: {int((~np.isfinite(found)).sum())} of {found.size} pixels are NaN or infinite")
    return found
