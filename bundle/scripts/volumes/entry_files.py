"""The image behind one key of a datalist entry: a file, one channel or phase of a file, or a file per phase."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from .reading import CHANNELS, read_volume
from .volume import MEMORY_GB, Volume, VolumeError, short_name

# Optional in a datalist entry: the files of a cine that has one per phase, in order; "cine" is the first of them.
CINE_FRAMES = "cine_frames"


def read_entry(entry: Mapping[str, Any], key: str, memory_gb: float = MEMORY_GB) -> Volume:
    """The volume of ``key`` (cine, t2_stir, lge or label), checked as reading.read_volume does.

    Args:
        memory_gb: what it may take.
    Raises:
        VolumeError: as there; or the files of a cine differ in shape or place.
    """
    if key == "cine" and len(entry.get(CINE_FRAMES, ())) > 1:
        return _joined(entry[CINE_FRAMES], memory_gb)
    channel = entry.get(CHANNELS, {}).get(key)
    return read_volume(entry[key], phases=key == "cine", is_label=key == "label", channel=channel, memory_gb=memory_gb)


def _joined(paths: list[str], memory_gb: float) -> Volume:
    """A cine (X, Y, S, P) of one file per phase."""
    frames = [read_volume(path, memory_gb=memory_gb / len(paths)) for path in paths]
    first = frames[0]
    for path, frame in zip(paths, frames, strict=True):
        same = frame.array.shape == first.array.shape
        if not same or not np.allclose(frame.grid.affine, first.grid.affine, atol=1e-2):
            found = "another place" if same else f"shape {frame.array.shape}"
            expected = "that" if same else f"shape {first.array.shape}"
            raise VolumeError(
                f"{short_name(path)}: found {found}, expected {expected} of {first.grid.name}: both are phases of one "
                "cine.\nFix: export all phases of the same short-axis stack again, or keep one of the files."
            )
    return dataclasses.replace(first, array=np.stack([frame.array for frame in frames], axis=-1))
