"""Rows of an evaluation: the numbers of each subject, and what they say together and by group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..clinical.agreement import dice, require_reference
from ..clinical.volumes import infarct_percent_lv, structure_mask
from ..conventions import COMPARED_STRUCTURES, LABEL_NAMES, NO_INFARCT_CLASS, NotMeasurable
from .statistics.bootstrap import with_interval
from .statistics.method_comparison import (
    auc,
    icc_2_1,
    lower_limit,
    mean_difference,
    pearson_r,
    sensitivity,
    specificity,
    upper_limit,
)

# An infarct smaller than this counts as none, in the label map and in the reference, %LV.
PRESENCE_PERCENT_LV = 1.0
_SIZE_EDGES = (0.0, 5.0, 10.0, 20.0, 100.0)
_TRUE_SIZE = "reference_infarct_percent_lv"
Row = dict[str, float | str]


def subject_row(
    label: np.ndarray,
    reference: np.ndarray,
    infarct: np.ndarray,
    voxel_ml: float,
    compared: Sequence[str] = COMPARED_STRUCTURES,
) -> Row:
    """Numbers of one subject's label map; what cannot be measured is missing and named in ``not_measurable``.

    Args:
        label, reference: (X, Y, S), codes 0 to 3 of conventions.LABEL_NAMES.
        infarct: probability of infarct, (X, Y, S), 0..1.
        voxel_ml: volume of one voxel.
        compared: structures that the reference can show.
    """
    measures: dict[str, tuple] = {}
    for structure in compared:
        measures[f"dice_{structure}"] = (dice, label, reference, structure)
        name = f"volume_difference_{structure}_ml"
        measures[name] = (volume_difference_ml, label, reference, structure, voxel_ml)
    measures["infarct_percent_lv"] = (infarct_percent_lv, label)
    measures["infarct_score"] = (_expected_infarct_share, infarct, label)
    return measured_row(measures)


def reference_row(reference: np.ndarray, native: np.ndarray, infarct_marked: bool = True) -> Row:
    """Numbers of one subject's ground truth, the same for every method.

    Args:
        reference: (X, Y, S), codes 0 to 3 of conventions.LABEL_NAMES.
        native: the reference as it is in its file, any grid, disk codes; says whether there is oedema.
        infarct_marked: whether its label table has an infarct class; without, the subject counts in no size, presence
            or overlap of infarct.
    """
    return measured_row(
        {
            _TRUE_SIZE: (infarct_percent_lv if infarct_marked else _no_infarct_class, reference),
            "reference_oedema_percent_lv": (_oedema_percent_lv, native),
        }
    )


def measured_row(measures: Mapping[str, tuple]) -> Row:
    """Each (function, arguments) as a number; those without one named in ``not_measurable``."""
    row: Row = {}
    reasons = []
    for name, (measure, *arguments) in measures.items():
        try:
            row[name] = float(measure(*arguments))
        except NotMeasurable as reason:
            reasons.append(f"{name}: {reason}")
    return row | ({"not_measurable": "; ".join(reasons)} if reasons else {})


def summarise_slices(rows: Sequence[Row]) -> dict:
    """Means over the slices of a cohort, each with its "subject"; intervals by bootstrap over subjects."""
    found: dict = {"slices": len(rows)}
    names = sorted({key for row in rows for key, value in row.items() if isinstance(value, float)})
    for name in names:
        own = [row for row in rows if name in row]
        subjects = np.array([row["subject"] for row in own])
        found[f"mean_{name}"] = with_interval(np.mean, np.array([row[name] for row in own]), subjects=subjects)
    return found


def size_group(reference: np.ndarray) -> str:
    """Name of the group by infarct size that a reference label map (X, Y, S) belongs to."""
    return _size_bin(reference_row(reference, reference))


def summarise(rows: Sequence[Row], groups: Sequence[str] = ()) -> dict:
    """What the rows of a cohort say, ready for JSON: ``all``, and one entry per value of each of ``groups``.

    ``groups``: columns of the rows; the size of the reference infarct is always one. Each number is
    {"value", "low", "high", "subjects"}, a 95 % interval by bootstrap over subjects, or {"not_measurable": reason}.
    ``subjects`` are those that have the measure: one without a wall has no size, and counts in no agreement. Dice of
    the infarct is 0 in a heart without one where one was invented, and missing where none was;
    ``_where_there_is_one`` is its mean over the hearts with an infarct, the same for every method.
    """
    result = {"all": together(rows), "by": {"reference_size": _by(rows, _size_bin)}}
    for name in groups:
        result["by"][name] = _by(rows, _value_of(name))
    return result


def _value_of(column: str) -> Callable[[Row], str]:
    return lambda row: str(row.get(column) or "unknown")


def together(rows: Sequence[Row]) -> dict:
    """``all`` of summarise: every number of the rows, without groups."""
    found: dict[str, Any] = {"subjects": len(rows)}
    for name in sorted({key for row in rows for key, value in row.items() if isinstance(value, float)}):
        values = np.array([row[name] for row in rows if name in row])
        found[f"mean_{name}"] = with_interval(np.mean, values)
        if name.endswith("dice_infarct"):
            values = np.array([row[name] for row in rows if name in row and float(row.get(_TRUE_SIZE, 0.0)) > 0])
            found[f"mean_{name}_where_there_is_one"] = with_interval(np.mean, values)
    for column, name in _size_columns(rows):
        sizes = _columns(rows, column, _TRUE_SIZE)
        found |= _size_agreement(name, *sizes)
    sizes = _columns(rows, "infarct_percent_lv", _TRUE_SIZE)
    called, present = (one >= PRESENCE_PERCENT_LV for one in sizes)
    found["presence_sensitivity"] = with_interval(sensitivity, called, present)
    found["presence_specificity"] = with_interval(specificity, called, present)
    score, truth = _columns(rows, "infarct_score", _TRUE_SIZE)
    found["presence_auc"] = with_interval(auc, score, truth >= PRESENCE_PERCENT_LV)
    oedema = [row for row in rows if float(row.get("reference_oedema_percent_lv", 0.0)) >= PRESENCE_PERCENT_LV]
    found_size, truth = _columns(oedema, "infarct_percent_lv", _TRUE_SIZE)
    called = found_size[truth < PRESENCE_PERCENT_LV] >= PRESENCE_PERCENT_LV
    found["false_positives_in_oedema_without_infarct"] = with_interval(np.mean, called.astype(np.float64))
    return found


def _size_columns(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Columns with an infarct size, and what their agreement is called: the method's own, then those of readers."""
    ending = "infarct_percent_lv"
    columns = dict.fromkeys(
        key for row in rows for key in row if key.endswith(ending) and not key.startswith("reference")
    )
    return [(column, column.removesuffix("percent_lv") + "size") for column in columns] or [(ending, "infarct_size")]


