"""Deterministic NIfTI files: the same array, affine and texts give the same bytes."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

from .. import conventions

SHEAR_TOLERANCE_MM = 1e-3
# Where a NIfTI header places its voxels, but for pixdim and the unit of length.
_CODES = ("sform_code", "qform_code")
_ROWS = ("srow_x", "srow_y", "srow_z")
_QFORM = ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")
_PIXDIM, _UNIT = "pixdim", "length_unit"
_UNIT_BITS = 0x07  # of xyzt_units; the others are the unit of time
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


def nifti_bytes(volume: np.ndarray, affine: np.ndarray, geometry: Mapping[str, list | float] | None = None) -> bytes:
    """A .nii.gz file of a result, (X, Y, S), on the grid of ``affine`` (4, 4), mm; it says that it is synthetic.

    Args:
        geometry: ``geometry_fields`` of the file it belongs to. The result has the same s-form, q-form, codes and
            pixel sizes, so that a program that prefers one of them puts both in one place. Without: the s-form is the
            affine, the q-form repeats it when it can (no shear), else it is marked unknown (code 0).
    """
    image = placed_image(volume, affine, conventions.DISCLAIMER)
    if geometry and not _same_geometry(geometry_fields(image.header), geometry):
        # a new image: one with an affine would write that over the header's forms
        image = nib.Nifti1Image(image.dataobj, None, _with_geometry(image.header, geometry))
    return packed(image, SMALL)


def geometry_fields(header: nib.Nifti1Header) -> dict[str, list | float]:
    """The fields of a header that place its voxels, as numbers and lists."""
    fields: dict[str, list | float] = {name: int(header[name]) for name in _CODES}
    fields |= {name: float(header[name]) for name in _QFORM}
    fields |= {name: np.asarray(header[name], dtype=float).tolist() for name in _ROWS}
    fields[_PIXDIM] = np.asarray(header["pixdim"][:4], dtype=float).tolist()
    fields[_UNIT] = int(header["xyzt_units"]) & _UNIT_BITS
    return fields


def _same_geometry(ours: Mapping[str, list | float], theirs: Mapping[str, list | float]) -> bool:
    """Whether two headers differ by rounding at most: the bytes of a result are not to follow that of its source."""
    if any(ours[name] != theirs[name] for name in (*_CODES, _UNIT)):
        return False
    return all(np.allclose(ours[name], theirs[name], rtol=1e-5, atol=1e-5) for name in (*_QFORM, *_ROWS, _PIXDIM))


def _with_geometry(header: nib.Nifti1Header, fields: Mapping[str, list | float]) -> nib.Nifti1Header:
    header = header.copy()
    for name in (*_CODES, *_QFORM, *_ROWS):
        header[name] = fields[name]
    header["pixdim"][:4] = fields[_PIXDIM]
    header["xyzt_units"] = int(header["xyzt_units"]) & ~_UNIT_BITS | int(np.asarray(fields[_UNIT]))
    return header


def placed_image(
    volume: np.ndarray, affine: np.ndarray, description: str, time: TimeAxis | None = None
) -> nib.Nifti1Image:
    """``nifti_image`` whose q-form is unknown (code 0) where the affine is sheared, which no q-form says."""
    image = nifti_image(volume, affine, description, time)
    if not np.allclose(image.get_qform(), affine, atol=SHEAR_TOLERANCE_MM):
        image.set_qform(affine, code="unknown")
    return image


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
