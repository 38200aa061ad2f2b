"""Shape of both ventricles at end-diastole, as radii over depth and angle.

Frame of a short-axis slice, mm: x to the right of the image, y down; angle 0 = right, 90 = down. With the septum at 180
the anterior wall lies near 270 and the lateral wall near 0 degrees. Depth runs from the mitral plane (0) to the apex.
Fields lie on a material grid (DEPTHS, ANGLES): rows are depths 0..length, columns angles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from . import muscles
from .forms import NORMAL, Form, Sizes, ThickSpot, draw_sizes
from .grid import ANGLE, ANGLES, DEPTHS, apart, rough_field, smooth_field

__all__ = ["ANGLE", "ANGLES", "DEPTHS", "HeartShape", "Wall", "draw_shape", "rough_field", "smooth_field"]

APEX_WALL_MM = 5.0
_HIGHEST_BASE_MM = 8.0
_BASE_EDGE_MM = 4.0


class Wall(Protocol):
    """What a lesion has to know of an LV: lengths in mm, ``septum_angle`` in radians; both radii (DEPTHS, ANGLES)."""

    @property
    def length_mm(self) -> float:
        """From the mitral plane to the apex."""

    @property
    def septum_angle(self) -> float:
        """Direction of the middle of the septum."""

    @property
    def endo_mm(self) -> np.ndarray:
        """Inner radius."""

    @property
    def epi_mm(self) -> np.ndarray:
        """Outer radius."""


@dataclass(frozen=True)
class HeartShape:
    """End-diastole. Lengths in mm, angles in radians; endo_mm, epi_mm, fat_mm, ridge_mm: (DEPTHS, ANGLES).

    ``ridge_mm``: trabeculae, how far muscle reaches into the cavity; contours count them as blood, as they do
    ``papillary`` and ``tendons``: rows of muscles.STRAND numbers. ``base_mm`` (ANGLES,): depth at which the ring of
    wall begins; below 0 it reaches beside the atrium, above 0 the outflow tract opens it. ``rv_offset_mm`` (DEPTHS,):
    from the LV axis along ``rv_angle``; ``rv_radius_mm`` (DEPTHS, ANGLES): outer surface about the RV's own axis; 0
    where there is no RV. ``fat_share``: fat in the layer around the heart, the rest shows what lies behind.
    ``bowing``: part of the inner radius that the septum moves inwards in systole by the pressure of the RV.
    """

    sex: str
    form: Form
    length_mm: float
    septum_angle: float
    endo_mm: np.ndarray
    epi_mm: np.ndarray
    fat_mm: np.ndarray
    fat_share: float
    ridge_mm: np.ndarray
    papillary: np.ndarray
    tendons: np.ndarray
    bowing: float
    base_mm: np.ndarray
    rv_angle: float
    rv_offset_mm: np.ndarray
    rv_radius_mm: np.ndarray
    rv_wall_mm: float
    rv_ridge_mm: np.ndarray
    rv_strands: np.ndarray

    @property
    def depth_mm(self) -> np.ndarray:
        """Depth of the rows, (DEPTHS,)."""
        return np.linspace(0.0, self.length_mm, DEPTHS)

    def ring(self, material_depth_mm: np.ndarray) -> np.ndarray:
        """Part of the wall's thickness that is there at end-diastolic depths (n,), 0..1, (n, ANGLES): at the base it
        fades over _BASE_EDGE_MM; nothing beyond the apex."""
        depth = material_depth_mm[:, None]
        part = np.clip((depth - self.base_mm) / _BASE_EDGE_MM + 0.5, 0.0, 1.0)
        return part * (depth < self.length_mm)

    def bowed(self, inner_mm: np.ndarray, contraction: float) -> np.ndarray:
        """Radius of the cavity (n, ANGLES), by angle in the image, with the septum moved by the RV's pressure; its area
        stays."""
        if not self.bowing or not contraction:
            return inner_mm
        facing = np.exp(-((apart(ANGLE, self.septum_angle) / 0.8) ** 2))
        bowed = inner_mm * (1.0 - self.bowing * contraction * facing).astype(np.float32)
        area = (inner_mm**2).sum(axis=1) / np.maximum((bowed**2).sum(axis=1), 1e-6)
        return bowed * np.sqrt(area).astype(np.float32)[:, None]

    @property
    def lv_strands(self) -> np.ndarray:
        """All that crosses the LV's cavity, (n, muscles.STRAND)."""
        return np.concatenate([self.papillary, self.tendons])

    @property
    def wall_volume(self) -> np.ndarray:
        """LV wall per cell of the grid, mm3, (DEPTHS, ANGLES): half (epi^2 - endo^2) per angle and depth."""
        return wall_volume(self)


