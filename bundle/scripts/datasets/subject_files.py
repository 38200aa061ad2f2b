"""Files of one subject as a folder of layout 1 holds them, from a subject of any layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np

from ..conventions import LABEL
from ..volumes.entry_files import CINE_FRAMES
from ..volumes.grids import Grid
from ..volumes.nifti import UNREADABLE
from ..volumes.nifti_writing import SMALL, TimeAxis, packed, placed_image
from ..volumes.reading import CHANNELS
from ..volumes.volume import Volume
from .layout import image_suffix

_SAME_PLACE_MM = 1e-3
_NIFTI = (".nii", ".nii.gz")


def own_file(entry: Mapping[str, Any], key: str, volume: Volume) -> tuple[str, bytes]:
    """Suffix and bytes of the source's file as it is; a new one where its header does not place what was read.

    Args:
        entry: of a datalist. key: cine, t2_stir, lge or label. volume: what was read for it.
    """
    path = Path(entry[key])
    if not _several(entry, key) and key not in entry.get(CHANNELS, {}) and _header_agrees(path, volume.grid):
        return image_suffix(path.name).lower(), path.read_bytes()
    return written_file(entry, key, volume)


def written_file(entry: Mapping[str, Any], key: str, volume: Volume) -> tuple[str, bytes]:
    """Suffix and bytes of a new NIfTI file; the time axis of a cine is that of the source. As ``own_file``."""
    time = _time_axis(Path(entry[key])) if key == "cine" and not _several(entry, key) else None
    return ".nii.gz", nifti_file(volume.array, volume.grid.affine, key, time)


def nifti_file(array: np.ndarray, affine: np.ndarray, key: str, time: TimeAxis | None = None, text: str = "") -> bytes:
    """A .nii.gz file; whole numbers that fit are stored as such. A q-form that would contradict is marked unknown.

    Args:
        text: what the header says of the image; ``key`` where it is empty.
    """
    if key != LABEL and np.array_equal(array, np.rint(array)) and np.abs(array).max() < np.iinfo(np.int16).max:
        array = array.astype(np.int16)
    return packed(placed_image(array, affine, text or key, time), SMALL)


def _several(entry: Mapping[str, Any], key: str) -> bool:
    return key == "cine" and CINE_FRAMES in entry


def _header_agrees(path: Path, grid: Grid) -> bool:
    """Whether a NIfTI file's header places the array as it was read, so that the file can be taken as it is."""
    if image_suffix(path.name).lower() not in _NIFTI:
        return False
    try:
        image = cast(nib.Nifti1Image, nib.load(path))
    except UNREADABLE:
        # a compressed file with the name of an uncompressed one, or the other way about
        return False
    same = image.shape[:3] == tuple(grid.shape)
    return same and bool(np.allclose(image.affine, grid.affine, atol=_SAME_PLACE_MM))


def _time_axis(path: Path) -> TimeAxis | None:
    """The fourth axis as the header of a NIfTI file has it."""
    if image_suffix(path.name).lower() not in _NIFTI:
        return None
    try:
        header = cast(nib.Nifti1Image, nib.load(path)).header
    except UNREADABLE:
        return None
    unit, step = header.get_xyzt_units()[1], float(header["pixdim"][4])
    return TimeAxis(unit, step) if unit in ("sec", "msec") and step > 0 else None
