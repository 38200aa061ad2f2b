"""One NRRD or MetaImage file as it is stored, through MONAI's ITKReader; its checks are reading.py.

ITK's classes take 5 s of processor time and 0.4 GB of memory to load, once per process. They are loaded with the first
such file and never for NIfTI.
"""

from __future__ import annotations

import math
import re
import threading
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .compression import ZLIB, decompressed
from .volume import MEMORY_GB, Stored, VolumeError, require_memory

_NRRD, _META = "NRRD", "MetaImage"
# How the name of a file ends, and what it then is; .nhdr and .mhd are headers with the voxels in a file beside them.
ITK_FORMATS = {".nrrd": _NRRD, ".mha": _META, ".nhdr": _NRRD, ".mhd": _META}
_LONGEST_HEADER_BYTES = 2**18
# Of one value, which becomes a float32; and what may lie before and behind the voxels.
_LARGEST_VALUE_BYTES, _MOST_MORE_BYTES = 8, 2**24
_NRRD_END, _META_END = re.compile(rb"\r?\n\r?\n"), re.compile(rb"ElementDataFile\s*=[^\n]*\n?")
_NRRD_FIELD, _META_FIELD = re.compile(r"([\w ]+): *(.*)"), re.compile(r"(\w+)\s*=\s*(.*)")
_NRRD_COMPRESSED, _NRRD_PLAIN = ("gzip", "gz"), ("raw",)
_ORIENTATION = ("space directions", "TransformMatrix", "Rotation", "Orientation")
_SKIPS = ("line skip", "lineskip", "byte skip", "byteskip", "HeaderSize")
# ITK's classes are loaded with their first use, which two threads must not do at once.
_ONE_READER = threading.Lock()
# What ITK, its Python wrapping and the two decompressors raise for a file that is none.
_UNREADABLE = (RuntimeError, TypeError, ValueError, OverflowError, EOFError, OSError, zlib.error)


@dataclass(frozen=True)
class _Header:
    """``fields`` of the text at the start of a file, and the voxels behind it as bytes, None where nobody checks them.

    ``fields``: by their names in the file. ``voxels``: decompressed.
    """

    fields: dict[str, str]
    voxels: bytes | None

    @property
    def holds_phases(self) -> bool:
        """One axis of an NRRD file is a list of images, as 3D Slicer stores a sequence of them."""
        return "list" in self.fields.get("kinds", "").split()


def read_itk_image(path: str | Path, name: str, phases: bool = False, memory_gb: float = MEMORY_GB) -> Stored:
    """Reads .nrrd, .mha, or .nhdr and .mhd with the voxels in one file beside them.

    Args:
        name: what messages call the file.
        phases: a list of images in an NRRD file is taken as the phases of a cine, the last axis.
        memory_gb: what the array may take.
    Raises:
        VolumeError: unreadable, too large, truncated, damaged, several values per voxel, or voxels elsewhere than
            beside it.
    """
    suffix = Path(path).suffix
    kind = ITK_FORMATS[suffix.lower()]
    if kind == _META and suffix != suffix.lower():
        raise VolumeError(
            f"{name}: found the suffix {suffix}, expected {suffix.lower()}: ITK tells this format by small letters.\n"
            "Fix: rename the file."
        )
    try:
        header = _header(Path(path), kind, name, memory_gb)
        with _ONE_READER:
            is_list = _checked_layout(path, header, phases, name, memory_gb)
            array, affine = _voxels(path, is_list)
    except _UNREADABLE as error:
        raise VolumeError(
            f"{name}: cannot be read as {kind}; found {Path(path).stat().st_size} bytes ({_reason(error)}).\n"
            f"Expected: a complete {' or '.join(s for s, k in ITK_FORMATS.items() if k == kind)} file.\n"
            "Fix: copy or export it again, or convert it to NIfTI; it may be truncated."
        ) from error
    oriented = any(field in header.fields for field in _ORIENTATION)
    return Stored(
        array, affine, () if oriented else (f"{name} has no orientation in its header; axes taken as stored",)
    )


def _header(path: Path, kind: str, name: str, memory_gb: float) -> _Header:
    content = _read(path, memory_gb)
    if kind == _NRRD and not content.startswith(b"NRRD"):
        raise ValueError("it does not begin with NRRD")
    end = (_NRRD_END if kind == _NRRD else _META_END).search(content, 0, _LONGEST_HEADER_BYTES)
    # A header that stands alone may end with the file.
    if end is None and (kind == _META or path.suffix.lower() == ".nrrd"):
        raise ValueError("no end of the header found")
    text = content[: end.end() if end else None].decode("latin-1")
    pattern = _NRRD_FIELD if kind == _NRRD else _META_FIELD
    lines = (pattern.fullmatch(line.strip()) for line in text.splitlines())
    fields = {line[1].strip(): line[2].strip() for line in lines if line}
    elsewhere = fields.get("data file", fields.get("datafile", fields.get("ElementDataFile", "LOCAL")))
    sizes = [float(one) for one in fields.get("sizes", fields.get("DimSize", "")).split()]
    channels = float(fields.get("ElementNumberOfChannels", "1"))
    require_memory([*sizes, channels], name, memory_gb)
    most = int(math.prod(sizes) * channels * _LARGEST_VALUE_BYTES) + _MOST_MORE_BYTES
    local = elsewhere == "LOCAL"
    content = content[end.end() if end else 0 :] if local else _beside(path, elsewhere, name, memory_gb)
    return _Header(fields, _unpacked(content, kind, fields, most))


