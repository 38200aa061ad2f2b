"""Sizes that no heart and no short-axis stack has: most often the voxel size in a header is wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..conventions import MYOCARDIAL_DENSITY_G_PER_ML
from .quality import Flag
from .volumes import slices_with, structure_mask

# Short-axis stacks of cardiac MR: pixels of 1-2 mm, 6-12 mm from slice to slice, 300-400 mm field of view (Kramer et
# al., JCMR 2020;22:17); three slices in a ventricle lie 20 mm apart. Below 3 mm only volumes are acquired, which then
# are as long as a ventricle.
PIXEL_MM = (0.5, 3.0)
PITCH_MM = (3.0, 25.0)
VOLUME_LENGTH_MM = 50.0
FIELD_OF_VIEW_MM = (80.0, 600.0)
# Adults, healthy or with the largest hearts seen in cardiomyopathy: reference ranges of Kawel-Boehm et al., JCMR
# 2020;22:87 (wall 50-220 g, blood pool at end-diastole 80-260 ml), widened for end-systole and disease.
WALL_G = (30.0, 400.0)
BLOOD_POOL_ML = (30.0, 600.0)
# Outer diameter of the LV in the slice where it is largest: 50-80 mm in the same tables, widened likewise. The crop
# the network sees is 144 mm wide.
DIAMETER_MM = (35.0, 130.0)
_ROUNDING = 1e-3
# Part of a ventricle has no size to judge: fewer slices with wall than these may be a part.
WHOLE_VENTRICLE_SLICES = 5


def grid_flags(shape: Sequence[int], affine: np.ndarray) -> list[Flag]:
    """What a grid (X, Y, S) with its voxel-to-mm matrix (4, 4) shows by itself, in a fixed order."""
    affine = np.asarray(affine, dtype=np.float64)
    size_mm = np.linalg.norm(affine[:3, :3], axis=0)
    found = [_pixel_flag(size_mm[:2]), _pitch_flag(float(size_mm[2]), int(shape[2]))]
    found += [_view_flag(size_mm[:2] * np.asarray(shape[:2])), _identity_flag(affine)]
    return [flag for flag in found if flag is not None]


def heart_flags(label: np.ndarray, affine: np.ndarray) -> list[Flag]:
    """Sizes of the LV in a label map (X, Y, S), disk codes, that no adult has; too small only for a whole ventricle."""
    with_wall = slices_with(label, "lv_myocardium")
    if not with_wall:
        return []
    matrix = np.asarray(affine, dtype=np.float64)[:3, :3]
    voxel_ml = abs(float(np.linalg.det(matrix))) / 1000
    pixel_mm2 = float(np.linalg.norm(np.cross(matrix[:, 0], matrix[:, 1])))
    wall, blood = structure_mask(label, "lv_myocardium"), structure_mask(label, "lv_blood_pool")
    pixels = (wall | blood).sum(axis=(0, 1)).max()
    sizes = [
        ("lv_mass", "the LV wall has", wall.sum() * voxel_ml * MYOCARDIAL_DENSITY_G_PER_ML, "g", WALL_G),
        ("lv_blood_pool", "the LV blood pool holds", blood.sum() * voxel_ml, "ml", BLOOD_POOL_ML),
        ("lv_diameter", "the LV measures", 2 * float(np.sqrt(pixels * pixel_mm2 / np.pi)), "mm across", DIAMETER_MM),
    ]
    whole = len(with_wall) >= WHOLE_VENTRICLE_SLICES
    found = []
    for name, what, value, unit, (low, high) in sizes:
        if value > high or (whole and 0 < value < low):
            text = f"{what} {value:.1f} {unit}, expected {low:g} to {high:g} {unit} in an adult: check the voxel size"
            found.append(Flag(f"{name}_implausible", text))
    return found


def _pixel_flag(pixel_mm: np.ndarray) -> Flag | None:
    if _within(pixel_mm, PIXEL_MM):
        return None
    found = " x ".join(f"{mm:.3g}" for mm in pixel_mm)
    return Flag(
        "pixel_size_implausible",
        f"pixels of {found} mm, expected {PIXEL_MM[0]:g} to {PIXEL_MM[1]:g} mm: check the header",
    )


def _pitch_flag(pitch_mm: float, slices: int) -> Flag | None:
    is_volume = slices * pitch_mm >= VOLUME_LENGTH_MM and pitch_mm > 1.0
    if slices < 2 or _within(np.array([pitch_mm]), PITCH_MM) or (pitch_mm < PITCH_MM[0] and is_volume):
        return None
    text = f"{slices} slices {pitch_mm:.3g} mm apart, expected {PITCH_MM[0]:g} to {PITCH_MM[1]:g} mm: check the header"
    return Flag("slice_distance_implausible", text)


def _view_flag(view_mm: np.ndarray) -> Flag | None:
    low, high = FIELD_OF_VIEW_MM
    if _within(view_mm, FIELD_OF_VIEW_MM):
        return None
    found = " x ".join(f"{mm:.0f}" for mm in view_mm)
    text = f"a field of view of {found} mm, expected {low:g} to {high:g} mm: a heart would be too small or too large"
    return Flag("field_of_view_implausible", text + " for the crop; check the header")


def _identity_flag(affine: np.ndarray) -> Flag | None:
    if not np.allclose(np.abs(affine[:3, :3]), np.eye(3), atol=1e-6):
        return None
    return Flag("identity_affine", "the header gives voxels of 1 x 1 x 1 mm along the axes, as where none is known")


def _within(found: np.ndarray, limits: tuple[float, float]) -> bool:
    return bool(found.min() >= limits[0] * (1 - _ROUNDING) and found.max() <= limits[1] * (1 + _ROUNDING))
