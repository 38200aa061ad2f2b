"""An imported T2-STIR or LGE stack on its way to the registration: slice positions, times, the report."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from .. import conventions
from .registration import Alignment, Stack, align_to_cine
from .settings import RegistrationSettings


class StackVoxels(Protocol):
    """What dicom.voxels.Voxels gives."""

    array: np.ndarray
    times_ms: tuple[float, ...] | None

    def affine(self, role: str) -> np.ndarray:
        """RAS affine of an evenly spaced stack; raises DataError."""

    def slice_affine(self, index: int) -> np.ndarray:
        """RAS affine of one slice, its third column the normal, 1 mm."""


class StudyAlignment:
    """Brings a sequence onto the cine grid: slices by position, in-plane shift by registration.

    Args:
        register: also correct the in-plane shift between breath-holds; False resamples only.
        others: as settings.RegistrationSettings.
    """

    def __init__(
        self,
        register: bool | str = True,
        slice_tolerance_mm: float = 5.0,
        max_displacement_mm: float = 15.0,
        max_rotation_deg: float = 4.0,
        deformable: bool | str = False,
    ) -> None:
        self.register = conventions.flag(register, "register")
        self.options: dict[str, Any] = {
            "slice_tolerance_mm": float(slice_tolerance_mm),
            "max_displacement_mm": float(max_displacement_mm),
            "max_rotation_deg": float(max_rotation_deg),
            "deformable": conventions.flag(deformable, "deformable"),
            "register": self.register,
        }
        RegistrationSettings(**self.options)

    def __call__(self, cine: StackVoxels, moving: StackVoxels, role: str, before: Alignment | None = None) -> Alignment:
        """``moving`` on the cine grid: volume (X, Y, S) float32, 0 where it shows nothing, and a report for JSON.

        Args:
            before: a sequence that this method has aligned before, of the same cine; compared with as well.
        Raises:
            DataError: the two stacks do not show the same place, or cannot be read as stacks.
        """
        settings = RegistrationSettings(sequence=role, **self.options)
        array = moving.array[..., 0]
        affines = np.stack([moving.slice_affine(index) for index in range(array.shape[2])])
        stacks = Stack(cine.array, cine.affine("cine"), cine.times_ms), Stack(array, affines, moving.times_ms)
        return align_to_cine(*stacks, settings, None if before is None else before.as_companion())
