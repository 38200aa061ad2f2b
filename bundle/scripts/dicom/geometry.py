"""Conversion between the DICOM frame (LPS) and a NIfTI affine (RAS); the only file that flips axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..conventions import DataError

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
COSINE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class StackGeometry:
    """A stack of parallel images in the DICOM patient frame (LPS, mm).

    ``row_cosines`` points along a row, towards increasing column index (array axis x); ``column_cosines`` points down a
    column, towards increasing row index (array axis y). ``spacing_mm`` is (between columns, between rows): the order of
    the array axes x, y, which is the reverse of DICOM PixelSpacing. ``position_mm`` is ImagePositionPatient of slice 0,
    the centre of its first pixel. ``slice_step_mm`` is the vector from one slice to the next.
    Source: DICOM PS3.3 C.7.6.2.1.1, equation C.7.6.2.1-1.
    """

    row_cosines: np.ndarray
    column_cosines: np.ndarray
    position_mm: np.ndarray
    spacing_mm: tuple[float, float]
    slice_step_mm: np.ndarray


def affine_from_stack(stack: StackGeometry) -> np.ndarray:
    """NIfTI affine (4, 4), float64, voxel (x, y, slice) -> RAS mm.

    Raises:
        DataError: the cosines are not orthonormal, a spacing is not positive, or the slice step lies in the
            image plane.
    """
    row = np.asarray(stack.row_cosines, dtype=np.float64)
    column = np.asarray(stack.column_cosines, dtype=np.float64)
    step = np.asarray(stack.slice_step_mm, dtype=np.float64)
    _check_orthonormal(row, column)
    if min(stack.spacing_mm) <= 0:
        raise DataError(
            f"pixel spacing: found {tuple(stack.spacing_mm)} mm, expected two positive numbers. "
            "Fix: read PixelSpacing of the series again."
        )
    if abs(float(np.cross(row, column) @ step)) < COSINE_TOLERANCE:
        raise DataError(
            f"slice step: found {step.tolist()} mm, expected a vector out of the image plane. "
            "Fix: give the difference of ImagePositionPatient between neighbouring slices."
        )
    lps = np.eye(4)
    lps[:3, 0] = row * stack.spacing_mm[0]
    lps[:3, 1] = column * stack.spacing_mm[1]
    lps[:3, 2] = step
    lps[:3, 3] = np.asarray(stack.position_mm, dtype=np.float64)
    return LPS_TO_RAS @ lps


def stack_from_affine(affine: np.ndarray) -> StackGeometry:
    """The inverse of ``affine_from_stack``.

    Raises:
        DataError: the affine is not (4, 4), or its x and y columns are zero or not orthogonal (DICOM has no shear).
    """
    affine = np.asarray(affine, dtype=np.float64)
    if affine.shape != (4, 4):
        raise DataError(f"affine: found shape {affine.shape}, expected (4, 4). Fix: pass the affine of a NIfTI image.")
    lps = LPS_TO_RAS @ affine
    spacing = np.linalg.norm(lps[:3, :2], axis=0)
    if spacing.min() <= 0:
        raise DataError(
            f"affine: found in-plane spacing {spacing.tolist()} mm, expected two positive numbers. "
            "Fix: repair the header of the image."
        )
    row, column = lps[:3, 0] / spacing[0], lps[:3, 1] / spacing[1]
    _check_orthonormal(row, column)
    return StackGeometry(row, column, lps[:3, 3].copy(), (float(spacing[0]), float(spacing[1])), lps[:3, 2].copy())


def _check_orthonormal(row: np.ndarray, column: np.ndarray) -> None:
    if row.shape != (3,) or column.shape != (3,):
        raise DataError(
            f"image orientation: found shapes {row.shape} and {column.shape}, expected two vectors of 3. "
            "Fix: split ImageOrientationPatient into its first and last three values."
        )
    products = np.array([row @ row - 1.0, column @ column - 1.0, row @ column])
    if np.abs(products).max() > COSINE_TOLERANCE:
        raise DataError(
            f"image orientation: found row {row.tolist()} and column {column.tolist()}, expected unit "
            "vectors at a right angle. Fix: read ImageOrientationPatient of the series again."
        )
