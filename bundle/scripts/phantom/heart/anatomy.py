"""One subject's body: the heart's shape, its place in the image, and the stack of slices through it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...dicom.geometry import StackGeometry
from ..parameters import PhantomParameters
from .shape import HeartShape, draw_shape

_FEWEST_SLICES, _MOST_SLICES = 8, 12
_BOX_MARGIN_PIXELS = 9


@dataclass(frozen=True)
class Anatomy:
    """Lengths in mm, in the frame of shape.py; (0, 0) is the middle of the image.

    ``matrix``: pixels along x and y. ``depth_mm``: middle of each slice, base first, (S,). ``axis_mm`` (3, 2): LV axis
    as a parabola in (depth / length - 0.5). ``slow_flow_mm``: thickest rim of standing blood. ``base_vessels`` (n, 3):
    distance from the LV axis, angle from the septum, radius of the cavities above the mitral plane; distance and
    radius as parts of the basal epicardial radius.
    """

    shape: HeartShape
    matrix: tuple[int, int]
    pixel_mm: float
    slice_thickness_mm: float
    slice_gap_mm: float
    depth_mm: np.ndarray
    axis_mm: np.ndarray
    rr_ms: float
    slow_flow_mm: float
    base_vessels: np.ndarray
    stack: StackGeometry

    @property
    def slices(self) -> int:
        return len(self.depth_mm)

    @property
    def pitch_mm(self) -> float:
        """From slice to slice."""
        return self.slice_thickness_mm + self.slice_gap_mm

    def axis_at(self, depth_mm: float | np.ndarray) -> np.ndarray:
        """LV axis in the image at a depth, mm, (..., 2)."""
        t = (np.asarray(depth_mm) / self.shape.length_mm - 0.5)[..., None]
        return self.axis_mm[0] + self.axis_mm[1] * t + self.axis_mm[2] * t**2

    def pixel_positions_mm(self, side: int) -> np.ndarray:
        """Pixel centres along x (0) or y (1)."""
        return (np.arange(self.matrix[side]) - (self.matrix[side] - 1) / 2) * self.pixel_mm

    def heart_box(self) -> tuple[slice, slice]:
        """Pixels along x and y that hold both ventricles, their fat and 9 pixels around, at every breath-hold."""
        shape = self.shape
        around = np.cos(shape.rv_angle), np.sin(shape.rv_angle)
        reach = float((shape.rv_radius_mm + shape.rv_offset_mm[:, None]).max())
        lv, fat = float(shape.epi_mm.max()), float(shape.fat_mm.max())
        across = float(shape.rv_radius_mm.max()) * 0.8
        found = []
        for side, cosine in enumerate(around):
            ends = self.axis_at(np.array([-10.0, shape.length_mm]))[:, side]
            rv = sorted((0.0, cosine * reach))
            half = across * (1 - abs(cosine))
            low = min(ends) + min(-lv, rv[0] - half) - fat - _BOX_MARGIN_PIXELS * self.pixel_mm
            high = max(ends) + max(lv, rv[1] + half) + fat + _BOX_MARGIN_PIXELS * self.pixel_mm
            at = np.searchsorted(self.pixel_positions_mm(side), (low, high))
            found.append(slice(max(int(at[0]), 0), min(int(at[1]), self.matrix[side])))
        return found[0], found[1]


def draw_anatomy(
    parameters: PhantomParameters, sex: str, dilatation: float, hypertrophy: float, rng: np.random.Generator
) -> Anatomy:
    """A random adult: field of view 300-380 mm, 6-8 mm slices, 0-4 mm gap, 8-12 slices unless the user fixed them."""
    shape = draw_shape(sex, dilatation, hypertrophy, rng)
    thickness = float(rng.choice([6.0, 7.0, 8.0, 8.0]))
    gap = parameters.slice_gap_mm
    if gap is None:
        gap = float(np.clip(rng.choice([10.0, 10.0, 9.0, thickness, thickness + 0.8]) - thickness, 0.0, 4.0))
    # The first slice shows the ventricle at rest and, when the base descends in systole, the atrium.
    first = float(rng.uniform(3.5, 9.0))
    count = parameters.slices
    if count is None:
        count = int(np.floor((shape.length_mm - 6.0 - first) / (thickness + gap)) + 1)
        count = int(np.clip(count, _FEWEST_SLICES, _MOST_SLICES))
    pixel = float(rng.uniform(1.35, 1.75))
    wide = rng.uniform(330.0, 380.0)
    high = rng.uniform(300.0, min(wide, 350.0))
    columns, rows = (int(2 * round(min(max(side, 302.0), 378.0) / pixel / 2)) for side in (wide, high))
    return Anatomy(
        shape,
        (columns, rows),
        pixel,
        thickness,
        float(gap),
        first + (thickness + gap) * np.arange(count),
        _axis(shape.length_mm, rng),
        float(np.clip(rng.normal(880.0, 130.0), 600.0, 1250.0)),
        float(rng.uniform(0.8, 2.6)),
        np.array([
            [0.34, np.pi + rng.uniform(-0.2, 0.7), rng.uniform(0.66, 0.82)],
            [0.62, rng.uniform(0.5, 0.9), rng.uniform(0.34, 0.42)],
        ]),
        _oblique_stack((columns, rows), pixel, thickness + float(gap), rng),
    )  # fmt: skip


def _axis(length_mm: float, rng: np.random.Generator) -> np.ndarray:
    """The heart lies off the middle; its axis is tilted against the stack (SD 3.5 degrees) and bent a little."""
    distance, direction = rng.uniform(12.0, 32.0), rng.uniform(0.0, 2 * np.pi)
    start = distance * np.array([np.cos(direction), np.sin(direction)])
    tilt = np.tan(np.deg2rad(np.clip(rng.normal(0.0, 3.5, size=2), -8.0, 8.0))) * length_mm
    return np.stack([start, tilt, rng.normal(0.0, 4.0, size=2)])


def _oblique_stack(matrix: tuple[int, int], pixel: float, pitch: float, rng: np.random.Generator) -> StackGeometry:
    """Double-oblique short-axis stack, base first, LPS: the long axis points left, forwards and down, +-8 degrees."""
    axis = np.array([0.66, -0.54, -0.52]) + rng.normal(0.0, 0.10, size=3)
    axis /= np.linalg.norm(axis)
    down = np.array([0.0, 0.0, -1.0]) + rng.normal(0.0, 0.15, size=3)
    column = down - (down @ axis) * axis
    column /= np.linalg.norm(column)
    row = np.cross(column, -axis)
    centre = np.array([30.0, -20.0, 10.0]) + rng.normal(0.0, 15.0, size=3)
    corner = centre - 0.5 * pixel * ((matrix[0] - 1) * row + (matrix[1] - 1) * column)
    return StackGeometry(row, column, corner, (pixel, pixel), axis * pitch)
