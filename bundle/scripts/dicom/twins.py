"""Series that show again what another series shows: without the scanner's corrections, or derived from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .headers import Frame
from .recognition import Group

# Values of ImageType that Siemens writes for its corrections, by their weight: intensity, then distortion.
_CORRECTIONS = (("NORM",), ("DIS2D", "DIS3D"))
_DERIVED = {"DERIVED", "SECONDARY"}
_PARALLEL, _SAME_SLICE_MM = 0.01, 0.5


def without_copies(groups: Sequence[Group]) -> tuple[list[Group], list[tuple[Group, str]]]:
    """The groups without those that repeat another one of their role, and these with the reason.

    Of one acquisition with and without the scanner's corrections (NORM and ND, DIS2D) the corrected one stays. Derived
    images (ImageType, or drawn upon by their name) lose against acquired ones of all their slices.
    """
    dropped: dict[int, str] = {}
    for group in groups:
        if group.role and is_derived(group):
            acquired = [one for one in groups if _is_like(one, group) and not is_derived(one)]
            if acquired and _all_slices_in(group, acquired):
                dropped[id(group)] = "a derived copy (ImageType or name); the acquired series is used"
    for same in _acquisitions([group for group in groups if group.role and id(group) not in dropped]):
        best = max(_corrections(group) for group in same)
        for group in same:
            if _corrections(group) < best:
                dropped[id(group)] = "the same acquisition without the scanner's corrections; the corrected one is used"
    rejected = [(group, dropped[id(group)]) for group in groups if id(group) in dropped]
    return [group for group in groups if id(group) not in dropped], rejected


def is_derived(group: Group) -> bool:
    """Whether its images say that they were made from others, or drawn upon."""
    return bool(set(group.first.image_type[:2]) & _DERIVED) or group.first.drawn


def _is_like(one: Group, other: Group) -> bool:
    return (one.role, one.kind, one.moco) == (other.role, other.kind, other.moco)


def _all_slices_in(group: Group, others: Sequence[Group]) -> bool:
    """Whether each slice of ``group`` lies on one of the parallel slices of ``others``."""
    near = [one for one in others if np.abs(one.first.orientation - group.first.orientation).max() < _PARALLEL]
    if not near:
        return False
    known = np.concatenate([[float(group.normal @ f.position_mm) for f in one.frames] for one in near])
    return bool((np.abs(group.positions[:, None] - known[None, :]).min(axis=1) <= _SAME_SLICE_MM).all())


def _acquisitions(groups: Sequence[Group]) -> list[list[Group]]:
    """Groups of the same images: role, places, times in the heartbeat and times of the day."""
    found: dict[tuple, list[Group]] = {}
    for group in groups:
        images = tuple(sorted(_moment(frame) for frame in group.frames))
        found.setdefault((group.role, group.kind, group.moco, group.first.shape, images), []).append(group)
    return list(found.values())


def _moment(frame: Frame) -> tuple:
    place = np.round(frame.position_mm, 1) + 0.0
    return (*place.tolist(), frame.trigger_ms or 0.0, frame.acquired_s or 0.0)


def _corrections(group: Group) -> tuple[bool, ...]:
    types = set(group.first.image_type)
    return tuple(bool(types & set(names)) for names in _CORRECTIONS)