def wall_volume(wall: Wall) -> np.ndarray:
    """LV wall per cell of the grid, mm3, (DEPTHS, ANGLES)."""
    cell = (2 * np.pi / ANGLES) * wall.length_mm / (DEPTHS - 1)
    return np.asarray(0.5 * (wall.epi_mm**2 - wall.endo_mm**2) * cell)


def draw_shape(
    sex: str, dilatation: float, hypertrophy: float, rng: np.random.Generator, form: Form = NORMAL
) -> HeartShape:
    """A random adult heart of a form, by sex; ``dilatation`` scales the normal cavity, ``hypertrophy`` the wall."""
    sizes = draw_sizes(form, sex, dilatation, hypertrophy, rng)
    septum = _septum_angle(rng)
    endo, epi = _left_ventricle(sizes, septum, rng)
    rv_angle = septum + float(np.deg2rad(rng.uniform(-8.0, 14.0)))
    offset, radius = _right_ventricle(endo, epi, sizes, rv_angle, rng)
    return HeartShape(
        sex=sex,
        form=form,
        length_mm=sizes.length_mm,
        septum_angle=septum,
        endo_mm=endo,
        epi_mm=epi,
        fat_mm=muscles.draw_fat(septum, rng),
        fat_share=float(rng.uniform(0.35, 0.95)),
        ridge_mm=muscles.draw_lv_ridges(endo, sizes.wall_mm, septum, rng),
        papillary=muscles.draw_papillary(septum, sizes.inner_mm, sizes.wall_mm, rng),
        tendons=muscles.draw_tendons(septum, rng),
        bowing=sizes.bowing,
        base_mm=_base(septum, rng),
        rv_angle=rv_angle,
        rv_offset_mm=offset,
        rv_radius_mm=radius,
        rv_wall_mm=sizes.rv_wall_mm,
        rv_ridge_mm=muscles.draw_rv_ridges(rng),
        rv_strands=muscles.draw_rv_strands(rv_angle, sizes.rv_wall_mm, rng),
    )


def _septum_angle(rng: np.random.Generator) -> float:
    """Direction of the RV on the screen, 120 to 240 degrees, most often 150 to 200."""
    often = float(np.clip(rng.normal(175.0, 16.0), 120.0, 240.0))
    return float(np.deg2rad(often if rng.random() < 0.55 else rng.uniform(120.0, 240.0)))


