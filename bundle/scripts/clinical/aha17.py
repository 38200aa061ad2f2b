"""Infarct and transmurality in the 17 AHA segments of a label map.

Convention: fixed sectors. Angle zero is the anterior RV insertion, the border of segments 1 and 2; basal and mid
sectors are 60 degrees wide, so that the septum is 120 degrees whatever the other insertion says. Apical sectors are 90
degrees wide, segment 14 centred on the middle of that septum. Halving the septum between both insertions instead moves
borders by up to 20 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..conventions import ConfigError, NotMeasurable
from .contours import cap_wall, lv_wall, require_infarct_in_wall, ring_slices
from .short_axis import LEVELS, ShortAxisFrame, anterior_insertion_degrees, lv_centre, short_axis_frame, slice_levels
from .transmurality import Chords, wall_chords
from .volumes import structure_mask

SEGMENTS = 17
SEGMENT_NAMES = (
    "basal anterior", "basal anteroseptal", "basal inferoseptal", "basal inferior", "basal inferolateral",
    "basal anterolateral", "mid anterior", "mid anteroseptal", "mid inferoseptal", "mid inferior", "mid inferolateral",
    "mid anterolateral", "apical anterior", "apical septal", "apical inferior", "apical lateral", "apex",
)  # fmt: skip
_CAP = 17
# Sectors of a level in the order of the angle, and the angle at which the first begins, degrees from the insertion.
_SECTORS = {
    "basal": ((2, 3, 4, 5, 6, 1), 0.0),
    "mid": ((8, 9, 10, 11, 12, 7), 0.0),
    "apical": ((14, 15, 16, 13), 60.0 - 45.0),
}


@dataclass(frozen=True)
class SegmentNumbers:
    """Per segment 1-17, (17,), percent, 0..100; NaN where the segment has no wall (transmurality: no chords, as in 17).

    ``infarct_percent``: infarct, no-reflow included, of the segment's wall. ``transmurality_percent``: mean of chords.
    """

    infarct_percent: np.ndarray
    transmurality_percent: np.ndarray


def aha17(
    label: np.ndarray,
    affine: np.ndarray,
    insertion_degrees: float | None = None,
    chords: Chords | None = None,
    frame: ShortAxisFrame | None = None,
) -> SegmentNumbers:
    """Infarct and transmurality of the 17 segments.

    Args:
        label: (X, Y, S), disk codes. affine: (4, 4), voxel to RAS mm.
        insertion_degrees: anterior RV insertion, for a label map without RV, as short_axis.py counts angles: from the
            patient's head projected on the slice, counter-clockwise as seen from the apex.
        chords: of transmurality.wall_chords for the same label map, when they are at hand.
        frame: of another label map on this grid, to compare the two: its slices decide base, mid and apex, and a ring
            that this label map lacks only leaves its segments smaller. None: of this label map.
    Raises:
        NotMeasurable: as short_axis_frame and wall_chords; no RV and no angle; infarct outside the wall only, or, but
            for a comparison by ``frame``, only in slices that hold no segment.
        ConfigError: the angle is not finite.
    Source: Cerqueira et al., Circulation 2002;105:539.
    """
    compared = frame is not None
    frame = short_axis_frame(label, affine) if frame is None else frame
    require_infarct_in_wall(label)
    if insertion_degrees is not None and not np.isfinite(insertion_degrees):
        raise ConfigError(f"rv_insertion_degrees: found {insertion_degrees}, expected an angle in degrees")
    zero = anterior_insertion_degrees(label, frame) if insertion_degrees is None else float(insertion_degrees)
    segments = segment_map(label, frame, zero)
    wall = np.bincount(segments.ravel(), minlength=SEGMENTS + 1)[1:]
    infarct = np.bincount(segments[structure_mask(label, "infarct")], minlength=SEGMENTS + 1)[1:]
    if not infarct.any() and not compared and structure_mask(label, "infarct").any():
        raise NotMeasurable("no segment holds the infarct: it lies outside the wall, or its slices show no full ring")
    percent = np.where(wall > 0, 100.0 * infarct / np.maximum(wall, 1), np.nan)
    chords = wall_chords(label, affine) if chords is None else chords
    return SegmentNumbers(percent, _mean_by_segment(chords, label, frame, zero))


def segment_map(label: np.ndarray, frame: ShortAxisFrame, insertion_degrees: float) -> np.ndarray:
    """Segment 1-17 of every voxel of the LV wall, 0 elsewhere and in slices without a full ring, uint8, (X, Y, S).

    Segment 17 is the wall of the slices beyond the last ring that show no cavity.
    """
    segments = np.zeros(label.shape, dtype=np.uint8)
    shown = set(ring_slices(label, frame.to_mm))
    for level, slices in slice_levels(frame).items():
        for s in (one for one in slices if one in shown):
            pixels = np.argwhere(lv_wall(label[..., s]))
            degrees = frame.degrees(pixels, lv_centre(label[..., s])) - insertion_degrees
            segments[pixels[:, 0], pixels[:, 1], s] = sector_of(degrees, level)
    beyond = (np.arange(label.shape[2]) - frame.rings[-1]) * frame.towards_apex > 0
    segments[cap_wall(label) & beyond] = _CAP
    return segments


def sector_of(degrees: np.ndarray, level: str) -> np.ndarray:
    """Segment of one of LEVELS at angles (n,), degrees from the anterior RV insertion towards the septum."""
    numbers, start = _SECTORS[level]
    turned = (np.asarray(degrees, dtype=np.float64) - start) % 360.0
    return np.asarray(numbers)[(turned * len(numbers) / 360.0).astype(int) % len(numbers)]


def _mean_by_segment(chords: Chords, label: np.ndarray, frame: ShortAxisFrame, insertion_degrees: float) -> np.ndarray:
    """Mean transmurality of the chords whose middle lies in a segment, (17,), percent, NaN without a chord."""
    levels = slice_levels(frame)
    number = np.zeros(chords.infarcted_percent.shape, dtype=int)
    for level in LEVELS:
        for s in levels[level]:
            rows = chords.slice_index == s
            if not rows.any():
                continue
            degrees = frame.degrees(chords.midpoint[rows], lv_centre(label[..., s])) - insertion_degrees
            number[rows] = sector_of(degrees, level)
    measured = np.isfinite(chords.infarcted_percent)
    found = np.full(SEGMENTS, np.nan)
    for k in np.unique(number[measured & (number > 0)]):
        found[k - 1] = chords.infarcted_percent[measured & (number == k)].mean()
    return found
