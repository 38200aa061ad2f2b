"""Compressed pixels whose own header announces another size than the DICOM header: refused before they are decoded."""

from __future__ import annotations

import struct

import pydicom
from pydicom.encaps import generate_frames

# Start of a JPEG 2000 codestream and its size marker; ITU-T T.800, A.5.1.
_SIZE_OF_JPEG_2000 = b"\xff\x4f\xff\x51"
# Frame headers of JPEG (ITU-T T.81, B.1.1.3) and JPEG-LS (T.87); the others in C0..CF are tables.
_FRAME_HEADERS = frozenset({0xF7, *range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_SEARCHED = 1 << 16  # bytes of a frame in which its size has to stand


def require_announced_size(dataset: pydicom.Dataset) -> None:
    """Raises ValueError where a compressed frame's own size is not that of Rows and Columns."""
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is None or not syntax.is_compressed or not syntax.is_encapsulated:
        return
    announced = int(dataset.Rows), int(dataset.Columns)
    frames = generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames") or 1))
    for frame in frames:
        found = frame_size(bytes(frame[:_SEARCHED]))
        if found is not None and found != announced:
            raise ValueError(f"compressed frame of {found}, header of {announced} rows and columns")


def frame_size(start: bytes) -> tuple[int, int] | None:
    """Rows and columns in the header of a JPEG, JPEG-LS or JPEG 2000 frame; None where it has none, as run lengths."""
    place = start.find(_SIZE_OF_JPEG_2000)
    if place >= 0:
        fields = start[place + 8 : place + 24]
        if len(fields) < 16:
            return None
        right, bottom, left, top = struct.unpack(">4I", fields)
        return bottom - top, right - left
    return _size_of_jpeg(start) if start.startswith(b"\xff\xd8") else None


def _size_of_jpeg(start: bytes) -> tuple[int, int] | None:
    """That of the first frame header, marker by marker."""
    place = 2
    while place + 9 <= len(start) and start[place] == 0xFF:
        marker, length = start[place + 1], struct.unpack(">H", start[place + 2 : place + 4])[0]
        if marker in _FRAME_HEADERS:
            rows, columns = struct.unpack(">2H", start[place + 5 : place + 9])
            return rows, columns
        place += 1 if marker == 0xFF else 2 + length
    return None
