"""Copies of an image: one SOPInstanceUID, one place, the same pixels. Anything else is an image of its own."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom
from pydicom.config import disable_value_validation
from pydicom.pixels import pixel_array

from .codestreams import require_announced_size
from .files import read_file
from .headers import DAMAGED, Frame


class Place(NamedTuple):
    """Where a frame is kept: position in a list of frames."""

    frames: list[Frame]
    at: int


class SeenImages:
    """The images read before, by their numbers. ``unlike``: images per study whose number another image has too."""

    def __init__(self) -> None:
        self.unlike: Counter[str] = Counter()
        self._places: dict[tuple, dict[tuple, list[Place]]] = {}
        self._compared: tuple[Path, Path, bool] | None = None

    def earlier(self, frame: Frame) -> Place | None:
        """Where the image of which ``frame`` is a copy is kept; None for an image of its own."""
        same_number = self._places.get(_number(frame)) if frame.instance else None
        if same_number is None:
            return None
        for place in same_number.get(_facts(frame), ()):
            if self._same_pixels(place.frames[place.at].path, frame.path):
                return place
        self.unlike[frame.study] += 1
        return None

    def keep(self, frame: Frame, frames: list[Frame]) -> None:
        """Appends ``frame`` to ``frames`` and remembers it."""
        self._places.setdefault(_number(frame), {}).setdefault(_facts(frame), []).append(Place(frames, len(frames)))
        frames.append(frame)

    def _same_pixels(self, one: Path, other: Path) -> bool:
        """Asked for each frame of an enhanced image, compared once."""
        if self._compared is None or self._compared[:2] != (one, other):
            self._compared = one, other, same_pixels(one, other)
        return self._compared[2]


def same_pixels(one: Path, other: Path) -> bool:
    """Whether two files with the same header hold the same pixels; one of them may be cut short or damaged."""
    try:
        if one.read_bytes() == other.read_bytes():
            return True
        with disable_value_validation(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's quote values, which may be PHI
            first, second = (read_file(path) for path in (one, other))
            pixels = [dataset.PixelData if "PixelData" in dataset else b"" for dataset in (first, second)]
            short, long = sorted(pixels, key=len)
            if long.startswith(short):
                return True
            if _syntax(first) == _syntax(second) and not _syntax(first).is_compressed:
                return False
            for dataset in (first, second):
                require_announced_size(dataset)
            return bool(np.array_equal(pixel_array(first), pixel_array(second)))
    except DAMAGED:
        return True


def _syntax(dataset: pydicom.Dataset) -> pydicom.uid.UID:
    return dataset.file_meta.get("TransferSyntaxUID", pydicom.uid.ImplicitVRLittleEndian)


def _number(frame: Frame) -> tuple:
    return frame.patient, frame.study, frame.instance, frame.index


def _facts(frame: Frame) -> tuple:
    """What two images cannot differ in and be one."""
    places = [None if one is None else tuple(np.round(one, 3)) for one in (frame.position_mm, frame.orientation)]
    return (*places, frame.shape, frame.trigger_ms, frame.temporal)
