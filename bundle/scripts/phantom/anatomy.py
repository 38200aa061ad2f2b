"""Owns the shape of one heart and its motion: radii of both ventricles over angle, slice and cardiac phase.

Image frame of a short-axis slice, mm: x to the right of the picture, y down; angle 0 = right, 90 = down, so that the
septum lies near 180, the anterior wall near 270 and the lateral wall near 0 degrees. Depth runs from base to apex.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from ..dicom.geometry import StackGeometry

ANGLES = 720
MATRIX = 256
SLICE_THICKNESS_MM = 8.0
# Fraction of full contraction over the cycle: systole to 0.36, early filling, diastasis, atrial kick.
_CYCLE = PchipInterpolator(
    (0, 0.10, 0.24, 0.36, 0.45, 0.55, 0.62, 0.75, 0.88, 0.95, 1.0),
    (0, 0.30, 0.85, 1.0, 0.80, 0.40, 0.24, 0.17, 0.13, 0.04, 0.0),
)


def contraction_at(cycle_fraction: float) -> float:
    """Contraction, 0 at end-diastole to 1 at end-systole, at a fraction 0..1 of the RR interval."""
    return float(_CYCLE(cycle_fraction % 1.0))


@dataclass(frozen=True)
class Anatomy:
    """One subject's heart and stack. Lengths in mm, angles in radians in the image frame of this module.

    ``inner_radius_mm`` and ``wall_mm``: end-diastolic LV, (S, ANGLES). ``thickening``: part the remote wall gains by
    end-systole, (S, ANGLES). ``fat_mm``: epicardial fat, (S, ANGLES). ``centre_mm``: LV centre from the middle of the
    picture, (S, 2). ``papillary``: angle and relative size of two muscles, (S, 2, 2).
    """

    pixel_mm: float
    slice_pitch_mm: float
    depth_mm: np.ndarray
    length_mm: float
    centre_mm: np.ndarray
    septum_angle: float
    inner_radius_mm: np.ndarray
    wall_mm: np.ndarray
    thickening: np.ndarray
    inward_motion: float
    rv_offset_mm: np.ndarray
    rv_radii_mm: np.ndarray
    rv_angle: float
    rv_contraction: float
    papillary: np.ndarray
    fat_mm: np.ndarray
    rr_ms: float
    stack: StackGeometry

    @property
    def slices(self) -> int:
        return len(self.depth_mm)

    def outer_radius_mm(self, contraction: float, motion: np.ndarray) -> np.ndarray:
        """Epicardial radius (S, ANGLES); ``motion`` (S, ANGLES) is 1 where the wall moves, 0 where it does not."""
        rest = self.inner_radius_mm + self.wall_mm
        return rest * (1.0 - self.inward_motion * contraction * motion)

    def wall_thickness_mm(self, contraction: float, motion: np.ndarray) -> np.ndarray:
        """Wall thickness (S, ANGLES) at a contraction, thickening scaled by ``motion``."""
        return self.wall_mm * (1.0 + self.thickening * contraction * motion)


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """A random adult heart: ED inner diameter 42-55 mm, wall 5.5-8 mm tapering to the apex, LV length 75-95 mm.

    Sources: Kawel 2012 (wall), CMR atlas (diameters), Ubachs 2009 (thickening 55-75 %).
    """
    length = rng.uniform(76.0, 95.0)
    pitch = SLICE_THICKNESS_MM + rng.choice([0.0, 0.8, 1.6, 2.0])
    first = rng.uniform(4.0, 8.0)
    slices = int(np.clip(np.floor((0.93 * length - first) / pitch) + 1, 8, 10))
    pitch = min(pitch, (0.95 * length - first) / (slices - 1))
    depth = first + pitch * np.arange(slices)
    septum = np.deg2rad(rng.uniform(160.0, 205.0))
    inner, wall = _left_ventricle(depth, length, septum, rng)
    thickening = rng.uniform(0.50, 0.78) * _around(slices, 0.12, rng)
    rv_offset, rv_radii = _right_ventricle(depth, length, inner + wall, rng)
    pixel = rng.uniform(1.30, 1.48)
    return Anatomy(
        pixel_mm=float(pixel),
        slice_pitch_mm=float(pitch),
        depth_mm=depth,
        length_mm=float(length),
        centre_mm=_centres(slices, rng),
        septum_angle=float(septum),
        inner_radius_mm=inner,
        wall_mm=wall,
        thickening=thickening,
        inward_motion=float(rng.uniform(0.10, 0.15)),
        rv_offset_mm=rv_offset,
        rv_radii_mm=rv_radii,
        rv_angle=float(septum + np.deg2rad(rng.uniform(-8.0, 8.0))),
        rv_contraction=float(rng.uniform(0.18, 0.30)),
        papillary=_papillary(depth / length, septum, rng),
        fat_mm=np.clip(2.0 + 1.9 * smooth_field(slices, 5, rng), 0.3, 9.0),
        rr_ms=float(rng.uniform(700.0, 1150.0)),
        stack=_oblique_stack(pixel, pitch, rng),
    )


def smooth_field(slices: int, harmonics: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth random field of standard deviation about 1 over (slice, angle), periodic in angle, (S, ANGLES)."""
    angle = np.linspace(0.0, 2 * np.pi, ANGLES, endpoint=False)
    depth = np.arange(slices)[:, None]
    field = np.zeros((slices, ANGLES))
    for order in range(1, harmonics + 1):
        drift, phase = rng.normal(0.0, 0.25), rng.uniform(0.0, 2 * np.pi)
        field += rng.normal() * np.cos(order * angle[None, :] + phase + drift * depth)
    return field * np.sqrt(2.0 / harmonics)


