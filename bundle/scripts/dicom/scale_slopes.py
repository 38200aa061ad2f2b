"""The scale of an image's values: rescale slope, and the private scale slope of Philips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from pydicom.dataset import Dataset

# (2005,xx0E), FL, "scale slope", of MR images and of each frame of enhanced ones, where it is an item of (2005,xx0F) of
# another block. Floating point value FP = DV / (RS * SS), with DV = PV * RS + RI: Chenevert et al., Transl Oncol
# 2014;7:65.
_GROUP, _CREATOR, _SCALE_SLOPE = 0x2005, "Philips MR Imaging DD 001", 0x0E
_FRAME_CREATOR, _FRAME_ITEM = "Philips MR Imaging DD 005", 0x0F


def rescale_headers(dataset: Dataset) -> list[Dataset]:
    """What holds RescaleSlope and RescaleIntercept of each frame: enhanced images keep them per frame, or shared."""
    groups = dataset.get("PerFrameFunctionalGroupsSequence")
    if not groups:
        return [dataset]
    shared = dataset.get("SharedFunctionalGroupsSequence")
    common = shared[0].get("PixelValueTransformationSequence") if shared else None
    found = [group.get("PixelValueTransformationSequence") or common for group in groups]
    return [items[0] if items else Dataset() for items in found]


def scale_slopes(dataset: Dataset, headers: Sequence[Dataset]) -> list[float | None]:
    """RS * SS of each frame: by how much its values are larger than Philips' own; None where there is no SS.

    0 where RescaleSlope is 0, whatever the vendor.
    """
    slopes = [_number(header.get("RescaleSlope")) for header in headers]
    private: list[float | None] = [None] * len(headers)
    if "philips" in str(dataset.get("Manufacturer", "")).lower():
        groups = dataset.get("PerFrameFunctionalGroupsSequence") or [dataset]
        private = [_private(group) for group in groups]
    return [_product(slope, own) for slope, own in zip(slopes, private, strict=True)]


def _product(slope: float | None, own: float | None) -> float | None:
    if slope == 0:
        return 0.0
    return None if not own or own < 0 else own * abs(1.0 if slope is None else slope)


def _private(group: Dataset) -> float | None:
    return next((value for item in _holders(group) if (value := _number(_element(item)))), None)


def _holders(group: Dataset) -> Iterator[Dataset]:
    """The dataset or functional group itself, and the item of Philips' own in it."""
    yield group
    try:
        yield group.private_block(_GROUP, _FRAME_CREATOR)[_FRAME_ITEM].value[0]
    except (KeyError, IndexError, TypeError):
        return


def _element(item: Dataset) -> object:
    try:
        return item.private_block(_GROUP, _CREATOR)[_SCALE_SLOPE].value
    except (KeyError, AttributeError):
        return None


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None
