"""How a file itself orders and places its voxels, so that a result can be written in the same way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np


@dataclass(frozen=True)
class FileGrid:
    """The order of axes and the header of a file.

    axes: axis of the file that is x, y and slice of the array in memory; (0, 1, 2) where nothing was moved.
    header: nifti_writing.geometry_fields of a NIfTI file; {} for other formats.
    """

    axes: tuple[int, int, int] = (0, 1, 2)
    header: Mapping[str, list | float] = field(default_factory=dict)

    @property
    def has_no_place(self) -> bool:
        """A NIfTI header with neither form: sizes, but no directions and no position."""
        return bool(self.header) and not self.header["sform_code"] and not self.header["qform_code"]

    def array(self, volume: np.ndarray) -> np.ndarray:
        """(x, y, slice) -> the axes of the file."""
        return volume if self.axes == (0, 1, 2) else np.ascontiguousarray(volume.transpose(self._back()))

    def affine(self, affine: np.ndarray) -> np.ndarray:
        """(4, 4) of (x, y, slice) -> of the axes of the file; both lead to the same place in mm."""
        return affine[:, [*self._back(), 3]]

    def _back(self) -> list[int]:
        return [self.axes.index(axis) for axis in range(3)]

    def text(self) -> str:
        """As JSON, which a batch carries along."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> FileGrid:
        """What ``text`` made; the default of an empty text."""
        stored = json.loads(text) if text else {}
        return cls(**(stored | {"axes": tuple(stored["axes"])})) if stored else cls()
