"""Slices of one stack whose images have another number of pixels, on one grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .headers import Frame

# How far a pixel may lie from the grid's, as much as slices may deviate from even spacing.
_TOLERANCE_MM = 0.2


def whole_pixels(frame: Frame, stack: Sequence[Frame]) -> tuple[int, int] | None:
    """Where the first pixel of ``frame`` lies on the grid of ``stack``, in pixels along x and y; None between pixels.

    Args:
        stack: parallel frames of one matrix and the pixel size of ``frame``, at least one.
    """
    row, column = frame.orientation[:3], frame.orientation[3:]
    normal = np.cross(row, column)
    depth = [float(normal @ one.position_mm) for one in stack]
    first, last = stack[int(np.argmin(depth))], stack[int(np.argmax(depth))]
    span = max(depth) - min(depth)
    step = (last.position_mm - first.position_mm) / span if span > _TOLERANCE_MM else normal
    aside = frame.position_mm - first.position_mm - (float(normal @ frame.position_mm) - min(depth)) * step
    offsets = [float(aside @ axis) / size for axis, size in zip((row, column), frame.spacing_mm, strict=True)]
    whole = [round(offset) for offset in offsets]
    apart = max(abs(o - w) * size for o, w, size in zip(offsets, whole, frame.spacing_mm, strict=True))
    return (whole[0], whole[1]) if apart <= _TOLERANCE_MM else None


def on_grid(plane: np.ndarray, first: tuple[int, int], shape: tuple[int, int]) -> np.ndarray:
    """``plane`` (x, y) with its first pixel at ``first`` of a grid of ``shape``: cut, or filled with its darkest."""
    filled = np.full(shape, min(0.0, float(plane.min())), dtype=plane.dtype)
    low = [max(start, 0) for start in first]
    high = [min(start + size, whole) for start, size, whole in zip(first, plane.shape, shape, strict=True)]
    here = tuple(slice(*ends) for ends in zip(low, high, strict=True))
    there = tuple(slice(a - start, b - start) for a, b, start in zip(low, high, first, strict=True))
    if all(a < b for a, b in zip(low, high, strict=True)):
        filled[here] = plane[there]
    return filled
