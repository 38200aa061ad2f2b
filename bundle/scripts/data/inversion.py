"""Owns the way back: network crops to the cine grid, voxel for voxel; the way there is preprocessing.py."""

from __future__ import annotations

import numpy as np
from monai.utils import convert_to_numpy

from .resampling import resample_planes


def image_to_cine_grid(crop: np.ndarray, crop_to_cine: np.ndarray, cine_shape) -> np.ndarray:
    """Crops back on the cine grid, linear in plane.

    Args:
        crop: (C, I, J, S) numpy or torch, any range.
        crop_to_cine: (S, 3, 3), crop pixel (i, j, 1) -> cine voxel (x, y, 1), from the subject-level item.
        cine_shape: (X, Y, S).
    Returns:
        float32 (C, X, Y, S) numpy; 0 outside the crop.
    Raises:
        ValueError: the slice counts disagree.
    """
    crop, shape = convert_to_numpy(crop), tuple(int(n) for n in cine_shape)
    cine_to_crop = np.linalg.inv(np.asarray(convert_to_numpy(crop_to_cine), dtype=float))
    if not crop.shape[-1] == shape[2] == len(cine_to_crop):
        raise ValueError(f"crop has {crop.shape[-1]} slices, crop_to_cine {len(cine_to_crop)}, cine_shape {shape[2]}")
    slices = np.arange(shape[2])
    return np.stack([resample_planes(channel, cine_to_crop, slices, shape[:2])[0] for channel in crop])


def probabilities_to_label(probabilities: np.ndarray, crop_to_cine: np.ndarray, cine_shape) -> np.ndarray:
    """Class probabilities (K, I, J, S) of the crop -> uint8 (X, Y, S) on the cine grid.

    The probabilities are interpolated, then the largest wins, so that class borders stay smooth; outside the crop 0.
    """
    return image_to_cine_grid(probabilities, crop_to_cine, cine_shape).argmax(axis=0).astype(np.uint8)
