"""One subject's body: the heart's shape, its place in the image, and the stack of slices through it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...dicom.geometry import StackGeometry
from ..parameters import PhantomParameters
from .forms import NORMAL, Form
from .shape import ANGLE, HeartShape, draw_shape

_FEWEST_SLICES, _MOST_SLICES = 7, 14
# Slices that the stack begins above the mitral plane, and ends beyond the apex (below 0: short of it); their shares.
_ABOVE_BASE = ((0, 1, 2), (0.50, 0.35, 0.15))
_BEYOND_APEX = ((-1, 0, 1, 2), (0.12, 0.48, 0.28, 0.12))
_BOX_MARGIN_PIXELS = 9


@dataclass(frozen=True)
class Anatomy:
    """Lengths in mm, in the frame of shape.py; (0, 0) is the middle of the image.

    ``matrix``: pixels along x and y. ``depth_mm``: middle of each slice, base first, (S,). ``axis_mm`` (3, 2): LV axis
    as a parabola in (depth / length - 0.5). ``slow_flow_mm``: thickest rim of standing blood. ``base_vessels`` (n, 7):
    cavities above the mitral plane: distance from the LV axis, angle from the septum, radius, height in mm at which
    they begin and that over which they close, length over width and its angle from the septum; distance and radius as
    parts of the basal epicardial radius.
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
        fat = shape.fat_mm.max(axis=1)
        lv = shape.epi_mm.max(axis=1) + fat
        rv = np.where(shape.rv_radius_mm > 0, shape.rv_radius_mm + fat[:, None], 0.0)
        above = self.axis_at(np.array([0.0, min(float(self.depth_mm[0]) - self.slice_thickness_mm, -10.0)]))
        base = float(shape.epi_mm[0].mean()) * self.base_vessels[:, :3]
        base[:, 2] *= np.sqrt(self.base_vessels[:, 5])
        found = []
        for side, along in enumerate((np.cos, np.sin)):
            axis = self.axis_at(shape.depth_mm)[:, side]
            right = (axis + shape.rv_offset_mm * along(shape.rv_angle))[:, None] + rv * along(ANGLE)
            vessel = base[:, 0] * along(shape.septum_angle + self.base_vessels[:, 1])
            low = min((axis - lv).min(), right.min(), (above[:, side].min() + vessel - base[:, 2]).min())
            high = max((axis + lv).max(), right.max(), (above[:, side].max() + vessel + base[:, 2]).max())
            margin = _BOX_MARGIN_PIXELS * self.pixel_mm
            at = np.searchsorted(self.pixel_positions_mm(side), (low - margin, high + margin))
            found.append(slice(max(int(at[0]), 0), min(int(at[1]), self.matrix[side])))
        return found[0], found[1]


def draw_anatomy(
    parameters: PhantomParameters,
    sex: str,
    dilatation: float,
    hypertrophy: float,
    rng: np.random.Generator,
    form: Form = NORMAL,
) -> Anatomy:
    """A random adult: field of view 300-380 mm, 6-8 mm slices, 0-4 mm gap, 7-14 slices unless the user fixed them."""
    shape = draw_shape(sex, dilatation, hypertrophy, rng, form)
    thickness = float(rng.choice([6.0, 7.0, 8.0, 8.0]))
    gap = parameters.slice_gap_mm
    if gap is None:
        gap = float(np.clip(rng.choice([10.0, 10.0, 9.0, thickness, thickness + 0.8]) - thickness, 0.0, 4.0))
    depth = _levels(shape.length_mm, thickness + float(gap), parameters.slices, rng)
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
        depth,
        _axis(shape.length_mm, rng),
        float(np.clip(rng.normal(880.0, 130.0), 600.0, 1250.0)),
        float(rng.uniform(0.8, 2.6)),
        _base_vessels(rng),
        _oblique_stack((columns, rows), pixel, thickness + float(gap), rng),
    )


def _levels(length_mm: float, pitch_mm: float, slices: int | None, rng: np.random.Generator) -> np.ndarray:
    """Middles of the slices, mm: up to two above the mitral plane, from one short of the apex to two beyond it.

    A stack whose number of slices is fixed begins at the base.
    """
    # The first slice of the ventricle shows it at rest and, when the base descends in systole, the atrium.
    first = float(rng.uniform(3.5, 9.0))
    above, beyond = (int(rng.choice(places, p=chances)) for places, chances in (_ABOVE_BASE, _BEYOND_APEX))
    if slices is not None:
        return first + pitch_mm * np.arange(slices)
    within = int(np.floor((length_mm - 6.0 - first) / pitch_mm) + 1)
    count = int(np.clip(within + above + beyond, max(_FEWEST_SLICES, above + 3), _MOST_SLICES))
    return first + pitch_mm * (np.arange(count) - above)


def _base_vessels(rng: np.random.Generator) -> np.ndarray:
    """Left atrium, aortic root, right atrium, pulmonary trunk; in this order one takes the place of the next."""
    rows = np.array([
        [rng.uniform(0.12, 0.34), np.pi + rng.uniform(-0.5, 0.7), rng.uniform(0.66, 0.86), 0, rng.uniform(34.0, 48.0)],
        [rng.uniform(0.45, 0.68), rng.uniform(0.3, 0.9), rng.uniform(0.34, 0.44), 0.0, 80.0],
        [rng.uniform(1.05, 1.35), -rng.uniform(0.3, 0.8), rng.uniform(0.5, 0.8), 7.0, rng.uniform(34.0, 48.0)],
        [rng.uniform(1.0, 1.25), rng.uniform(1.1, 1.7), rng.uniform(0.3, 0.42), 4.0, 70.0],
    ])  # fmt: skip
    oval = 1.0 + rng.uniform(0.0, [0.5, 0.12, 0.5, 0.3])
    return np.column_stack([rows, oval, rng.uniform(0.0, np.pi, len(rows))])


def _axis(length_mm: float, rng: np.random.Generator) -> np.ndarray:
    """The heart lies off the middle; its axis is tilted against the stack (SD 4.5 degrees) and bent a little."""
    distance, direction = rng.uniform(12.0, 32.0), rng.uniform(0.0, 2 * np.pi)
    start = distance * np.array([np.cos(direction), np.sin(direction)])
    tilt = np.tan(np.deg2rad(np.clip(rng.normal(0.0, 4.5, size=2), -11.0, 11.0))) * length_mm
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
