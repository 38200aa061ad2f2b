"""Deterministic NIfTI files: the same array, affine and texts give the same bytes."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

from .. import conventions

SHEAR_TOLERANCE_MM = 1e-3
_GZIP_CONTAINER = 31  # zlib's window bits of a gzip file with the largest window


class Packing(NamedTuple):
    """How hard a file is packed: zlib's level, memory level and strategy."""

    level: int
    memory: int = zlib.DEF_MEM_LEVEL
    strategy: int = zlib.Z_DEFAULT_STRATEGY


# Level 4: a tenth of level 9's time on noise-like images, for files a few percent larger.
SMALL = Packing(4)
FAST = Packing(1)
# Run-length matches only: noise has no others, and finding that out takes a third of the time.
RUN_LENGTHS = Packing(1, 9, zlib.Z_RLE)


class TimeAxis(NamedTuple):
    """The fourth axis: "sec" or "msec", and the time between two phases where it is known."""

    unit: str
    step: float | None = None


def nifti_bytes(volume: np.ndarray, affine: np.ndarray) -> bytes:
    """A .nii.gz file of a result, (X, Y, S), on the grid of ``affine`` (4, 4), mm; it says that it is synthetic.

    The s-form is the affine itself. The q-form repeats it when it can (no shear), else it is marked unknown (code 0)
    rather than left to contradict.
    """
    image = nifti_image(volume, affine, conventions.DISCLAIMER)
    if not np.allclose(image.get_qform(), affine, atol=SHEAR_TOLERANCE_MM):
        image.set_qform(affine, code="unknown")
    return packed(image, SMALL)


def says_synthetic(path: str | Path) -> bool:
    """Whether a NIfTI file says of itself what nifti_bytes writes into one: that its image was not acquired.

    Files of other kinds say nothing, nor do those that another program wrote anew.
    """
    try:
        header = nib.load(path).header
    except (ImageFileError, OSError):
        return False
    if not isinstance(header, nib.Nifti1Header):  # of NIfTI-2 too
        return False
    return bytes(header["descrip"].item()).startswith(conventions.DISCLAIMER.partition(".")[0].encode("ascii"))


def nifti_image(
    volume: np.ndarray, affine: np.ndarray, description: str, time: TimeAxis | None = None
) -> nib.Nifti1Image:
    """An image in mm whose s-form and q-form are ``affine``, codes "scanner".

    Args:
        volume: (X, Y, S) or (X, Y, S, phase).
        affine: (4, 4), voxel index to mm, RAS; the q-form leaves out a shear.
        description: ASCII, cut to 79 characters.
        time: unit and step of the fourth axis.
    """
    image = nib.Nifti1Image(np.ascontiguousarray(volume), None)
    image.header.set_data_dtype(volume.dtype)
    image.header.set_xyzt_units("mm", None if time is None else time.unit)
    image.header["descrip"] = description.encode("ascii")[:79]
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner")
    if time is not None and time.step is not None:
        image.header["pixdim"][4] = time.step
    return image


def packed(image: nib.Nifti1Image, packing: Packing) -> bytes:
    """The image as .nii.gz, without a time stamp."""
    packer = zlib.compressobj(packing.level, zlib.DEFLATED, _GZIP_CONTAINER, packing.memory, packing.strategy)
    return packer.compress(image.to_bytes()) + packer.flush()
