"""Search for DICOM files in a folder of any depth, by the first bytes of each file."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from ..conventions import DataError
from ..volumes.compression import unpacked_size

_PREAMBLE, _MAGIC = 128, b"DICM"
_MEDIA_DIRECTORY = "DICOMDIR"
# A file without preamble begins with group 0002 or 0008 and a VR or a short length; either byte order.
_FIRST_TAGS = (b"\x02\x00\x00\x00", b"\x08\x00", b"\x00\x08\x00")
_SMALLEST = 64
_META_GROUP, _META_BYTES = 0x0002, 2**13
# Of one image; those that are not deflated are as large as their file.
_MOST_UNPACKED = 2**28


@dataclass
class FoundFiles:
    """``paths``: files that may be DICOM, sorted. ``skipped``: number of others by reason; names may be PHI."""

    paths: list[Path] = field(default_factory=list)
    skipped: Counter = field(default_factory=Counter)


def find_files(dicom_dir: str | Path) -> FoundFiles:
    """Walks ``dicom_dir``; links are followed, a folder is entered once, and what cannot be opened is counted.

    Raises:
        DataError: the folder does not exist, or holds no file that may be DICOM.
    """
    root = Path(str(dicom_dir)).expanduser()
    if not root.is_dir():
        raise DataError(f"dicom_dir: found no folder at {root}. Fix: give the folder that holds the study's files.")
    found = FoundFiles()
    for path in _files_below(root, found.skipped):
        reason = _why_not(path)
        if reason:
            found.skipped[reason] += 1
        else:
            found.paths.append(path)
    found.paths.sort()
    if not found.paths:
        counts = ", ".join(f"{count} {reason}" for reason, count in sorted(found.skipped.items())) or "no file at all"
        raise DataError(
            f"dicom_dir {root}: found {counts}; expected DICOM images. Fix: give the folder that the scanner, the PACS "
            "or the CD wrote; archives must be unpacked first."
        )
    return found


def read_file(path: Path, stop_before_pixels: bool = False) -> Dataset:
    """pydicom's dcmread, which unpacks a deflated file whatever it holds; here of at most _MOST_UNPACKED.

    Raises:
        ValueError, zlib.error: a deflated file that holds more, or is damaged. Others of headers.DAMAGED.
    """
    with path.open("rb") as file:
        start = file.read(_PREAMBLE + len(_MAGIC))
        if start[_PREAMBLE:] != _MAGIC:
            file.seek(0)
        syntax = _transfer_syntax(file)
        if syntax == DeflatedExplicitVRLittleEndian:
            unpacked_size(file.read(), _MOST_UNPACKED)
        else:
            file.seek(0)
            if DeflatedExplicitVRLittleEndian.encode() in file.read(_META_BYTES):
                raise ValueError("deflated, with a header that does not say so plainly")
    return pydicom.dcmread(path, stop_before_pixels=stop_before_pixels, force=True)


def _transfer_syntax(file: BinaryIO) -> str:
    """Of the file meta information at the place of ``file``, which ends behind it; "" where there is none."""
    start = file.tell()
    if file.read(2) != b"\x02\x00":
        return ""
    file.seek(start)
    meta = read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag >> 16 != _META_GROUP)
    return str(meta.get("TransferSyntaxUID", ""))


def _files_below(root: Path, skipped: Counter) -> list[Path]:
    """All files; a real folder is visited once, so that a loop of links ends, and nothing outside ``root`` is read."""
    files: list[str] = []
    folders, visited = [str(root)], set()
    home = root.resolve()
    while folders:
        folder = folders.pop()
        try:
            real = os.path.realpath(folder)
            if real in visited:
                skipped["folder linked twice"] += 1
                continue
            if not _lies_below(folder, home):
                skipped["link to a folder outside"] += 1
                continue
            visited.add(real)
            with os.scandir(folder) as entries:
                for entry in entries:
                    try:
                        if entry.is_symlink() and entry.is_file() and not _lies_below(entry.path, home):
                            skipped["link to a file outside"] += 1
                            continue
                        (folders if entry.is_dir() else files).append(entry.path)
                    except OSError:  # a link to itself; the rest of the folder is read all the same
                        skipped["link that leads nowhere"] += 1
        except OSError:
            skipped["folder that cannot be opened"] += 1
    return [Path(path) for path in files]


def _lies_below(path: str, home: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(home)


def _why_not(path: Path) -> str | None:
    """Why a file cannot be DICOM; None when it may be."""
    if path.name.upper() == _MEDIA_DIRECTORY:
        return "DICOMDIR (not needed)"
    try:
        if not path.is_file():
            return "no regular file"
        with path.open("rb") as stream:
            head = stream.read(_PREAMBLE + len(_MAGIC))
    except OSError:
        return "file that cannot be opened"
    if head[_PREAMBLE:] == _MAGIC:
        return None
    if len(head) < _SMALLEST:
        return "not DICOM"
    return None if head.startswith(_FIRST_TAGS) else "not DICOM"
