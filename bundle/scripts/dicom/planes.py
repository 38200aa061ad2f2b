"""Whether a cine can be the short axis: by its name, its orientation in the body and its parallel slices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from .recognition import Group, angle_deg
from .words import LONG_AXIS, OTHER_PART, SHORT_AXIS

LEAST_SLICES = 3
# Long axis of the left ventricle from base to apex, LPS: 38 +- 10 degrees down from the left in the frontal plane and
# 46 +- 7 forwards in the transverse plane (MRI of 94 volunteers, 21 to 82 years; Engblom, Am Heart J 2005;150:507).
# Three standard deviations in one plane stay within 35 degrees of it and in both planes within 40, as does the
# horizontal heart of the obese (25 +- 6 degrees in the frontal plane). Planes through the long axis have normals at 55
# degrees or more in all but the last hearts.
_HEART_AXIS = np.array([0.609, -0.631, -0.476])
_FARTHEST_DEG = 55.0
_ALONG_BODY_DEG, _SAME_PLANE_DEG = 12.0, 15.0
# A radial set: planes that share an axis, and turn about it by more than this.
_LEAST_TURN_DEG, _OFF_AXIS = 10.0, 0.05


def plane_of(groups: Sequence[Group]) -> str:
    """The plane that most names of a stack tell; empty for none."""
    told = Counter(group.names.plane for group in groups if group.names.plane)
    return told.most_common(1)[0][0] if told else ""


def lies_as_short_axis(normal: np.ndarray) -> bool:
    """Whether the normal of a plane, LPS, is one that a short axis can have; hearts lie from flat to upright."""
    along_body = any(angle_deg(normal, axis) < _ALONG_BODY_DEG for axis in np.eye(3))
    return not along_body and angle_deg(normal, _HEART_AXIS) <= _FARTHEST_DEG


def why_no_short_axis(groups: Sequence[Group], slices: int, study: Sequence[Group]) -> str:
    """Why a stack of cine groups is no short axis; empty when it may be one.

    A name decides over the number of slices and the orientation, except where another series of the study that is
    named long axis lies in the same plane.

    Args:
        groups: of the stack, parallel.
        slices: number of its slices.
        study: all groups of the study.
    """
    normal, plane = groups[0].normal, plane_of(groups)
    if plane == LONG_AXIS:
        return "a long axis by its name"
    if plane == OTHER_PART:
        return "named after a vessel, a valve or an atrium"
    if slices < LEAST_SLICES and _is_radial(groups[0], study):
        return "one of several planes through one axis: a radial long axis"
    lies_well = lies_as_short_axis(normal)
    if plane == SHORT_AXIS:
        return (
            ""
            if lies_well or not _in_a_long_axis(normal, study)
            else "named short axis, but in the plane of a long axis"
        )
    if slices < LEAST_SLICES:
        return "a cine of 1 or 2 slices without a name of the short axis"
    if any(angle_deg(normal, axis) < _ALONG_BODY_DEG for axis in np.eye(3)):
        return "a cine along the body's axes, not the heart's"
    if not lies_well:
        return (
            f"a long axis by its orientation: {angle_deg(normal, _HEART_AXIS):.0f} degrees from the usual short axis, "
            f"at most {_FARTHEST_DEG:g} occur"
        )
    return ""


def _in_a_long_axis(normal: np.ndarray, study: Sequence[Group]) -> bool:
    placed = (group for group in study if group.first.orientation is not None)
    return any(group.names.plane == LONG_AXIS and angle_deg(normal, group.normal) < _SAME_PLANE_DEG for group in placed)


def _is_radial(group: Group, study: Sequence[Group]) -> bool:
    """Whether at least two more cines of the same series or name turn about one axis that lies in all their planes."""
    alike = [
        other
        for other in study
        if other.role == group.role
        and (other.first.series == group.first.series or _same_name(other, group))
        and len(other.positions) < LEAST_SLICES
    ]
    turned: list[np.ndarray] = []
    for other in alike:
        if all(angle_deg(other.normal, known) >= _LEAST_TURN_DEG for known in turned):
            turned.append(other.normal)
    return len(turned) >= LEAST_SLICES and bool(np.linalg.svd(np.array(turned), compute_uv=False)[-1] < _OFF_AXIS)


def _same_name(one: Group, other: Group) -> bool:
    return bool(one.names.description) and one.names.description == other.names.description