def _around(slices: int, sd: float, rng: np.random.Generator) -> np.ndarray:
    return np.clip(1.0 + sd * smooth_field(slices, 4, rng), 0.5, 1.5)


def _left_ventricle(
    depth: np.ndarray, length: float, septum: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """End-diastolic inner radius and wall thickness, (S, ANGLES): truncated super-ellipsoid, a little out of round."""
    angle = np.linspace(0.0, 2 * np.pi, ANGLES, endpoint=False)[None, :]
    fraction = (depth / length)[:, None]
    wall_mid = rng.uniform(5.8, 7.8)
    cavity_length = 1.0 - 0.8 * wall_mid / length
    profile = np.sqrt(np.clip(1.0 - (fraction / cavity_length) ** rng.uniform(2.1, 2.8), 0.012, 1.0))
    profile *= np.clip(0.93 + 0.35 * fraction, 0.0, 1.0)
    radius = rng.uniform(22.5, 28.5)
    shape = 1.0 + 0.035 * np.cos(2 * (angle - rng.uniform(0, np.pi))) + 0.010 * smooth_field(len(depth), 7, rng)
    shape += 0.012 * smooth_field(len(depth), 24, rng)
    inner = np.maximum(radius * profile * shape, 1.2)
    wall = wall_mid * (1.06 + 0.12 * np.cos(angle - septum)) * (1.0 - 0.34 * fraction**2)
    return inner, wall * np.clip(1.0 + 0.05 * smooth_field(len(depth), 5, rng), 0.8, 1.2)


def _right_ventricle(
    depth: np.ndarray, length: float, outer: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Distance of the RV ellipse from the LV centre (S,) and its half axes (S, 2), along and across that line."""
    fraction = depth / length
    epicardium = outer.mean(axis=1)
    size = np.sqrt(np.clip(1.0 - (fraction / rng.uniform(0.82, 0.93)) ** 2.2, 0.0, 1.0))
    across = epicardium * rng.uniform(1.0, 1.14) * size
    reach = epicardium.max() * rng.uniform(0.78, 1.0) * size
    offset = epicardium * 0.55
    along = np.where(size > 0.05, np.maximum(epicardium * 0.45 + reach, 0.0), 0.0)
    return offset, np.stack([along, across], axis=1)


def _papillary(fraction: np.ndarray, septum: float, rng: np.random.Generator) -> np.ndarray:
    """Two papillary muscles per slice: (S, 2, 2) of angle and radius as a fraction of the inner radius; 0 = absent."""
    present = np.clip(np.minimum(fraction - 0.25, 0.74 - fraction) / 0.1, 0.0, 1.0)
    angles = septum + np.deg2rad([rng.uniform(118, 142), -rng.uniform(112, 138)])
    size = rng.uniform(0.14, 0.22, size=2)
    twist = 0.25 * (fraction - 0.5)
    return np.stack([np.stack([angles[i] + twist, size[i] * present], axis=1) for i in range(2)], axis=1)


def _centres(slices: int, rng: np.random.Generator) -> np.ndarray:
    """LV centre per slice: off centre, drifting over the stack, with a breath-hold shift of about 0.6 mm per slice."""
    distance, direction = rng.uniform(18.0, 42.0), rng.uniform(0.0, 2 * np.pi)
    start = distance * np.array([np.cos(direction), np.sin(direction)])
    drift = rng.normal(0.0, 0.5, size=2)
    steps = np.arange(slices)[:, None] - slices / 2
    return start + drift * steps + rng.normal(0.0, 0.6, size=(slices, 2))


def _oblique_stack(pixel: float, pitch: float, rng: np.random.Generator) -> StackGeometry:
    """Double-oblique short-axis stack, base first, LPS: the long axis points left, forwards and down, +-8 degrees."""
    axis = np.array([0.66, -0.54, -0.52]) + rng.normal(0.0, 0.10, size=3)
    axis /= np.linalg.norm(axis)
    down = np.array([0.0, 0.0, -1.0]) + rng.normal(0.0, 0.15, size=3)
    column = down - (down @ axis) * axis
    column /= np.linalg.norm(column)
    row = np.cross(column, -axis)
    centre = np.array([30.0, -20.0, 10.0]) + rng.normal(0.0, 15.0, size=3)
    corner = centre - 0.5 * pixel * (MATRIX - 1) * (row + column)
    return StackGeometry(row, column, corner, (float(pixel), float(pixel)), axis * pitch)
