"""Reading of one image file, NIfTI, NRRD or MetaImage, into a checked array with its affine."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .axes import moved_axis, slice_axis, slices_last
from .file_grid import FileGrid
from .grids import Grid
from .itk_images import ITK_FORMATS, read_itk_image
from .nifti import read_nifti
from .slice_files import files_of_series, is_series, read_series
from .volume import MEMORY_GB, PIXEL_MM, Stored, Volume, VolumeError, short_name

# How the name of a file ends that can be read, in the order in which they are looked for.
SUFFIXES = (".nii.gz", ".nii", *ITK_FORMATS)
# Optional in a datalist entry: {sequence: channel} where one file holds several sequences.
CHANNELS = "channels"


def read_volume(
    path: str | Path,
    phases: bool = False,
    is_label: bool = False,
    channel: int | None = None,
    memory_gb: float = MEMORY_GB,
) -> Volume:
    """Reads and checks one file; the same image gives the same Volume whatever its format and the order of its axes.

    Args:
        path: NIfTI (.nii.gz, .nii), NRRD (.nrrd, .nhdr) or MetaImage (.mha, .mhd); any other name is read as NIfTI.
            What slice_files.file_series gives stands for several files.
        phases: True for cine, returned as (X, Y, S, P) with P = 1 for a 3-D file; others must be 3-D.
        is_label: a label may be constant.
        channel: index on the last axis, of a file that holds one sequence per channel; None: the whole file.
        memory_gb: what the array may take; what a header announces is asked before anything is decompressed.
    Raises:
        VolumeError: missing, unreadable, too large, truncated, wrong dimensions, NaN/Inf, constant, or impossible
            geometry.
    """
    name = short_name(path)
    stored = _stored(Path(path), name, phases, memory_gb)
    array = stored.array if channel is None else _channel(stored.array, channel, name)
    array, stored_affine, axes = _slices_last(array, stored.affine, name)
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
    notes = (*stored.warnings, *moved_axis(axes, name))
    affine, warnings = _affine(stored_affine, notes, array.shape, name)
    file_grid = FileGrid(axes, stored.header or {})
    return Volume(array, Grid(name, tuple(array.shape[:3]), affine), warnings, file_grid)


def _stored(path: Path, name: str, phases: bool, memory_gb: float) -> Stored:
    if is_series(path) and not path.is_file():
        files = files_of_series(path, SUFFIXES)
        return read_series(files, lambda file: _stored(file, name, phases, memory_gb / len(files)), name)
    if not path.is_file():
        raise VolumeError(f"{name}: file not found. Fix: check the path in the dataset folder or dataset.json.")
    is_itk = path.suffix.lower() in ITK_FORMATS
    return read_itk_image(path, name, phases, memory_gb) if is_itk else read_nifti(path, name, memory_gb)


def _slices_last(
    array: np.ndarray, affine: np.ndarray, name: str
) -> tuple[np.ndarray, np.ndarray, tuple[int, int, int]]:
    """The array with its slices on the third axis; see axes.slices_last."""
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim not in (3, 4) or 0 in array.shape or not np.isfinite(affine).all():
        return array, affine, (0, 1, 2)
    return slices_last(array, affine, slice_axis(array.shape, affine, name))


def _channel(array: np.ndarray, channel: int, name: str) -> np.ndarray:
    """One channel of (X, Y, S, channels) or (X, Y, S, 1, channels), the two ways a NIfTI file holds them."""
    while array.ndim > 4 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim < 4 or not channel < array.shape[-1]:
        raise VolumeError(
            f"{name}: found shape {array.shape}, expected a fourth axis of at least {channel + 1}, of which number "
            f"{channel}, counted from 0, is wanted.\nFix: write cine and T2-STIR as two channels or as two files; for "
            "a label map, correct the phase that its data set names."
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
        more = f", {len(found)} axes" if array.ndim > 4 else ""
        raise VolumeError(
            f"{name}: found shape {found}{more}, expected {expected} with at least 8 x 8 pixels.\n"
            "Fix: convert the short-axis stack again (one file per sequence, slices as third axis)."
        )
    return array


def _affine(stored: np.ndarray, notes: tuple[str, ...], shape: tuple, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """The affine where it can be one of a cardiac stack, and what the reader should know about it."""
    affine, warnings = stored.copy(), list(notes)
    if shape[2] == 1 and np.linalg.norm(affine[:3, 2]) < 1e-6:
        affine[:3, 2] = np.cross(affine[:3, 0], affine[:3, 1])
        warnings.append(f"{name}: the single slice has no thickness in its header")
    pixel_mm = np.linalg.norm(affine[:3, :2], axis=0)
    regular = np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 1e-6
    if not regular or pixel_mm.min() < PIXEL_MM[0] or pixel_mm.max() > PIXEL_MM[1]:
        raise VolumeError(
            f"{name}: the header gives pixels of {np.round(pixel_mm, 4).tolist()} mm"
            f"{'' if regular else ' and an affine without volume'}, expected {PIXEL_MM[0]:g} to {PIXEL_MM[1]:g} mm.\n"
            "Fix: convert from DICOM again, so that the header holds spacing and orientation in mm."
        )
    return affine, tuple(warnings)
