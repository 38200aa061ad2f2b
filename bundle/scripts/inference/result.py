"""The content of one subject's result: checked arrays and the numbers of result.json."""

from __future__ import annotations

import numpy as np

from .. import conventions
from ..conventions import DataError
from . import outputs
from .subject_item import SubjectItem

SCHEMA_VERSION = 1

RANGE_TOLERANCE = 1e-3


def checked_volumes(item: SubjectItem) -> dict[str, np.ndarray]:
    """The arrays to be written, (X, Y, S) by kind of file, checked in range and type.

    Raises:
        DataError: empty, not finite, out of range, not on one grid, or an unknown label code.
    """
    volumes = {outputs.VIRTUAL_LGE: _checked_image(item, "virtual_lge")}
    for kind, key in ((outputs.INFARCT_PROBABILITY, "infarct_probability"), (outputs.UNCERTAINTY, "uncertainty")):
        if key in item:
            volumes[kind] = _checked_image(item, key)
    label, last_code = item.array("label_map", 3), len(conventions.LABEL_NAMES) - 1
    if not np.isin(label, range(last_code + 1)).all():
        raise DataError(f"{item.subject}: label_map holds codes {np.unique(label)}, expected 0..{last_code}.")
    volumes[outputs.LABEL] = label.astype(np.uint8)
    shapes = {kind: volume.shape for kind, volume in volumes.items()}
    if len(set(shapes.values())) > 1:
        raise DataError(f"{item.subject}: results lie on different grids {shapes}, expected the cine grid for all.")
    return volumes


def _checked_image(item: SubjectItem, key: str) -> np.ndarray:
    image, (low, high) = item.array(key, 3).astype(np.float32), conventions.INTENSITY_RANGE
    if image.size == 0:
        raise DataError(f"{item.subject}: {key} has shape {image.shape}, expected at least one slice.")
    bad = int((~np.isfinite(image)).sum())
    if bad:
        raise DataError(f"{item.subject}: {key} holds {bad} NaN or infinite voxels, expected none.")
    if image.min() < low - RANGE_TOLERANCE or image.max() > high + RANGE_TOLERANCE:
        found = f"{image.min():.4g}..{image.max():.4g}"
        raise DataError(f"{item.subject}: {key} is in {found}, expected {low:g}..{high:g}.")
    return np.clip(image, low, high)
