"""Owns how an imported T2-STIR or LGE stack is handed to the registration: gaps of a stack, one affine, the report."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from .. import conventions
from .geometry_check import GeometryError
from .registration import RegistrationSettings, align_to_cine

_ROUNDING_MM = 0.5


class StackVoxels(Protocol):
    """What dicom.voxels.Voxels gives."""

    array: np.ndarray
    depths_mm: np.ndarray
    times_ms: tuple[float, ...] | None

    def affine(self, role: str) -> np.ndarray:
        """RAS affine of an evenly spaced stack; raises DataError."""

    def slice_affine(self, index: int) -> np.ndarray:
        """RAS affine of one slice, its third column the normal, 1 mm."""


class StudyAlignment:
    """Brings a sequence onto the cine grid: slices by position, in-plane shift by registration.

    Args:
        register: also correct the in-plane shift between breath-holds; False resamples only.
        others: as registration.RegistrationSettings.
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
        self.options = {
            "slice_tolerance_mm": float(slice_tolerance_mm),
            "max_displacement_mm": float(max_displacement_mm),
            "max_rotation_deg": float(max_rotation_deg),
            "deformable": conventions.flag(deformable, "deformable"),
        }
        RegistrationSettings(**self.options)

    def __call__(self, cine: StackVoxels, moving: StackVoxels, role: str) -> tuple[np.ndarray, dict]:
        """Volume (X, Y, S) float32 on the cine grid, 0 where the sequence shows nothing, and a report for JSON.

        Raises:
            DataError: the two stacks do not show the same place, or cannot be read as stacks.
        """
        array, affine, missing = evenly_spaced(moving, role)
        extra = {} if self.register else {"min_improvement": 1e9}
        settings = RegistrationSettings(sequence=role, **(self.options | extra))
        times = None if cine.times_ms is None else list(cine.times_ms)
        moment = None if moving.times_ms is None else float(moving.times_ms[0])
        found = align_to_cine(cine.array, cine.affine("cine"), times, array, affine, moment, settings)
        return found.volume, found.report() | {"slices_missing_in_the_stack": missing}


def evenly_spaced(voxels: StackVoxels, role: str) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Array (X, Y, S), RAS affine and the places of empty slices of a stack that may lack some.

    Raises:
        GeometryError: the distances between slices are no multiples of the smallest.
    """
    array, depths = voxels.array[..., 0], voxels.depths_mm
    if len(depths) < 3:
        return array, voxels.affine(role), []
    step = float(np.diff(depths).min())
    places = np.rint((depths - depths[0]) / step).astype(int)
    step = float((depths[-1] - depths[0]) / places[-1])
    if np.abs(depths - depths[0] - places * step).max() > _ROUNDING_MM:
        gaps = ", ".join(f"{gap:.1f}" for gap in np.diff(depths)[:12])
        raise GeometryError(
            f"{role}: slices at distances of {gaps} mm, expected one distance, or multiples of it where slices are "
            f"missing. Fix: send one stack, or pick its series with --{role}_series"
        )
    filled = np.zeros((*array.shape[:2], places[-1] + 1), dtype=array.dtype)
    filled[:, :, places] = array
    affine = voxels.slice_affine(0)
    affine[:3, 2] *= step
    return filled, affine, sorted(set(range(places[-1] + 1)) - set(places.tolist()))
