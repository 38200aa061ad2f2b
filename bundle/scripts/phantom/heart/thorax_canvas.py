"""What the chest is painted on: tissue shares of every slice, in the frame of a body that lies turned in the image."""

from __future__ import annotations

import numpy as np

from ..smooth_fields import grid_noise
from . import tissue
from .anatomy import Anatomy
from .shape import ANGLE, ANGLES, DEPTHS

CODES = (
    tissue.AIR, tissue.FAT, tissue.ARTERY, tissue.MUSCLE, tissue.LIVER, tissue.LUNG, tissue.MARROW, tissue.SPLEEN,
)  # fmt: skip
BODY = CODES[1:]
# Septum of a body that is not turned: in the middle of where a standard short axis shows it.
UPRIGHT_SEPTUM_DEG = 187.0
# The heart does not lie alike in every chest: scatter of the body about the septum's direction.
_TURN_SD_DEG, _LARGEST_TURN_DEG = 20.0, 45.0
# Organs are nowhere round: displacement of the coordinates, grain and standard deviation, mm.
_BENDS_MM = ((60.0, 4.5), (26.0, 1.6), (11.0, 0.7))
_LARGE = np.float32(1e3)


class Canvas:
    """Shares (len(CODES), S, X, Y), float32, summing to 1, air at first.

    ``u``, ``v``: (S, X, Y), mm from the middle of the heart, to the left lung and downwards in the body's own frame,
    bent a little, so that straight lines and ellipses in them are uneven on the screen. ``turn``: of the body on the
    screen, radians, clockwise. ``beyond_heart``: mm outside both ventricles, negative inside.
    """

    def __init__(self, anatomy: Anatomy, rng: np.random.Generator) -> None:
        self.anatomy, self.pixel_mm = anatomy, anatomy.pixel_mm
        self.slices = anatomy.slices
        self.turn = body_turn(anatomy, rng)
        self.shares = np.zeros((len(CODES), self.slices, *anatomy.matrix), dtype=np.float32)
        self.shares[0] = 1.0
        x, y = (anatomy.pixel_positions_mm(side) for side in (0, 1))
        self._middle = anatomy.axis_at(anatomy.shape.length_mm / 2)
        dx, dy = np.meshgrid(x - self._middle[0], y - self._middle[1], indexing="ij")
        cosine, sine = np.cos(self.turn), np.sin(self.turn)
        self.u = (cosine * dx + sine * dy).astype(np.float32) + self._bend(rng)
        self.v = (cosine * dy - sine * dx).astype(np.float32) + self._bend(rng)
        rows = np.clip(anatomy.depth_mm / anatomy.shape.length_mm, 0.0, 1.0) * (DEPTHS - 1)
        self._rows = np.rint(rows).astype(int)
        self.beyond_heart = self._beyond_heart(x, y)

    def noise(
        self, grain_mm: float, rng: np.random.Generator, window: tuple = (slice(None), slice(None))
    ) -> np.ndarray:
        """Random field of mean 0 and SD 1 in ``window``, changing slowly from slice to slice."""
        shape = self.u[(slice(None), *window)].shape
        return grid_noise(shape, max(grain_mm / self.pixel_mm, 1.0), rng, persistence=0.75)

    def inside(self, distance: np.ndarray, soft: float = 1.0) -> np.ndarray:
        """Share of a pixel inside, from mm within the surface; ``soft``: width of the edge in pixels."""
        return np.clip(distance * np.float32(1 / (soft * self.pixel_mm)) + np.float32(0.5), 0.0, 1.0)

    def share(self, code: int) -> np.ndarray:
        return self.shares[CODES.index(code)]

    def paint(
        self,
        code: int,
        alpha: np.ndarray,
        only: tuple[int, ...] = CODES,
        window: tuple = (slice(None), slice(None)),
    ) -> None:
        """``code`` over what is there, by the share ``alpha``; ``only``: replaces just these tissues."""
        here = self.shares[(slice(None), slice(None), *window)]
        taken = np.zeros_like(here[0])
        for one in only:
            part = here[CODES.index(one)] * alpha
            here[CODES.index(one)] -= part
            taken += part
        here[CODES.index(code)] += taken

    def window(self, u_mm: np.ndarray, v_mm: np.ndarray, reach_mm: float) -> tuple[slice, slice]:
        """Pixels along x and y around points of the body's frame, one per slice or one for all."""
        x, y = self.on_screen(np.atleast_1d(u_mm), np.atleast_1d(v_mm))
        found = []
        for side, at in enumerate((x, y)):
            wide = reach_mm + 3 * _BENDS_MM[0][1]
            ends = np.searchsorted(self.anatomy.pixel_positions_mm(side), (at.min() - wide, at.max() + wide))
            found.append(slice(int(ends[0]), int(ends[1])))
        return found[0], found[1]

    def on_screen(self, u_mm: np.ndarray, v_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Image coordinates, mm, of a point of the body's frame."""
        cosine, sine = np.cos(self.turn), np.sin(self.turn)
        return (
            self._middle[0] + cosine * np.asarray(u_mm) - sine * np.asarray(v_mm),
            self._middle[1] + sine * np.asarray(u_mm) + cosine * np.asarray(v_mm),
        )

    def ellipse(
        self, u_mm: np.ndarray, v_mm: np.ndarray, half_mm: tuple, lean: float, window: tuple[slice, slice]
    ) -> np.ndarray:
        """Distance in mm within an ellipse, (S, x, y) of ``window``: a centre per slice, axis at ``lean`` radians."""
        here = (slice(None), *window)
        du = self.u[here] - np.reshape(u_mm, (-1, 1, 1)).astype(np.float32)
        dv = self.v[here] - np.reshape(v_mm, (-1, 1, 1)).astype(np.float32)
        c, s = np.float32(np.cos(lean)), np.float32(np.sin(lean))
        along, across = np.float32(half_mm[0]), np.float32(half_mm[1])
        return (1.0 - np.hypot((c * du + s * dv) / along, (c * dv - s * du) / across)) * min(along, across)

    def reach(self, angle: float) -> np.ndarray:
        """How far the heart extends in a direction of the body's frame, mm, per slice, (S,)."""
        shape, screen = self.anatomy.shape, angle + self.turn
        facing = np.cos(ANGLE - screen)
        left = (shape.epi_mm[self._rows] * facing).max(axis=1)
        radius, offset = shape.rv_radius_mm[self._rows], shape.rv_offset_mm[self._rows]
        right = offset * np.cos(shape.rv_angle - screen) + (radius * facing).max(axis=1)
        axis = self.anatomy.axis_at(self.anatomy.depth_mm) - self._middle
        moved = axis[:, 0] * np.cos(screen) + axis[:, 1] * np.sin(screen)
        return np.where(radius.max(axis=1) > 0, np.maximum(left, right), left) + moved

    def _bend(self, rng: np.random.Generator) -> np.ndarray:
        found = np.zeros((self.slices, *self.anatomy.matrix), dtype=np.float32)
        for grain, sd in _BENDS_MM:
            found += np.float32(sd) * grid_noise(found.shape, grain / self.pixel_mm, rng, persistence=0.85)
        return found

    def _beyond_heart(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """(S, X, Y), mm along rays from the axes of both ventricles, the smaller one."""
        shape = self.anatomy.shape
        centre = self.anatomy.axis_at(self.anatomy.depth_mm)
        found = np.empty(self.u.shape, dtype=np.float32)
        rv = shape.rv_offset_mm[self._rows, None] * np.array([np.cos(shape.rv_angle), np.sin(shape.rv_angle)])
        for level, row in enumerate(self._rows):
            found[level] = _beyond(x, y, centre[level], shape.epi_mm[row])
            if shape.rv_radius_mm[row].any():
                right = _beyond(x, y, centre[level] + rv[level], shape.rv_radius_mm[row])
                np.minimum(found[level], right, out=found[level])
        return found


def body_turn(anatomy: Anatomy, rng: np.random.Generator) -> float:
    """Rotation of the body on the screen, radians: the septum shows how the plane was planned, with a scatter."""
    scatter = float(np.clip(rng.normal(0.0, _TURN_SD_DEG), -_LARGEST_TURN_DEG, _LARGEST_TURN_DEG))
    return anatomy.shape.septum_angle - float(np.deg2rad(UPRIGHT_SEPTUM_DEG - scatter))


def _beyond(x: np.ndarray, y: np.ndarray, centre: np.ndarray, radius_mm: np.ndarray) -> np.ndarray:
    dx, dy = (x - centre[0]).astype(np.float32)[:, None], (y - centre[1]).astype(np.float32)[None, :]
    ray = (np.arctan2(dy, dx) * np.float32(ANGLES / (2 * np.pi)) + ANGLES + 0.5).astype(np.int32) % ANGLES
    outline = np.where(radius_mm > 0, radius_mm, -_LARGE).astype(np.float32)
    return np.hypot(dx, dy) - outline[ray]
