"""In-plane interpolation, slice by slice."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def resample_planes(
    volume: np.ndarray, pixel_maps: np.ndarray, slices: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Linear interpolation of whole slices under one affine pixel map each.

    Args:
        volume: (X, Y, Z) float.
        pixel_maps: (S, 3, 3), output pixel (i, j, 1) -> pixel (x, y, 1) of ``volume``.
        slices: (S,) slice of ``volume`` read for each output slice; -1 gives an empty slice.
        shape: (I, J) of the output.
    Returns:
        float32 (I, J, S), 0 outside the field of view, and bool (I, J, S), True inside it. The field of view ends half
        a pixel beyond the outer pixel centres; there the edge value continues.
    """
    out = np.zeros((*shape, len(slices)), dtype=np.float32)
    inside = np.zeros(out.shape, dtype=bool)
    view, view_map = None, None
    for s, (pixel_map, source) in enumerate(zip(pixel_maps, slices, strict=True)):
        if source < 0:
            continue
        plane = np.ascontiguousarray(volume[:, :, source], dtype=np.float32)
        values = ndimage.affine_transform(
            plane, pixel_map[:2, :2], pixel_map[:2, 2], shape, order=1, mode="nearest", prefilter=False
        )
        # All slices of a subject mostly share one map; finding the field of view costs as much as interpolating.
        if view is None or view_map is None or not np.array_equal(pixel_map, view_map):
            view, view_map = field_of_view(pixel_map, plane.shape, shape), pixel_map
        inside[:, :, s] = view
        out[:, :, s] = np.where(view, values, 0)
    return out, inside


def field_of_view(pixel_map: np.ndarray, source_shape: tuple[int, int], shape: tuple[int, int]) -> np.ndarray:
    """bool (I, J): output pixels whose centre lies inside the source plane."""
    i, j = np.arange(shape[0])[:, None], np.arange(shape[1])[None, :]
    inside = np.ones(shape, dtype=bool)
    for axis, size in enumerate(source_shape):
        position = pixel_map[axis, 0] * i + pixel_map[axis, 1] * j + pixel_map[axis, 2]
        # 1e-6 pixel: rounding of the affine must not decide over a whole edge row.
        inside &= (position >= -0.5 - 1e-6) & (position <= size - 0.5 + 1e-6)
    return inside


def anti_alias(volume: np.ndarray, shrink: tuple[float, float]) -> np.ndarray:
    """Gaussian blur before sampling ``shrink`` times coarser; sigma (shrink - 1) / 2 as scikit-image resize."""
    sigma = [max(0.0, (factor - 1) / 2) for factor in shrink]
    if max(sigma) < 0.1:
        return volume
    return ndimage.gaussian_filter(volume.astype(np.float32), (*sigma, 0), mode="nearest")
