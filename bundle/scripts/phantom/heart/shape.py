"""Shape of both ventricles at end-diastole, as radii over depth and angle.

Frame of a short-axis slice, mm: x to the right of the image, y down; angle 0 = right, 90 = down, so that the septum
lies near 180, the anterior wall near 270 and the lateral wall near 0 degrees. Depth runs from the mitral plane (0) to
the apex. Fields lie on a material grid (DEPTHS, ANGLES): rows are depths 0..length, columns angles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

ANGLES = 360
DEPTHS = 72
ANGLE = np.linspace(0.0, 2 * np.pi, ANGLES, endpoint=False)
# Mean and SD by sex: inner diameter where it is widest, mm, fitted so that the basal third has the CMR atlas' 46 and
# 50; mid wall, mm, so that it is near MESA's 5.3 +- 0.9 and 6.3 +- 1.1 at end-diastole; length to the apex, mm (75-95).
_SEX = {
    "female": ((47.3, 2.2), (5.7, 0.55), (82.0, 4.0)),
    "male": ((50.7, 2.8), (6.5, 0.65), (90.0, 4.5)),
}
APEX_WALL_MM = 5.0
RV_WALL_MM = 3.0


@dataclass(frozen=True)
class HeartShape:
    """End-diastole. Lengths in mm, angles in radians; endo_mm, epi_mm, fat_mm, ridge_mm: (DEPTHS, ANGLES).

    ``ridge_mm``: trabeculae, how far muscle reaches into the cavity; contours count them as blood. ``papillary``: angle
    and size relative to the cavity of two muscles. ``rv_offset_mm`` (DEPTHS,): from the LV axis along ``rv_angle``;
    ``rv_radius_mm`` (DEPTHS, ANGLES): outer surface about the RV's own axis; 0 where there is no RV.
    """

    sex: str
    length_mm: float
    septum_angle: float
    endo_mm: np.ndarray
    epi_mm: np.ndarray
    fat_mm: np.ndarray
    ridge_mm: np.ndarray
    papillary: np.ndarray
    rv_angle: float
    rv_offset_mm: np.ndarray
    rv_radius_mm: np.ndarray
    rv_ridge_mm: np.ndarray

    @property
    def depth_mm(self) -> np.ndarray:
        """Depth of the rows, (DEPTHS,)."""
        return np.linspace(0.0, self.length_mm, DEPTHS)

    @property
    def wall_volume(self) -> np.ndarray:
        """LV wall per cell of the grid, mm3, (DEPTHS, ANGLES): half (epi^2 - endo^2) per angle and depth."""
        cell = (2 * np.pi / ANGLES) * self.length_mm / (DEPTHS - 1)
        return 0.5 * (self.epi_mm**2 - self.endo_mm**2) * cell


def draw_shape(sex: str, dilatation: float, hypertrophy: float, rng: np.random.Generator) -> HeartShape:
    """A random adult heart of normal size by sex; ``dilatation`` scales the cavity, ``hypertrophy`` the wall."""
    (diameter, diameter_sd), (wall, wall_sd), (length, length_sd) = _SEX[sex]
    length = float(np.clip(rng.normal(length, length_sd), 75.0, 98.0))
    inner = float(np.clip(rng.normal(diameter, diameter_sd), 41.0, 57.0)) / 2 * dilatation
    wall = float(np.clip(rng.normal(wall, wall_sd), 4.6, 8.0)) * hypertrophy
    septum = float(np.deg2rad(rng.uniform(165.0, 210.0)))
    endo, epi = _left_ventricle(inner, wall, length, septum, rng)
    offset, radius = _right_ventricle(epi, septum, rng)
    u = np.linspace(0.0, 1.0, DEPTHS)[:, None]
    return HeartShape(
        sex,
        length,
        septum,
        endo,
        epi,
        _fat(u, rng),
        _ridges(rng.uniform(0.5, 1.0) * (0.5 + 2.2 * u) * (endo > 6.0), rng),
        _papillary(septum, rng),
        septum + float(np.deg2rad(rng.uniform(-6.0, 10.0))),
        offset,
        radius,
        _ridges(rng.uniform(0.8, 1.6) * (0.8 + u), rng),
    )


def smooth_field(harmonics: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth random field of standard deviation about 1 on the material grid, periodic in angle, (DEPTHS, ANGLES)."""
    u = np.linspace(-1.0, 1.0, DEPTHS)[:, None]
    field = np.zeros((DEPTHS, ANGLES))
    for order in range(1, harmonics + 1):
        bend, phase = rng.normal(0.0, 0.9), rng.uniform(0.0, 2 * np.pi)
        field += rng.normal() * np.cos(order * ANGLE[None, :] + phase + bend * u)
    return field * np.sqrt(2.0 / harmonics)


