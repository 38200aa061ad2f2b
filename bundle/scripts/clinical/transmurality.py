"""Transmurality of the infarct: centreline chords, their infarcted share, grades."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..conventions import NotMeasurable
from .contours import (
    RAYS,
    Contours,
    centreline,
    in_plane_matrix,
    lv_contours,
    lv_wall,
    require_infarct_in_wall,
    ring_slices,
)
from .volumes import structure_mask

CHORDS = 100  # per slice, the usual number
LINES = 10  # per chord, side by side over its hundredth of the arc: a segment holds no whole number of chords
_SAMPLES = 128  # per line
_NEIGHBOURHOOD = RAYS // 8  # points of a contour on either side where a line is looked for: 45 degrees
# Name of a grade -> its upper bound, percent, included; grade "0" is exactly no infarct.
GRADES = {"0": 0.0, "1-25": 25.0, "26-50": 50.0, "51-75": 75.0, "76-100": 100.0}


@dataclass(frozen=True)
class Chords:
    """Chords of all ring slices, one per row: ``slice_index`` (n,); ``midpoint`` (n, LINES, 2), pixels (x, y);
    ``infarcted_percent`` (n, LINES), 0..100, NaN where the label map has no wall on the line."""

    slice_index: np.ndarray
    midpoint: np.ndarray
    infarcted_percent: np.ndarray

    def mean_percent(self) -> np.ndarray:
        """Transmurality of each chord, (n,), the mean of its lines; NaN without wall."""
        lines = np.ma.masked_invalid(self.infarcted_percent)
        return lines.mean(axis=1).filled(np.nan)


def wall_chords(label: np.ndarray, affine: np.ndarray) -> Chords:
    """CHORDS chords per slice with a full ring of wall.

    The centreline lies as far from the endo- as from the epicardial contour. Chords stand on it at equal arc lengths,
    perpendicular, and end at the contours; each gives the share of its wall that is infarct, no-reflow included, the
    mean of LINES lines within its part of the arc.

    Args:
        label: (X, Y, S), disk codes. affine: (4, 4), voxel to mm.
    Raises:
        NotMeasurable: no slice has a full ring, all infarct lies outside the wall, or the pixel size is unknown.
    Source: centreline method, Sheehan et al., Circulation 1986;74:293; infarcted share as in visual transmurality.
    """
    to_mm = in_plane_matrix(affine)
    rings = ring_slices(label, to_mm)
    if not rings:
        raise NotMeasurable("no slice shows an LV wall that closes around a cavity")
    require_infarct_in_wall(label)
    parts = [_slice_chords(label[..., s], to_mm) for s in rings]
    midpoint, percent = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Chords(np.repeat(rings, CHORDS), midpoint, percent)


def mean_transmurality_percent(chords: Chords, infarcted_only: bool = False) -> float:
    """Mean infarcted share of the chords, 0..100; ``infarcted_only``: of those that meet infarct.

    Raises:
        NotMeasurable: there is no such chord.
    """
    percent = chords.mean_percent()
    percent = percent[np.isfinite(percent)]
    if infarcted_only:
        percent = percent[percent > 0]
    if not percent.size:
        raise NotMeasurable("no chord meets infarct" if infarcted_only else "no chord meets the LV wall")
    return float(percent.mean())


def grade(percent: float) -> str:
    """Name of the grade, one of GRADES, of a transmurality in percent.

    Raises:
        NotMeasurable: the transmurality is NaN or outside 0..100.
    """
    if not 0.0 <= percent <= 100.0:
        raise NotMeasurable(f"a transmurality of {percent} % has no grade, expected 0..100")
    return next(name for name, upper in GRADES.items() if percent <= upper)


def grade_counts(percent: np.ndarray) -> dict[str, int]:
    """How many of ``percent`` (n,), NaN left out, fall into each of GRADES."""
    names = [grade(value) for value in np.asarray(percent, dtype=np.float64) if np.isfinite(value)]
    return {name: names.count(name) for name in GRADES}


def _slice_chords(plane: np.ndarray, to_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Midpoints, pixels, (CHORDS, LINES, 2), and infarcted shares, percent, (CHORDS, LINES), of one slice."""
    contours = lv_contours(plane, to_mm)
    point, inner, outer = chord_ends(contours)
    part = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    to_pixels = np.linalg.inv(to_mm).T
    sample = (inner[:, None] + part[:, None] * (outer - inner)[:, None]) @ to_pixels + contours.centre
    pixel = np.clip(np.rint(sample).astype(int), 0, np.array(plane.shape) - 1)
    wall = lv_wall(plane)
    on_wall = wall[pixel[..., 0], pixel[..., 1]]
    on_infarct = (wall & structure_mask(plane, "infarct"))[pixel[..., 0], pixel[..., 1]]
    length, infarct = on_wall.sum(axis=1), on_infarct.sum(axis=1)
    percent = np.where(length > 0, 100.0 * infarct / np.maximum(length, 1), np.nan)
    middle = point @ to_pixels + contours.centre
    return middle.reshape(CHORDS, LINES, 2), percent.reshape(CHORDS, LINES)


def chord_ends(contours: Contours) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points on the centreline at equal arc lengths and the ends of their lines on endo- and epicardial contour.

    Returns:
        Three arrays (CHORDS * LINES, 2), mm from the centre of the contours.
    """
    midline = centreline(contours)
    closed = np.vstack([midline, midline[:1]])
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    at = (np.arange(CHORDS * LINES) + 0.5) * arc[-1] / (CHORDS * LINES)
    point, ahead, behind = (_at_arc(closed, arc, at + shift) for shift in (0.0, arc[-1] / 200, -arc[-1] / 200))
    tangent = ahead - behind
    normal = np.column_stack([tangent[:, 1], -tangent[:, 0]])  # outwards: the midline runs with growing angle
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return point, _hit(point, -normal, contours.endo), _hit(point, normal, contours.epi)


def _at_arc(closed: np.ndarray, arc: np.ndarray, at: np.ndarray) -> np.ndarray:
    at = at % arc[-1]
    return np.column_stack([np.interp(at, arc, closed[:, axis]) for axis in (0, 1)])


def _hit(start: np.ndarray, direction: np.ndarray, contour: np.ndarray) -> np.ndarray:
    """Where rays (n, 2) first meet a contour (RAYS, 2), within _NEIGHBOURHOOD of it; its nearest point if they miss."""
    at = np.rint(np.degrees(np.arctan2(start[:, 1], start[:, 0])) * RAYS / 360.0).astype(int)
    near = (at[:, None] + np.arange(-_NEIGHBOURHOOD, _NEIGHBOURHOOD + 1)) % RAYS
    corner, edge = contour[near], (np.roll(contour, -1, axis=0) - contour)[near]
    offset = corner - start[:, None]
    cross = direction[:, None, 0] * edge[..., 1] - direction[:, None, 1] * edge[..., 0]
    cross = np.where(np.abs(cross) < 1e-12, np.nan, cross)
    distance = (offset[..., 0] * edge[..., 1] - offset[..., 1] * edge[..., 0]) / cross
    on_edge = (offset[..., 0] * direction[:, None, 1] - offset[..., 1] * direction[:, None, 0]) / cross
    valid = (distance >= 0) & (on_edge >= 0) & (on_edge <= 1)
    first = np.where(valid, distance, np.inf).min(axis=1)
    met = np.isfinite(first)
    end = start + np.where(met, first, 0.0)[:, None] * direction
    missed = np.flatnonzero(~met)
    end[missed] = corner[missed, np.argmin(np.linalg.norm(offset[missed], axis=2), axis=1)]
    return end
