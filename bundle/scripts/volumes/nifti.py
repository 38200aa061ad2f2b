"""Reading of one NIfTI file into a checked array with its affine."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from .. import conventions
from .grids import Grid

# In-plane pixel sizes a cardiac MR stack can have; outside, the header's unit is wrong.
_PIXEL_MM = (0.2, 10.0)
_LARGEST_VOXELS = 2**31
# Optional in a datalist entry: {sequence: channel} where one file holds several sequences.
CHANNELS = "channels"
_NIFTI1_HEADER_BYTES, _NIFTI2_HEADER_BYTES = 348, 540
# What nibabel and what it stands on raise for a file that is none.
UNREADABLE = (ImageFileError, HeaderDataError, EOFError, zlib.error, ValueError, OverflowError, OSError)


class VolumeError(conventions.DataError):
    """A file cannot be read or does not hold an image."""

    stage = "read"


@dataclass(frozen=True)
class Volume:
    """One file: ``array`` (X, Y, S) or cine (X, Y, S, P) float32 with slope applied, and the grid its slices lie on."""

    array: np.ndarray
    grid: Grid
    warnings: tuple[str, ...] = field(default=())


def short_name(path: str | Path) -> str:
    """``subject/file``, the form in which messages and reports name a file."""
    return "/".join(Path(path).parts[-2:])


def read_volume(path: str | Path, phases: bool = False, is_label: bool = False, channel: int | None = None) -> Volume:
    """Reads and checks one NIfTI file.

    Args:
        path: .nii or .nii.gz.
        phases: True for cine, returned as (X, Y, S, P) with P = 1 for a 3-D file; others must be 3-D.
        is_label: a label may be constant.
        channel: index on the last axis, of a file that holds one sequence per channel; None: the whole file.
    Raises:
        VolumeError: missing, unreadable, truncated, wrong dimensions, NaN/Inf, constant, or impossible geometry.
    """
    name = short_name(path)
    if not Path(path).is_file():
        raise VolumeError(f"{name}: file not found. Fix: check the path in the dataset folder or dataset.json.")
    image, array = _load(path, name)
    if channel is not None:
        array = _channel(array, channel, name)
    array = _to_dimensions(array, 4 if phases else 3, name)
    finite = np.isfinite(array)
    if not finite.all():
        raise VolumeError(
            f"{name}: found {int((~finite).sum())} of {array.size} voxels NaN or infinite, expected finite numbers.\n"
            "Fix: export the file again; do not divide by zero or mask with NaN on the way."
        )
    if not is_label and array.min() == array.max():
        raise VolumeError(
            f"{name}: found one value ({float(array.flat[0]):g}) in all {array.size} voxels, expected an image.\n"
            "Fix: export the file again, or leave it out if the sequence was not acquired."
        )
    affine, warnings = _affine(image, array.shape, name)
    return Volume(array, Grid(name, tuple(array.shape[:3]), affine), warnings)


def _load(path: str | Path, name: str) -> tuple[nib.Nifti1Image, np.ndarray]:
    try:
        image = _open(path)
        if np.prod(image.shape, dtype=float) > _LARGEST_VOXELS:
            raise VolumeError(f"{name}: header announces {image.shape} voxels, more than any cine. Fix: export again.")
        if image.get_data_dtype().names:
            raise VolumeError(f"{name}: found colour voxels, expected grey values. Fix: export the series again.")
        array = np.asarray(image.dataobj, dtype=np.float32)
    except UNREADABLE as error:
        raise VolumeError(
            f"{name}: cannot be read as NIfTI; found {Path(path).stat().st_size} bytes ({_reason(error)}).\n"
            "Expected: a complete .nii or .nii.gz file.\nFix: copy or export it again; it may be truncated."
        ) from error
    return image, array


def _open(path: str | Path) -> nib.Nifti1Image:
    """Reads the whole file before decoding: nibabel stops at the last voxel and never sees gzip's checksum."""
    content = Path(path).read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    if len(content) < _NIFTI1_HEADER_BYTES:
        raise EOFError(f"{len(content)} bytes of content, a NIfTI header has {_NIFTI1_HEADER_BYTES}")
    is_nifti2 = _NIFTI2_HEADER_BYTES in (int.from_bytes(content[:4], order) for order in ("little", "big"))
    return (nib.Nifti2Image if is_nifti2 else nib.Nifti1Image).from_bytes(content)


def _reason(error: Exception) -> str:
    return " ".join(str(error).replace(" - could the file be damaged?", "").split())[:120] or type(error).__name__


def _channel(array: np.ndarray, channel: int, name: str) -> np.ndarray:
    """One channel of (X, Y, S, channels) or (X, Y, S, 1, channels), the two ways a NIfTI file holds them."""
    while array.ndim > 4 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim < 4 or not channel < array.shape[-1]:
        raise VolumeError(
            f"{name}: found shape {array.shape}, expected one channel per sequence on a fourth axis.\n"
            "Fix: write cine and T2-STIR as two channels, or as two files."
        )
    return array[..., channel]


def _to_dimensions(array: np.ndarray, dimensions: int, name: str) -> np.ndarray:
    """Drops trailing axes of length 1, adds slice and phase axes where the file leaves them out."""
    found = array.shape
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim == 2:
        array = array[..., None]
    if dimensions == 4 and array.ndim == 3:
        array = array[..., None]
    if array.ndim != dimensions or 0 in array.shape or min(array.shape[:2]) < 8:
        expected = "(x, y, slice) or (x, y, slice, phase)" if dimensions == 4 else "(x, y, slice)"
        raise VolumeError(
            f"{name}: found shape {found}, expected {expected} with at least 8 x 8 pixels.\n"
            "Fix: convert the short-axis stack again (one file per sequence, slices as third axis)."
        )
    return array


def _affine(image: nib.Nifti1Image, shape: tuple, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """sform if its code is above 0, else qform, else the header's pixel sizes; says so when it matters."""
    affine = np.array(image.affine, dtype=float)
    warnings = []
    sform, qform = image.get_sform(coded=True), image.get_qform(coded=True)
    if not sform[1] and not qform[1]:
        warnings.append(f"{name} has no orientation in its header (sform and qform code 0); axes taken as stored")
    elif sform[1] and qform[1] and not np.allclose(sform[0], qform[0], atol=1e-2):
        off = float(np.abs(sform[0] - qform[0]).max())
        warnings.append(f"{name}: sform and qform differ (up to {off:.2f}); sform is used")
    if shape[2] == 1 and np.linalg.norm(affine[:3, 2]) < 1e-6:
        affine[:3, 2] = np.cross(affine[:3, 0], affine[:3, 1])
        warnings.append(f"{name}: the single slice has no thickness in its header")
    pixel_mm = np.linalg.norm(affine[:3, :2], axis=0)
    regular = np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 1e-6
    if not regular or pixel_mm.min() < _PIXEL_MM[0] or pixel_mm.max() > _PIXEL_MM[1]:
        raise VolumeError(
            f"{name}: the header gives pixels of {np.round(pixel_mm, 4).tolist()} mm"
            f"{'' if regular else ' and an affine without volume'}, expected {_PIXEL_MM[0]:g} to {_PIXEL_MM[1]:g} mm.\n"
            "Fix: convert from DICOM again, so that the header holds spacing and orientation in mm."
        )
    return affine, tuple(warnings)
