"""Compressed content of a person's files, which may hold far more than its size says: unpacked up to a limit."""

from __future__ import annotations

import zlib

# How zlib is told what is compressed, its ``wbits``.
GZIP, ZLIB, DEFLATE = 31, 15, -15
# Of compressed content; it unpacks to a thousand times as much at most.
_PIECE = 2**14


def decompressed(content: bytes, most_bytes: int, window: int = GZIP) -> bytes:
    """What a compressed file of a person's data holds; never more than ``most_bytes`` of it in memory.

    Args:
        content: one stream or, of gzip, several behind each other. window: GZIP, ZLIB or DEFLATE.
    Raises:
        zlib.error: damaged. EOFError: truncated. ValueError: it holds more.
    """
    if most_bytes < 0:
        raise ValueError(f"a limit of {most_bytes} bytes")
    parts, room = [], most_bytes
    while content:
        stream = zlib.decompressobj(window)
        parts.append(stream.decompress(content, room + 1))
        room -= len(parts[-1])
        if room < 0:
            raise ValueError(f"it holds more than {most_bytes} bytes")
        if not stream.eof:
            raise EOFError("the compressed content ends too early")
        # gzip allows zeros behind its last stream
        content = stream.unused_data.lstrip(b"\0") if window == GZIP else b""
    return parts[0] if len(parts) == 1 else b"".join(parts)


def beginning(content: bytes, most_bytes: int) -> bytes:
    """The first bytes that the beginning of a gzip file holds, at most ``most_bytes``, over its streams.

    Raises:
        zlib.error: damaged.
    """
    found = b""
    while content and len(found) < most_bytes:
        stream = zlib.decompressobj(GZIP)
        found += stream.decompress(content, most_bytes - len(found))
        content = stream.unused_data if stream.eof else b""
    return found


def unpacked_size(content: bytes, most_bytes: int, window: int = DEFLATE) -> int:
    """How many bytes a stream holds, found piece by piece; none of it is kept.

    Raises:
        zlib.error: damaged. ValueError: it holds more than ``most_bytes``.
    """
    stream, size = zlib.decompressobj(window), 0
    for start in range(0, len(content), _PIECE):
        size += len(stream.decompress(content[start : start + _PIECE]))
        if size > most_bytes:
            raise ValueError(f"it holds more than {most_bytes} bytes")
        if stream.eof:
            break
    return size
