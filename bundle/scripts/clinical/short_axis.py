"""Where the heart lies in the patient: base and apex, levels, angles around the LV axis, RV insertions.

Handedness comes from the affine and from the cavity, never from the order of the array: angles run counter-clockwise
as seen from the apex (anterior, septal, inferior, lateral), from 0 = the patient's head projected on the slice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .. import conventions
from ..conventions import NotMeasurable
from .contours import RAYS, cavity, directions, in_plane_matrix, lv_contours, ring_slices

LEVELS = ("basal", "mid", "apical")
_HEAD = np.array([0.0, 0.0, 1.0])  # RAS
# From the inferior to the anterior interventricular groove: to the left, forwards, upwards. Only its sign is used.
_INFERIOR_TO_ANTERIOR = np.array([-1.0, 1.0, 1.0]) / np.sqrt(3.0)
_SMALLEST_PROJECTION = 0.1  # sine of the angle between head and slice normal: 6 degrees
_SMALLEST_TAPER = 0.02  # relative difference of cavity area between both halves
_RV_REACH_MM = 4.0  # RV blood this near outside the epicardial contour touches the septum
_ARC_DEGREES = (30, 240)  # a septum between both insertions
_ARC_GAP_DEGREES = 10  # trabeculae of the RV


@dataclass(frozen=True)
class ShortAxisFrame:
    """``to_mm`` (2, 2): pixels (x, y) to mm towards the head and, at 90 degrees, towards the septal side (see above).

    ``towards_apex``: step of the slice index, 1 or -1. ``rings``: slices with a full ring, base first.
    ``across_axis`` (2,): _INFERIOR_TO_ANTERIOR in the axes of ``to_mm``.
    """

    to_mm: np.ndarray
    towards_apex: int
    rings: tuple[int, ...]
    across_axis: np.ndarray

    def degrees(self, pixels: np.ndarray, centre: np.ndarray) -> np.ndarray:
        """Angles (...), 0..360, of positions (..., 2), pixels (x, y), around ``centre`` (2,), pixels."""
        mm = (np.asarray(pixels, dtype=np.float64) - centre) @ self.to_mm.T
        return np.degrees(np.arctan2(mm[..., 1], mm[..., 0])) % 360.0


def short_axis_frame(label: np.ndarray, affine: np.ndarray) -> ShortAxisFrame:
    """The frame of a short-axis stack.

    Args:
        label: (X, Y, S), disk codes. affine: (4, 4), voxel to RAS mm.
    Raises:
        NotMeasurable: fewer than three rings, a cavity as wide at either end, or axial slices.
    """
    columns = np.asarray(affine, dtype=np.float64)[:3, :3]
    flat = in_plane_matrix(affine)
    if not np.isfinite(columns).all() or abs(np.linalg.det(columns)) < 1e-12:
        raise NotMeasurable("the orientation is not known: the affine is singular")
    rings = ring_slices(label, flat)
    if len(rings) < len(LEVELS):
        raise NotMeasurable(f"{len(rings)} slices show a full LV ring, at least {len(LEVELS)} are needed")
    step = _towards_apex(label, rings)
    normal = np.cross(columns[:, 0], columns[:, 1])
    normal /= np.linalg.norm(normal)
    apex = normal * np.sign(normal @ columns[:, 2]) * step
    head = _HEAD - (_HEAD @ apex) * apex
    if np.linalg.norm(head) < _SMALLEST_PROJECTION:
        raise NotMeasurable("the slices are axial, so the direction to the patient's head is not defined in them")
    head /= np.linalg.norm(head)
    axes = np.stack([head, np.cross(apex, head)])
    return ShortAxisFrame(axes @ columns[:, :2], step, tuple(rings[::step]), axes @ _INFERIOR_TO_ANTERIOR)


def lv_centre(plane: np.ndarray) -> np.ndarray:
    """Centre of the LV cavity in a ring slice (X, Y), pixels (x, y)."""
    return np.argwhere(cavity(plane)).mean(axis=0)


def slice_levels(frame: ShortAxisFrame) -> dict[str, list[int]]:
    """Ring slices by level: equal thirds of the length from the first to the last ring, by the middle of each slice.

    Source: Cerqueira et al., Circulation 2002;105:539 (only slices with myocardium in all 360 degrees).
    """
    first, count = frame.rings[0], abs(frame.rings[-1] - frame.rings[0]) + 1
    levels: dict[str, list[int]] = {name: [] for name in LEVELS}
    for s in frame.rings:
        levels[LEVELS[int(len(LEVELS) * (abs(s - first) + 0.5) / count)]].append(s)
    return levels


def anterior_insertion_degrees(label: np.ndarray, frame: ShortAxisFrame) -> float:
    """Anterior RV insertion, degrees in the frame's angles, one for the heart: circular mean over basal and mid slices.

    Apical slices are left out, where the RV narrows and ends before the septum does.

    The septum of a slice is the arc of the epicardial contour that RV blood touches; its ends are the insertions. The
    anterior one comes first on the way through the septum, and must also be the one to the left, front and head.
    That catches a heart swapped left to right or base to apex, but no swap of head and feet.

    Raises:
        NotMeasurable: no RV blood beside the LV, or both rules disagree (affine or slice order are wrong).
    """
    if not (label == _RV).any():
        raise NotMeasurable("the label map shows no RV blood pool, so the RV insertions are not known")
    levels = slice_levels(frame)
    slices = [*levels["basal"], *levels["mid"]]
    arcs = [arc for arc in (_septal_arc(label[..., s], frame) for s in slices) if arc is not None]
    if not arcs:
        raise NotMeasurable("RV blood touches the LV wall in no basal or mid slice, so the RV insertions are not known")
    anterior, inferior = (np.exp(1j * np.radians(ends)).mean() for ends in np.asarray(arcs).T)
    across = anterior - inferior
    if across.real * frame.across_axis[0] + across.imag * frame.across_axis[1] <= 0:
        raise NotMeasurable(
            "the heart is mirrored: base, apex and RV give another anterior insertion than the patient axes, "
            "so the affine or the order of the slices is wrong"
        )
    return float(np.degrees(np.angle(anterior)) % 360.0)


_RV = conventions.LABEL_NAMES.index("rv_blood_pool")


def _towards_apex(label: np.ndarray, rings: list[int]) -> int:
    """Step of the slice index from base to apex: the base is the end with the wider cavity."""
    area = np.array([cavity(label[..., s]).sum() for s in rings], dtype=np.float64)
    half = len(area) // 2
    first, last = area[:half].mean(), area[-half:].mean()
    if abs(first - last) < _SMALLEST_TAPER * max(first, last):
        raise NotMeasurable("the cavity is as wide at either end of the stack, so base and apex cannot be told apart")
    return 1 if first > last else -1


def _septal_arc(plane: np.ndarray, frame: ShortAxisFrame) -> tuple[float, float] | None:
    """First and last angle, degrees, of the longest arc where RV blood lies on the wall; None without a septum."""
    contours = lv_contours(plane, frame.to_mm)
    pixel_mm = np.linalg.norm(frame.to_mm, axis=0).max()
    beyond = np.arange(0.0, max(_RV_REACH_MM, 2 * pixel_mm), pixel_mm / 4)
    point = contours.epi[:, None] + beyond[:, None] * directions()[:, None]
    pixel = np.rint(point @ np.linalg.inv(frame.to_mm).T + contours.centre).astype(int)
    inside = ((pixel >= 0) & (pixel < np.array(plane.shape))).all(axis=2)
    pixel = np.clip(pixel, 0, np.array(plane.shape) - 1)
    touching = ((plane[pixel[..., 0], pixel[..., 1]] == _RV) & inside).any(axis=1)
    around = np.ones(_ARC_GAP_DEGREES * RAYS // 360 + 1, dtype=bool)
    closed = ndimage.binary_closing(np.tile(touching, 3), structure=around)[RAYS : 2 * RAYS]
    if closed.all() or not closed.any():
        return None
    start = int(np.argmin(closed))  # outside any arc
    pieces, count = ndimage.label(np.roll(closed, -start))
    longest = 1 + int(np.argmax(np.bincount(pieces)[1:])) if count else 0
    at = np.flatnonzero(pieces == longest) + start
    width = len(at) * 360.0 / RAYS
    return (at[0] * 360.0 / RAYS, at[-1] * 360.0 / RAYS) if _ARC_DEGREES[0] <= width <= _ARC_DEGREES[1] else None