def _read(path: Path, memory_gb: float) -> bytes:
    """The content of a file that may be this large."""
    most = memory_gb * 1e9 / 4 * _LARGEST_VALUE_BYTES + _MOST_MORE_BYTES
    if path.stat().st_size > most:
        raise ValueError(f"more than {most:.0f} bytes")
    return path.read_bytes()


def _beside(path: Path, file: str, name: str, memory_gb: float) -> bytes:
    """The voxels of a header that stands alone: one file in its folder, never one elsewhere on the disk."""
    found = path.parent / file.removeprefix("./")
    if found.parent != path.parent or found.name != Path(file).name or "\\" in file or not found.is_file():
        raise VolumeError(
            f"{name}: its voxels are in {file[:80]!r}, expected the name of one file in the same folder, which is "
            "there.\nFix: copy that file beside the header, or save both as one file (.nrrd or .mha)."
        )
    return _read(found, memory_gb)


def _unpacked(content: bytes, kind: str, fields: dict[str, str], most_bytes: int) -> bytes | None:
    """Checks what ITK does not: it stops at the last voxel and never sees the checksum behind it."""
    if any(field in fields for field in _SKIPS):
        return None
    if kind == _META:
        if fields.get("CompressedData", "").lower() == "true":
            return decompressed(content, most_bytes, ZLIB)
        return content if fields.get("BinaryData", "").lower() == "true" else None
    encoding = fields.get("encoding", "").lower()
    if encoding in _NRRD_COMPRESSED:
        return decompressed(content, most_bytes)
    return content if encoding in _NRRD_PLAIN else None


def _checked_layout(path: str | Path, header: _Header, phases: bool, name: str, memory_gb: float) -> bool:
    """Whether the file holds a list of images; raises VolumeError where it holds what is no image of one value."""
    import itk

    found = itk.ImageIOFactory.CreateImageIO(str(path), itk.CommonEnums.IOFileMode_ReadMode)
    if found is None:
        raise ValueError("ITK does not know it")
    found.SetFileName(str(path))
    found.ReadImageInformation()
    shape = tuple(found.GetDimensions(axis) for axis in range(found.GetNumberOfDimensions()))
    values = found.GetNumberOfComponents()
    require_memory((*shape, values), name, memory_gb)
    if not 2 <= len(shape) <= 4:
        raise VolumeError(
            f"{name}: found shape {shape}, expected (x, y, slice) or (x, y, slice, phase).\n"
            "Fix: convert the short-axis stack again (one file per sequence, slices as third axis)."
        )
    is_list = values > 1 and phases and header.holds_phases
    if values > 1 and not is_list:
        raise VolumeError(
            f"{name}: found {values} values in each voxel (colour or vectors), expected one grey value.\n"
            "Fix: export the series again; phases of a cine go on a fourth axis, (x, y, slice, phase)."
        )
    if header.voxels is not None and len(header.voxels) < found.GetImageSizeInBytes():
        raise EOFError(f"{len(header.voxels)} bytes of voxels, the header announces {found.GetImageSizeInBytes()}")
    return is_list


def _voxels(path: str | Path, is_list: bool) -> tuple[np.ndarray, np.ndarray]:
    """float32 (X, Y[, S[, P]]) in the order of NIfTI, first axis fastest; affine (4, 4) voxel to RAS mm."""
    import itk
    from monai.data.image_reader import ITKReader

    reader = ITKReader(affine_lps_to_ras=True, pixel_type=itk.VariableLengthVector[itk.F] if is_list else itk.F)
    array, meta = reader.get_data(reader.read(path))
    flat = np.asarray(meta["affine"], dtype=float)
    affine = np.zeros((4, 4))
    affine[:3, 3], affine[3, 3] = np.pad(flat[:-1, -1], (0, 4 - len(flat))), 1.0
    affine[: len(flat) - 1, : len(flat) - 1] = flat[:-1, :-1]
    return np.array(array, dtype=np.float32, order="F"), affine


def _reason(error: Exception) -> str:
    """The last clause of ITK's message, without source lines, addresses and paths."""
    text = str(error).rpartition("[nrrd]")[2].rpartition("ITK ERROR:")[2]
    text = re.sub(r"^\s*\w+\((0x)?[0-9a-f]+\):|\S*/\S*", "", text)
    return " ".join(text.split())[:120] or type(error).__name__
