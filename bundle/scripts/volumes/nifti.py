"""One NIfTI file as it is stored; its checks are reading.py."""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from .compression import beginning, decompressed
from .nifti_writing import geometry_fields
from .volume import MEMORY_GB, Stored, VolumeError, require_memory
from .voxel_size import Forms, affine_of_sform

_NIFTI1_HEADER_BYTES, _NIFTI2_HEADER_BYTES = 348, 540
# Compressed bytes that hold a header for certain.
_ENOUGH_FOR_A_HEADER = 2**17
# What may lie before and behind the voxels: extensions, and what a program adds.
_MOST_MORE_BYTES = 2**24
# What nibabel and what it stands on raise for a file that is none.
UNREADABLE = (ImageFileError, HeaderDataError, EOFError, zlib.error, ValueError, OverflowError, OSError)


def read_nifti(path: str | Path, name: str, memory_gb: float = MEMORY_GB) -> Stored:
    """Reads .nii or .nii.gz; ``name`` is what messages call it.

    Raises:
        VolumeError: unreadable, truncated, colour, or an array that takes more than ``memory_gb``.
    """
    image, array = _load(path, name, memory_gb)
    affine, warnings = _affine(image, name)
    return Stored(array, affine, warnings, geometry_fields(image.header))


def _load(path: str | Path, name: str, memory_gb: float) -> tuple[nib.Nifti1Image, np.ndarray]:
    try:
        image = _open(Path(path), name, memory_gb)
        if image.get_data_dtype().names:
            raise VolumeError(f"{name}: found colour voxels, expected grey values. Fix: export the series again.")
        if image.get_data_dtype().kind == "c":
            raise VolumeError(
                f"{name}: found complex values, expected one grey value in each voxel.\n"
                "Fix: export the magnitude image, or the real part of a phase-sensitive one (PSIR)."
            )
        array = np.asarray(image.dataobj, dtype=np.float32)
    except UNREADABLE as error:
        raise VolumeError(
            f"{name}: cannot be read as NIfTI; found {Path(path).stat().st_size} bytes ({_reason(error)}).\n"
            "Expected: a complete .nii or .nii.gz file.\nFix: copy or export it again; it may be truncated."
        ) from error
    return image, array


def _open(path: Path, name: str, memory_gb: float) -> nib.Nifti1Image:
    """Reads the whole file before decoding: nibabel stops at the last voxel and never sees gzip's checksum."""
    with path.open("rb") as file:
        packed = file.read(_ENOUGH_FOR_A_HEADER)
        compressed = packed[:2] == b"\x1f\x8b"
        start = beginning(packed, _NIFTI2_HEADER_BYTES) if compressed else packed
        if len(start) < _NIFTI1_HEADER_BYTES:
            raise EOFError(f"{len(start)} bytes of content, a NIfTI header has {_NIFTI1_HEADER_BYTES}")
        is_nifti2 = _NIFTI2_HEADER_BYTES in (int.from_bytes(start[:4], order) for order in ("little", "big"))
        expected = _announced_bytes(start, is_nifti2, name, memory_gb)
        content = packed + file.read(int(expected) + _MOST_MORE_BYTES)
        if file.read(1):
            raise ValueError(f"more than the {int(expected)} bytes that the header announces")
    if compressed:
        content = decompressed(content, int(expected) + _MOST_MORE_BYTES)
    return (nib.Nifti2Image if is_nifti2 else nib.Nifti1Image).from_bytes(content)


def _announced_bytes(start: bytes, is_nifti2: bool, name: str, memory_gb: float) -> float:
    """What header and voxels take by the header at the ``start`` of a file; VolumeError where that is too much."""
    kind, size = (nib.Nifti2Header, _NIFTI2_HEADER_BYTES) if is_nifti2 else (nib.Nifti1Header, _NIFTI1_HEADER_BYTES)
    if len(start) < size:
        raise EOFError(f"{len(start)} bytes of content, a NIfTI header has {size}")
    header = kind(start[:size], check=False)
    try:
        shape, value_bytes = header.get_data_shape(), header.get_data_dtype().itemsize
    except KeyError as error:
        raise ValueError(f"values of unknown type {error}") from error
    require_memory(shape, name, memory_gb)
    offset = float(header["vox_offset"])
    if not 0 <= offset <= _MOST_MORE_BYTES:
        raise ValueError(f"voxels at byte {offset:g}")
    return offset + math.prod(map(float, shape)) * value_bytes


def _reason(error: Exception) -> str:
    return " ".join(str(error).replace(" - could the file be damaged?", "").split())[:120] or type(error).__name__


def _affine(image: nib.Nifti1Image, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """sform if its code is above 0, else qform, else the header's pixel sizes; says so when it matters."""
    sform, qform = image.get_sform(coded=True)[0], _qform(image)
    if sform is None and qform is None:
        warning = f"{name} has no orientation in its header (sform and qform code 0); axes taken as stored"
        return np.array(image.affine, dtype=float), (warning,)
    if sform is None:
        return np.array(qform, dtype=float), ()
    forms = Forms(sform, qform, np.asarray(image.header["pixdim"][1:4], dtype=float))
    n_slices = image.shape[2] if len(image.shape) > 2 else 1
    return affine_of_sform(np.array(sform, dtype=float), forms, n_slices, name)


def _qform(image: nib.Nifti1Image) -> np.ndarray | None:
    """None where it is not coded, or no rotation, which no reader could use."""
    try:
        return image.get_qform(coded=True)[0]
    except (ValueError, HeaderDataError):
        return None