def rough_field(angle_deg: float, depth_mm: float, length_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Random field of standard deviation 1 with the given correlation lengths, (DEPTHS, ANGLES)."""
    sigma = (depth_mm / length_mm * (DEPTHS - 1), angle_deg / 360.0 * ANGLES)
    field = gaussian_filter(rng.standard_normal((DEPTHS, ANGLES)), sigma, mode=("nearest", "wrap"))
    return field / max(float(field.std()), 1e-9)


def _left_ventricle(
    inner: float, wall: float, length: float, septum: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Truncated super-ellipsoids, closed at the apex, a little out of round; the wall tapers from base to apex."""
    u = np.linspace(0.0, 1.0, DEPTHS)[:, None]
    power = rng.uniform(2.7, 3.4)
    base = np.clip(0.94 + 0.30 * u, 0.0, 1.0)
    inside = np.clip(1.0 - (u * length / (length - APEX_WALL_MM)) ** power, 0.0, 1.0) ** 0.5 * base
    outside = np.clip(1.0 - u**power, 0.0, 1.0) ** 0.5 * base
    round_about = 1.0 + 0.035 * np.cos(2 * (ANGLE[None, :] - rng.uniform(0, np.pi))) + 0.010 * smooth_field(7, rng)
    endo = inner * inside * round_about
    across = (inner + 1.10 * wall) * outside - inner * inside
    taper = 1.0 - rng.uniform(0.22, 0.36) * u**1.5
    around = 1.0 + 0.09 * np.cos(ANGLE[None, :] - septum) + 0.045 * smooth_field(5, rng)
    return endo, endo + np.maximum(across, 0.0) * taper * np.clip(around, 0.8, 1.25)


def _right_ventricle(epi: np.ndarray, septum: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """RV behind the septum: an ellipse with corners towards both insertions, smaller towards the apex."""
    u = np.linspace(0.0, 1.0, DEPTHS)
    epicardium = epi.mean(axis=1)
    size = np.sqrt(np.clip(1.0 - (u / rng.uniform(0.82, 0.93)) ** 2.2, 0.0, 1.0))
    across = epicardium * rng.uniform(0.98, 1.12) * size
    along = epicardium * 0.45 + epicardium.max() * rng.uniform(0.74, 0.98) * size
    shown = (size > 0.12)[:, None]
    turn = ANGLE[None, :] - septum
    ellipse = (
        along[:, None]
        * across[:, None]
        / np.maximum(np.hypot(across[:, None] * np.cos(turn), along[:, None] * np.sin(turn)), 1e-6)
    )
    corners = 1.0 + rng.uniform(0.01, 0.05) * np.cos(3 * turn + np.pi) + 0.015 * smooth_field(6, rng)
    return epicardium * 0.55, np.where(shown, ellipse * corners, 0.0)


def _papillary(septum: float, rng: np.random.Generator) -> np.ndarray:
    """Anterolateral and posteromedial muscle: angle and radius as a fraction of the inner radius, (2, 2)."""
    angles = septum + np.deg2rad([rng.uniform(118, 145), -rng.uniform(108, 136)])
    return np.stack([angles, rng.uniform(0.15, 0.23, size=2)], axis=1)


def _fat(u: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Epicardial fat, mm, (DEPTHS, ANGLES); thins out over the apex, which lies bare against lung and diaphragm."""
    thickness = np.clip(rng.uniform(1.2, 3.2) + 0.6 * smooth_field(6, rng) * (0.7 + 0.5 * u), 0.2, 8.0)
    towards_apex = np.clip((u - 0.5) / 0.35, 0.0, 1.0)
    return thickness * (1.0 - 0.95 * towards_apex**2 * (3.0 - 2.0 * towards_apex))


def _ridges(scale_mm: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Trabeculae: one-sided ridges of a few degrees, running along the long axis, mm."""
    field = rough_field(4.0, 14.0, 85.0, rng)
    return np.clip(field, 0.0, 2.5) * scale_mm
