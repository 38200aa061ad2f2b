"""The slice axis of a stack: the one with the large step and few positions, wherever a file has it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .volume import VolumeError

# The slice axis by its step: at least twice both others, which are equal to a quarter, as pixels are. By its number of
# positions: at most a third of both others. Short-axis cine: 1-2 mm pixels, 6-12 mm from slice to slice (Kramer et al.,
# JCMR 2020;22:17), 8-14 slices of 150-300 pixels.
_COARSER, _PIXELS_DIFFER, _FEWER = 2.0, 0.25, 3
# A plane of fewer pixels shows no heart; a last axis longer than that is one of the plane's.
_SMALLEST_PLANE = 48
_ORDINAL = ("first", "second", "third")


def slice_axis(shape: Sequence[int], affine: np.ndarray, name: str) -> int:
    """Axis 0, 1 or 2 of a file that counts its slices.

    Args:
        shape: (n, n, n) or, with phases, (n, n, n, P).
        affine: (4, 4), voxel to mm.
        name: what messages call the file.
    Raises:
        VolumeError: header and shape contradict, or the shape says so and the header gives no step to tell by.
    """
    _refuse_reversed(shape, name)
    size_mm = np.linalg.norm(affine[:3, :3], axis=0)
    coarse, few = _coarse_axis(size_mm), _short_axis(shape[:3])
    if few is None or few == coarse:
        return 2 if coarse is None else coarse
    if coarse is None and (few == 2 or shape[few] == 1):
        return few
    sizes = " x ".join(f"{mm:.4g}" for mm in size_mm)
    if coarse is None:
        raise VolumeError(
            f"{name}: found shape {tuple(shape)} with voxels of {sizes} mm: the {_ORDINAL[few]} axis seems to count "
            f"the slices, and the header gives no slice distance to tell.\nExpected: (x, y, slice), or a header with "
            f"the slice distance.\nFix: move the {_ORDINAL[few]} axis last, or convert from DICOM again; arrays of "
            "SimpleITK are (slice, y, x)."
        )
    raise VolumeError(
        f"{name}: found shape {tuple(shape)} with voxels of {sizes} mm: by its length the {_ORDINAL[few]} axis counts "
        f"the slices, by the header the {_ORDINAL[coarse]}.\nExpected: few slices along the axis of the large step.\n"
        "Fix: give the voxel sizes in the order of the axes, or convert from DICOM again."
    )


def slices_last(
    array: np.ndarray, affine: np.ndarray, axis: int
) -> tuple[np.ndarray, np.ndarray, tuple[int, int, int]]:
    """Moves ``axis`` to the third place, the others keep their order.

    Returns:
        array and affine (4, 4) in the new order, and the axis of the file that each of x, y, slice was.
    """
    order = [other for other in range(3) if other != axis] + [axis]
    if axis == 2:
        return array, affine, (0, 1, 2)
    return array.transpose([*order, *range(3, array.ndim)]), affine[:, [*order, 3]], (order[0], order[1], order[2])


def moved_axis(axes: tuple[int, int, int], name: str) -> tuple[str, ...]:
    """A line for the reader where the slices were not last; ``axes`` as ``slices_last`` gives them."""
    return (
        () if axes[2] == 2 else (f"{name}: slices are on the {_ORDINAL[axes[2]]} axis of the file and read from there",)
    )


def _coarse_axis(size_mm: np.ndarray) -> int | None:
    axis = int(np.argmax(size_mm))
    pixels = np.delete(size_mm, axis)
    clear = size_mm[axis] >= _COARSER * pixels.max() and pixels.max() <= (1 + _PIXELS_DIFFER) * pixels.min()
    return axis if clear else None


def _short_axis(shape: Sequence[int]) -> int | None:
    # the last of equals: of (1, 8, 1) the third
    axis = 2 - int(np.argmin(shape[::-1]))
    return axis if _FEWER * shape[axis] <= min(n for k, n in enumerate(shape) if k != axis) else None


def _refuse_reversed(shape: Sequence[int], name: str) -> None:
    """A file stored (phase, slice, y, x), or with the phases anywhere but last: its last axis is one of the plane's."""
    plane = sorted(shape[:3])[1]
    if len(shape) > 3 and plane < _SMALLEST_PLANE and _FEWER * plane <= shape[3]:
        raise VolumeError(
            f"{name}: found shape {tuple(shape)}: the fourth axis is longer than a plane of the stack, so that the "
            "phases are not on it.\nExpected: (x, y, slice, phase).\n"
            "Fix: reverse the order of the axes (arrays of SimpleITK are (phase, slice, y, x))."
        )