def _size_agreement(name: str, found: np.ndarray, reference: np.ndarray) -> dict:
    """R, ICC(2,1), bias and limits of agreement of an infarct size."""
    return {
        f"{name}_r": with_interval(pearson_r, found, reference),
        f"{name}_icc_2_1": with_interval(icc_2_1, found, reference),
        f"{name}_bias_percent_lv": with_interval(mean_difference, found, reference),
        f"{name}_lower_limit_percent_lv": with_interval(lower_limit, found, reference),
        f"{name}_upper_limit_percent_lv": with_interval(upper_limit, found, reference),
    }


def _by(rows: Sequence[Row], key: Callable[[Row], str]) -> dict[str, dict]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return {name: together(groups[name]) for name in sorted(groups)}


def _size_bin(row: Mapping) -> str:
    size = row.get(_TRUE_SIZE)
    if size is None:
        return "unknown"
    if size <= 0:
        return "none"
    index = int(np.searchsorted(_SIZE_EDGES, size, side="right")) - 1
    low, high = _SIZE_EDGES[index : index + 2] if index < len(_SIZE_EDGES) - 1 else _SIZE_EDGES[-2:]
    return f"{low:g} to {high:g} %LV"


def _columns(rows: Sequence[Row], *names: str) -> list[np.ndarray]:
    whole = [row for row in rows if all(name in row for name in names)]
    return [np.array([row[name] for row in whole], dtype=np.float64) for name in names]


def volume_difference_ml(label: np.ndarray, reference: np.ndarray, structure: str, voxel_ml: float) -> float:
    """Found minus reference, ml."""
    require_reference(reference, structure)
    if not np.isfinite(voxel_ml):
        raise NotMeasurable("the slices with a reference are not evenly spaced")
    found, wanted = (int(structure_mask(one, structure).sum()) for one in (label, reference))
    if not found and not wanted:
        raise NotMeasurable(f"no {structure} in the label map and none in the reference")
    return (found - wanted) * voxel_ml


def _expected_infarct_share(infarct: np.ndarray, label: np.ndarray) -> float:
    """Mean probability of infarct over the found wall, percent: a size without a threshold."""
    wall = structure_mask(label, "lv_myocardium")
    if not wall.any():
        raise NotMeasurable("no LV myocardium was found in any slice")
    return 100.0 * float(infarct[wall].mean())


def _no_infarct_class(reference: np.ndarray) -> float:
    raise NotMeasurable(NO_INFARCT_CLASS)


def _oedema_percent_lv(native: np.ndarray) -> float:
    """Viable oedema of the LV wall, percent."""
    oedema = native == LABEL_NAMES.index("oedema")
    if not oedema.any():
        raise NotMeasurable("the reference marks no oedema: there is none, or its label table has none")
    return 100.0 * float(oedema.sum()) / float(structure_mask(native, "lv_myocardium").sum())
