"""Series a hospital sends beside the short-axis stacks: localiser, long-axis cines, magnitude LGE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import map_coordinates

from ...dicom.geometry import StackGeometry
from ..heart import tissue
from ..heart.anatomy import Anatomy
from ..heart.motion import Motion, contraction_at
from ..heart.pathology import Pathology
from ..heart.render import HeartRenderer
from . import signal
from .acquisition import CINE_BLOOD_LEVEL, Examination, between, cine_levels

_STEP_MM = 3.0
_ABOVE_MM, _BELOW_MM = 45.0, 30.0
_STATES = 7
_LONG_AXIS = {"2ch": 90.0, "3ch": 35.0, "4ch": 0.0}  # degrees from the middle of the septum
_LONG_AXIS_SIZE, _LONG_AXIS_PIXEL_MM, _LONG_AXIS_THICKNESS_MM, _LONG_AXIS_PITCH_MM = 160, 1.6, 6.0, 8.0
_LOCALISER_SIZE, _LOCALISER_PIXEL_MM, _LOCALISER_THICKNESS_MM = 128, 2.6, 10.0
# Row and column directions in LPS.
_LOCALISER = {
    "axial": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "coronal": ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    "sagittal": ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
}


def further_views(
    anatomy: Anatomy,
    pathology: Pathology,
    motion: Motion,
    exam: Examination,
    fractions: Sequence[float],
    rng: np.random.Generator,
    long_axis_slices: int = 1,
) -> tuple[View, ...]:
    """Localiser (3 planes), cines in 2-, 3- and 4-chamber view, and the magnitude LGE where the LGE is a PSIR.

    ``long_axis_slices``: parallel slices of each long-axis cine, the middle one through the heart's axis.
    """
    body = _Volume(anatomy, pathology, motion, exam)
    found = [body.localiser(name, rng) for name in _LOCALISER]
    found += [body.long_axis(name, fractions, rng, long_axis_slices) for name in _LONG_AXIS]
    if exam.protocol.lge.kind == "psir":
        image = exam.lge(rng, "magnitude")[..., None]
        found.append(View("lge_magnitude", "mag", image, anatomy.stack, anatomy.slice_thickness_mm))
    return tuple(found)


class _Volume:
    """Noise-free bSSFP images of thin short-axis levels at a few moments, to cut other planes from."""

    def __init__(self, anatomy: Anatomy, pathology: Pathology, motion: Motion, exam: Examination) -> None:
        self.anatomy, self.exam = anatomy, exam
        self._depth = np.arange(-_ABOVE_MM, anatomy.shape.length_mm + _BELOW_MM, _STEP_MM)
        heart = HeartRenderer(anatomy, pathology, motion, None, self._depth, _STEP_MM, layers=1)
        levels = cine_levels(exam.tissues, exam.protocol)
        levels = levels * (CINE_BLOOD_LEVEL / levels[tissue.LV_BLOOD])
        chest = exam.surroundings(levels)
        at = np.clip((self._depth - anatomy.depth_mm[0]) / anatomy.pitch_mm, 0, anatomy.slices - 1)
        raw = chest[np.rint(at).astype(int)]
        self._resting = raw
        self._box = anatomy.heart_box()
        self._states = [
            (contraction, exam.heart(raw, levels, heart.fractions(contraction)))
            for contraction in np.linspace(0.0, 1.0, _STATES).tolist()
        ]

    def long_axis(self, name: str, fractions: Sequence[float], rng: np.random.Generator, slices: int) -> View:
        """A cine with the apex at the top and, in four chambers, the right heart on the left."""
        anatomy, stack = self.anatomy, self.anatomy.stack
        angle = anatomy.shape.septum_angle + np.deg2rad(_LONG_AXIS[name])
        axis = stack.slice_step_mm / np.linalg.norm(stack.slice_step_mm)
        row = -np.cos(angle) * stack.row_cosines - np.sin(angle) * stack.column_cosines
        middle = anatomy.shape.length_mm * 0.45
        x, y = anatomy.axis_at(np.array(middle))
        centre = self._patient_mm(x, y, middle)
        step = np.cross(row, -axis) * _LONG_AXIS_PITCH_MM
        planes = [
            _plane(row, -axis, centre + place * step, _LONG_AXIS_SIZE, _LONG_AXIS_PIXEL_MM, _LONG_AXIS_THICKNESS_MM)
            for place in np.arange(slices) - (slices - 1) / 2
        ]
        frames = [
            [self._cut(plane, _LONG_AXIS_SIZE, contraction_at(fraction), rng) for fraction in fractions]
            for plane in planes
        ]
        pixels = np.stack([np.stack(one, axis=-1) for one in frames], axis=2)
        stack = planes[0] if slices == 1 else replace(planes[0], slice_step_mm=step)
        return View("cine_long_axis", name, pixels, stack, _LONG_AXIS_THICKNESS_MM)

    def localiser(self, name: str, rng: np.random.Generator) -> View:
        x, y = self.anatomy.axis_at(np.array(self.anatomy.shape.length_mm / 2))
        centre = self._patient_mm(x, y, self.anatomy.shape.length_mm / 2)
        row, column = (np.array(direction) for direction in _LOCALISER[name])
        plane = _plane(row, column, centre, _LOCALISER_SIZE, _LOCALISER_PIXEL_MM, _LOCALISER_THICKNESS_MM)
        image = self._cut(plane, _LOCALISER_SIZE, 0.2, rng)
        return View("localiser", name, image[:, :, None, None], plane, _LOCALISER_THICKNESS_MM)

    def _cut(self, plane: StackGeometry, size: int, contraction: float, rng: np.random.Generator) -> np.ndarray:
        """Image (x, y), int16, of a plane; beyond the levels the chest goes on unchanged."""
        volume = self._resting.copy()
        volume[(slice(None), *self._box)] = between(self._states, contraction)
        steps = np.arange(size)
        points = plane.position_mm + plane.spacing_mm[0] * (
            steps[:, None, None] * plane.row_cosines + steps[None, :, None] * plane.column_cosines
        )
        at = self._voxels(points)
        image = np.abs(map_coordinates(volume, at, order=1, mode="nearest"))
        real, imaginary = rng.standard_normal((2, *image.shape), dtype=np.float32)
        sigma = CINE_BLOOD_LEVEL / self.exam.protocol.cine.snr
        noisy = signal.magnitude(image.astype(np.float32), sigma, real, imaginary)
        return np.clip(np.rint(noisy), 0, 4095).astype(np.int16)

    def _voxels(self, points_mm: np.ndarray) -> np.ndarray:
        """LPS points (..., 3) to (level, x, y) of the volume, (3, ...)."""
        stack, anatomy = self.anatomy.stack, self.anatomy
        offset = points_mm - stack.position_mm
        normal = stack.slice_step_mm / np.linalg.norm(stack.slice_step_mm)
        depth = anatomy.depth_mm[0] + offset @ normal
        return np.stack([
            (depth - self._depth[0]) / _STEP_MM,
            offset @ stack.row_cosines / stack.spacing_mm[0],
            offset @ stack.column_cosines / stack.spacing_mm[1],
        ])  # fmt: skip

    def _patient_mm(self, x_mm: float, y_mm: float, depth_mm: float) -> np.ndarray:
        """A point of the image's frame at a depth, in LPS."""
        stack, anatomy = self.anatomy.stack, self.anatomy
        normal = stack.slice_step_mm / np.linalg.norm(stack.slice_step_mm)
        right, down = x_mm - anatomy.pixel_positions_mm(0)[0], y_mm - anatomy.pixel_positions_mm(1)[0]
        along = (depth_mm - anatomy.depth_mm[0]) * normal
        return stack.position_mm + right * stack.row_cosines + down * stack.column_cosines + along


def _plane(
    row: np.ndarray, column: np.ndarray, centre: np.ndarray, size: int, pixel_mm: float, thickness_mm: float
) -> StackGeometry:
    corner = centre - 0.5 * pixel_mm * (size - 1) * (row + column)
    return StackGeometry(row, column, corner, (pixel_mm, pixel_mm), np.cross(row, column) * thickness_mm)


@dataclass(frozen=True)
class View:
    """A series beside the short-axis stacks, as a hospital sends it.

    ``kind``: localiser, cine_long_axis or lge_magnitude. ``name``: such as "2ch", "axial". ``pixels``: (x, y, slice,
    phase), int16, >= 0. ``stack``: geometry in the patient frame (LPS, mm).
    """

    kind: str
    name: str
    pixels: np.ndarray
    stack: StackGeometry
    slice_thickness_mm: float
