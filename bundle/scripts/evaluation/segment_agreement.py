"""Agreement of two label maps by AHA segment: transmurality and presence of infarct, over subjects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..clinical.aha17 import SEGMENTS, aha17
from ..clinical.short_axis import anterior_insertion_degrees, short_axis_frame
from ..clinical.transmurality import GRADES
from .statistics.bootstrap import with_interval
from .statistics.method_comparison import (
    icc_2_1,
    lower_limit,
    mean_difference,
    pearson_r,
    sensitivity,
    specificity,
    upper_limit,
)

# Share of a segment's wall from which on it counts as infarcted, %, as in the phantom's check.
PRESENT_PERCENT = 5.0
_GRADE_LIMITS = list(GRADES.values())[:-1]
_MEASURES = ("infarct_percent", "transmurality_percent")


def segment_rows(
    label: np.ndarray, reference: np.ndarray, affine: np.ndarray, native: np.ndarray, native_affine: np.ndarray
) -> list[dict[str, float]]:
    """One row per segment that both maps show: segment, and of both maps the infarcted share and the transmurality.

    Args:
        label, reference: (X, Y, S), codes 0 to 3. affine: (4, 4), voxel to RAS mm, of both.
        native: reference label map with RV, (X, Y, S), disk codes, on its own grid with ``native_affine``: the RV gives
            the angle from which segments are counted, the same for both maps.
    Raises:
        NotMeasurable: no RV, too few rings in the reference or none in the label map, infarct outside the wall only.
    """
    zero = anterior_insertion_degrees(native, short_axis_frame(native, native_affine))
    frame = short_axis_frame(reference, affine)
    both = [aha17(one, affine, zero, frame=frame) for one in (label, reference)]
    rows = []
    for index in range(SEGMENTS):
        row = {"segment": float(index + 1)}
        for side, found in zip(("", "reference_"), both, strict=True):
            row |= {f"{side}{name}": float(getattr(found, name)[index]) for name in _MEASURES}
        if all(np.isfinite(row[f"{side}infarct_percent"]) for side in ("", "reference_")):
            rows.append({key: value for key, value in row.items() if np.isfinite(value)})
    return rows


def summarise_segments(rows: Sequence[Mapping], groups: Mapping[str, Mapping[str, str]] | None = None) -> dict:
    """What the segments of a cohort say; intervals by bootstrap over subjects.

    Args:
        rows: of segment_rows, each with its "subject". groups: subject to the group it belongs to under each name.
    Returns:
        transmurality of segments (R, ICC(2,1), bias and limits, grade agreement), presence of infarct per segment, and
        per segment number of subjects, mean difference of the infarcted share and R; under ``by``, for each name and
        each of its groups, the same without the single segments.
    """
    by_segment = {}
    for number in range(1, SEGMENTS + 1):
        own = _columns(
            [row for row in rows if row["segment"] == number], "infarct_percent", "reference_infarct_percent"
        )
        by_segment[str(number)] = {
            "subjects": len(own[0]),
            "bias_percent": with_interval(mean_difference, *own[1:]),
            "r": with_interval(pearson_r, *own[1:]),
        }
    found = _agreement(rows) | {"by_segment": by_segment}
    groups = groups or {}
    names = sorted({name for own in groups.values() for name in own})
    return found | ({"by": {name: _by_group(rows, groups, name) for name in names}} if names else {})


def _by_group(rows: Sequence[Mapping], groups: Mapping[str, Mapping[str, str]], name: str) -> dict[str, dict]:
    parts: dict[str, list[Mapping]] = {}
    for row in rows:
        parts.setdefault(groups.get(str(row["subject"]), {}).get(name) or "unknown", []).append(row)
    return {group: _agreement(parts[group]) for group in sorted(parts)}


def _agreement(rows: Sequence[Mapping]) -> dict:
    """Transmurality and presence of infarct over all segments of the rows."""
    deep = _columns(rows, "transmurality_percent", "reference_transmurality_percent")
    share = _columns(rows, "infarct_percent", "reference_infarct_percent")
    called, present = (one >= PRESENT_PERCENT for one in share[1:])
    return {
        "segments": len(rows),
        "transmurality_r": with_interval(pearson_r, *deep[1:], subjects=deep[0]),
        "transmurality_icc_2_1": with_interval(icc_2_1, *deep[1:], subjects=deep[0]),
        "transmurality_bias_percent": with_interval(mean_difference, *deep[1:], subjects=deep[0]),
        "transmurality_lower_limit_percent": with_interval(lower_limit, *deep[1:], subjects=deep[0]),
        "transmurality_upper_limit_percent": with_interval(upper_limit, *deep[1:], subjects=deep[0]),
        "transmurality_same_grade": with_interval(np.mean, _same_grade(*deep[1:]), subjects=deep[0]),
        "segment_sensitivity": with_interval(sensitivity, called, present, subjects=share[0]),
        "segment_specificity": with_interval(specificity, called, present, subjects=share[0]),
    }


def _same_grade(found: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """1 where both transmuralities, (N,), are of one grade, else 0."""
    grades = [np.digitize(one, _GRADE_LIMITS, right=True) for one in (found, reference)]
    return (grades[0] == grades[1]).astype(np.float64)


def _columns(rows: Sequence[Mapping], *names: str) -> list[np.ndarray]:
    """Subjects, then the columns, of the rows that have them all."""
    whole = [row for row in rows if all(name in row for name in names)]
    subjects = np.array([str(row.get("subject", i)) for i, row in enumerate(whole)])
    return [subjects, *(np.array([row[name] for row in whole], dtype=np.float64) for name in names)]