def _left_ventricle(sizes: Sizes, septum: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Truncated super-ellipsoids, closed at the apex, a little out of round; the wall tapers from base to apex."""
    u = np.linspace(0.0, 1.0, DEPTHS)[:, None]
    inner, length = sizes.inner_mm, sizes.length_mm
    power = rng.uniform(2.9, 3.9) - 0.5 * sizes.round
    base = np.clip(0.94 - 0.04 * sizes.round + 0.30 * u, 0.0, 1.0)
    inside = np.clip(1.0 - (u * length / (length - APEX_WALL_MM)) ** power, 0.0, 1.0) ** 0.5 * base
    outside = np.clip(1.0 - u**power, 0.0, 1.0) ** 0.5 * base
    oval = rng.uniform(0.01, 0.06) * np.cos(2 * (ANGLE[None, :] - rng.uniform(0, np.pi)))
    endo = inner * inside * (1.0 + oval + 0.010 * smooth_field(7, rng))
    across = (inner + 1.10 * sizes.wall_mm) * outside - inner * inside
    taper = 1.0 - rng.uniform(0.31, 0.44) * u**1.5
    around = np.clip(1.0 + 0.09 * np.cos(ANGLE[None, :] - septum) + 0.045 * smooth_field(5, rng), 0.8, 1.25)
    wall = np.maximum(across, 0.0) * taper * around * _thicker(sizes.thick, septum, u)
    if sizes.flat > 0:
        endo = _flattened(endo, wall, sizes.flat, septum, u)
    return endo, endo + wall


def _thicker(spot: ThickSpot, septum: float, u: np.ndarray) -> np.ndarray:
    """Factor of the wall's thickness, (DEPTHS, ANGLES), 1 outside the spot."""
    turn = apart(ANGLE[None, :], septum + spot.angle) / spot.around
    depth = (u - spot.depth) / spot.along
    return 1.0 + (spot.factor - 1.0) * np.exp(-0.7 * turn**2 - 0.7 * depth**2)


def _flattened(endo: np.ndarray, wall: np.ndarray, flat: float, septum: float, u: np.ndarray) -> np.ndarray:
    """The cavity with its septum pressed in, so that the LV is D-shaped; the wall keeps its thickness.

    The septum lies on a chord between the insertions of the RV instead of on the circle, ``flat`` of the way.
    """
    facing = np.maximum(np.cos(apart(ANGLE[None, :], septum)), 1e-3)
    outside = (endo + wall).mean(axis=1, keepdims=True)
    chord = 0.55 * outside / facing - wall
    bounded = np.maximum(endo, 1e-6)
    softly = (bounded**-6.0 + np.maximum(chord, 0.25 * bounded) ** -6.0) ** (-1.0 / 6.0)
    part = flat * np.clip((0.95 - u) / 0.25, 0.0, 1.0)
    return endo * (1.0 - part) + np.minimum(softly, endo) * part


def _base(septum: float, rng: np.random.Generator) -> np.ndarray:
    """Depth where the ring of wall begins, mm, (ANGLES,): late at the outflow tract, early at the lateral wall.

    The median is 0: half of the ring is there in the mitral plane, where readers begin to call it ventricle.
    """
    outflow = septum + rng.uniform(0.1, 0.9)
    tilt = rng.uniform(1.0, 5.0) * np.cos(apart(ANGLE, septum + rng.uniform(-0.6, 0.9)))
    gap = rng.uniform(2.0, 9.0) * np.exp(-((apart(ANGLE, outflow) / rng.uniform(0.4, 0.8)) ** 2))
    field = tilt + gap
    return np.clip(field - np.median(field), -_HIGHEST_BASE_MM, _HIGHEST_BASE_MM)


def _right_ventricle(
    endo: np.ndarray, epi: np.ndarray, sizes: Sizes, rv_angle: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """RV behind the septum, from a crescent to a ball: as wide as its volume asks for, smaller towards the apex."""
    u = np.linspace(0.0, 1.0, DEPTHS)
    epicardium = epi.mean(axis=1)
    end = 0.95 - 0.2 * rng.beta(1.0, 2.0)
    size = np.clip(1.0 - (u / end) ** rng.uniform(1.4, 2.6), 0.0, 1.0) ** rng.uniform(0.45, 0.8)
    turn = apart(ANGLE[None, :], rv_angle)
    outflow = rng.uniform(0.0, 0.32) * np.exp(-((apart(turn, rng.uniform(0.9, 1.5)) / 0.6) ** 2))
    bulge = rng.uniform(-0.05, 0.14) * np.exp(-((apart(turn, rng.uniform(-1.4, 1.0)) / 0.5) ** 2))
    corners = 1.0 + rng.uniform(0.0, 0.07) * np.cos(3 * turn + np.pi) + 0.025 * smooth_field(6, rng)
    outline = corners + outflow * np.clip(1.0 - u / 0.5, 0.0, 1.0)[:, None] + bulge
    # Below 2 the outline has corners towards both insertions and the free wall, at 2 it is an ellipse.
    corner = rng.uniform(1.45, 2.2)
    slim, offset = rng.uniform(0.35, 0.95), rng.uniform(0.5, 0.8) * epicardium

    def surface(scale: float) -> np.ndarray:
        across = (epicardium * (1.0 + slim * (scale - 1.0)) * size)[:, None]
        along = (epicardium - offset + epicardium.max() * (1.3 * scale - 0.45) * size)[:, None]
        # Behind its own axis it ends inside the LV, whatever its size.
        along = np.where(np.cos(turn) >= 0, along, np.minimum(along, (offset + 0.3 * epicardium)[:, None]))
        sides = np.abs(np.cos(turn) / np.maximum(along, 1e-6)), np.abs(np.sin(turn) / np.maximum(across, 1e-6))
        pointed = (sides[0] ** corner + sides[1] ** corner) ** (-1.0 / corner)
        return np.where((size > 0.12)[:, None], pointed * outline, 0.0)

    wanted = sizes.rv_ratio * float(0.5 * (endo**2).sum() * (2 * np.pi / ANGLES))
    low, high = 0.55, 2.6
    for _ in range(12):
        middle = 0.5 * (low + high)
        found = _rv_area(surface(middle) - sizes.rv_wall_mm, offset, epi, rv_angle)
        low, high = (middle, high) if found < wanted else (low, middle)
    return offset, surface(0.5 * (low + high))


def _rv_area(radius: np.ndarray, offset: np.ndarray, epi: np.ndarray, rv_angle: float) -> float:
    """Area of the RV outside the LV summed over the rows, mm2, from every sixth row and angle."""
    rows, columns, steps = slice(0, None, 6), slice(0, None, 6), (np.arange(16) + 0.5) / 16
    reach = np.maximum(radius[rows, columns], 0.0)[..., None]
    r = reach * steps
    x = offset[rows][:, None, None] * np.cos(rv_angle) + r * np.cos(ANGLE[columns])[None, :, None]
    y = offset[rows][:, None, None] * np.sin(rv_angle) + r * np.sin(ANGLE[columns])[None, :, None]
    ray = np.rint(np.arctan2(y, x) * (ANGLES / (2 * np.pi))).astype(int) % ANGLES
    outside = np.hypot(x, y) > epi[rows][np.arange(reach.shape[0])[:, None, None], ray]
    return float((r * outside * reach / steps.size).sum() * (2 * np.pi / reach.shape[1]) * 6)
