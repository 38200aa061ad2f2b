"""One subject's numbers as JSON: each a value with its unit, or the reason why it is not measurable."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..conventions import COMPARED_STRUCTURES, NO_INFARCT_CLASS, NotMeasurable
from .agreement import dice
from .aha17 import SEGMENT_NAMES, aha17
from .plausibility import grid_flags, heart_flags
from .quality import CineDoubt, CropWindow, Flag, quality_flags, review_needed
from .salvage import area_at_risk_percent_lv, no_reflow_percent_of_infarct, salvage_index, with_caveat
from .size_interval import SizeUncertainty
from .transmurality import Chords, grade, grade_counts, mean_transmurality_percent, wall_chords
from .unmeasured_infarct import without_infarct
from .volumes import (
    REPORTED_STRUCTURES,
    STRUCTURES_WITH_MASS,
    infarct_percent_lv,
    require_infarct_at_wall,
    require_no_reflow_marked,
    require_wall,
    slices_with,
    structure_mass_g,
    structure_volume_ml,
)

DECIMALS = 3
STATIC_CINE = (
    "the cine shows no motion (one phase, or all phases alike), without which the network finds infarcts badly; "
    "set allow_static_cine to true to measure all the same"
)

INTERVAL_CAVEAT = "as many such intervals as coverage says hold the true size, in subjects like the calibrated ones"
INTERVAL_ON_PHANTOMS = "calibrated on digital phantoms only: how sure the network is, not how right on a patient"


@dataclass(frozen=True)
class SubjectArrays:
    """What is measured: arrays (X, Y, S) on the cine grid, label maps in disk codes.

    ``rv_insertion_degrees``: for aha17.aha17, when the label map has no RV. ``no_reflow_marked``: the label map marks
    no-reflow where there is any; ``oedema_marked``: the same for oedema. A network of six classes marks both.
    ``t2_stir_slices`` (S,): whether a slice has a T2-STIR, without which no oedema is seen; None: all have.
    ``flags``: found earlier, when the files were read. ``cine_doubt``: what is doubtful about the cine of a virtual
    LGE; without motion no infarct is measured, unless allowed.
    ``size_uncertainty``: how far the infarct size may be off, or why that is not known; None where nobody asked.
    ``infarct_marked``, ``reference_infarct_marked``: whether the label map, and the reference, have a code for infarct
    at all; without one nothing about infarct is known of them. ``reference_apart``: why the reference lies at another
    moment of the heartbeat, so that its size is compared and its overlap is not; else empty.
    """

    label: np.ndarray
    virtual_lge: np.ndarray
    affine: np.ndarray
    sequences_used: tuple[str, ...]
    crop_to_cine: np.ndarray | None = None
    crop_size: tuple[int, int] | None = None
    sample_infarct_percent: np.ndarray | None = None
    reference_label: np.ndarray | None = None
    reference_slices: np.ndarray | None = None
    rv_insertion_degrees: float | None = None
    no_reflow_marked: bool = False
    oedema_marked: bool = False
    t2_stir_slices: np.ndarray | None = None
    flags: Sequence[Flag] = ()
    cine_doubt: CineDoubt = CineDoubt()
    size_uncertainty: SizeUncertainty | str | None = None
    infarct_marked: bool = True
    reference_infarct_marked: bool = True
    reference_apart: str = ""


def measured(unit: str, measure: Callable[..., float], *args: object) -> dict:
    """``{"value", "unit"}``, or ``{"not_measurable": reason}`` when ``measure(*args)`` says so."""
    try:
        return {"value": round(float(measure(*args)), DECIMALS), "unit": unit}
    except NotMeasurable as reason:
        return {"not_measurable": str(reason)}


def assess_subject(**arrays: Any) -> dict:
    """Numbers and flags of one subject, ready for JSON.

    Args:
        arrays: the fields of SubjectArrays, by name (so that a caller needs no class from this folder).
    Returns:
        infarct_percent_lv, infarct_percent_lv_without_no_reflow, structures, transmurality and aha17 (``_regional``),
        slices, qc, review_needed; with several samples also infarct_percent_lv_samples, with ``size_uncertainty``
        infarct_percent_lv_interval; where oedema and no-reflow are marked also what ``_salvaged`` gives; with a
        reference label also what ``_compared`` gives.
    """
    subject = SubjectArrays(**arrays)
    label, affine = subject.label, subject.affine
    structures: dict[str, dict] = {
        name: {"volume": measured("ml", structure_volume_ml, label, affine, name)} for name in REPORTED_STRUCTURES
    }
    for name in (name for name in REPORTED_STRUCTURES if name in STRUCTURES_WITH_MASS):
        structures[name]["mass"] = measured("g", structure_mass_g, label, affine, name)
    crop = None
    if subject.crop_to_cine is not None and subject.crop_size is not None:
        crop = CropWindow(subject.crop_to_cine, subject.crop_size)
    flags = quality_flags(label, subject.virtual_lge, subject.sequences_used, crop, subject.cine_doubt)
    flags += [*grid_flags(label.shape, affine), *heart_flags(label, affine), *subject.flags]
    size = measured("%", infarct_percent, label)
    if "value" in size and not (subject.cine_doubt.static and not subject.cine_doubt.static_allowed):
        flags += _wide_interval(subject.size_uncertainty, size["value"])
    result = {
        "infarct_percent_lv": size,
        "infarct_percent_lv_without_no_reflow": measured("%", _percent_without_no_reflow, subject),
        "structures": structures,
        **_regional(subject),
        "slices": {
            "total": int(label.shape[-1]),
            "with_myocardium": len(slices_with(label, "lv_myocardium")),
            "with_infarct": len(slices_with(label, "infarct")),
        },
        "qc": [asdict(flag) for flag in flags],
        "review_needed": review_needed(flags),
    }
    if subject.size_uncertainty is not None:
        result["infarct_percent_lv_interval"] = _interval(subject.size_uncertainty, size)
    if subject.oedema_marked and subject.no_reflow_marked:
        result |= _salvaged(subject)
    if not subject.infarct_marked:
        result = without_infarct(result, NO_INFARCT_CLASS)
    if subject.sample_infarct_percent is not None:
        size = result["infarct_percent_lv"]
        result["infarct_percent_lv_samples"] = spread(subject.sample_infarct_percent) if "value" in size else dict(size)
    if subject.reference_label is not None:
        result |= _compared(subject, subject.reference_label)
    if subject.cine_doubt.static and not subject.cine_doubt.static_allowed:
        result = without_infarct(result, STATIC_CINE)
    return result


def _interval(found: SizeUncertainty | str, size: dict) -> dict:
    """The interval as JSON, or why there is none: its own reason, or that of the size."""
    if "value" not in size:
        return dict(size)
    if isinstance(found, str):
        return {"not_measurable": found}
    low, high = found.bounds_percent_lv(size["value"])
    rounded = {"low": round(low, DECIMALS), "high": round(high, DECIMALS)}
    caveat = INTERVAL_ON_PHANTOMS if found.phantoms_only else INTERVAL_CAVEAT
    return {**rounded, "unit": "%", "coverage": found.coverage, "caveat": caveat}


def _wide_interval(found: SizeUncertainty | str | None, size_percent_lv: float) -> list[Flag]:
    if not isinstance(found, SizeUncertainty) or not found.review:
        return []
    low, high = found.bounds_percent_lv(size_percent_lv)
    text = f"the infarct size is uncertain: {low:.0f} to {high:.0f} %LV by what the network leaves open"
    return [Flag("infarct_size_uncertain", text)]


def infarct_percent(label: np.ndarray) -> float:
    """infarct_percent_lv for a report.

    Raises:
        NotMeasurable: as infarct_percent_lv and require_infarct_at_wall.
    """
    require_infarct_at_wall(label)
    return infarct_percent_lv(label)


def _percent_without_no_reflow(subject: SubjectArrays) -> float:
    require_infarct_at_wall(subject.label)
    require_no_reflow_marked(subject.label, subject.no_reflow_marked)
    return infarct_percent_lv(subject.label, "infarct_without_no_reflow")


def _salvaged(subject: SubjectArrays) -> dict:
    """Area at risk, salvage index and no-reflow, each with its caveat; the first two not without T2-STIR."""
    numbers = {"no_reflow_percent_of_infarct": measured("%", no_reflow_percent_of_infarct, subject.label)}
    if not (missing_t2 := _oedema_unseen(subject)):
        numbers["area_at_risk_percent_lv"] = measured("%", area_at_risk_percent_lv, subject.label)
        numbers["salvage_index"] = measured("1", _salvage_index, subject.label)
    else:
        missing = {"not_measurable": missing_t2}
        numbers |= {name: dict(missing) for name in ("area_at_risk_percent_lv", "salvage_index")}
    return {name: with_caveat(name, number) for name, number in numbers.items()}


def _oedema_unseen(subject: SubjectArrays) -> str:
    """Why oedema cannot be measured, in words; "" where every slice with LV wall has a T2-STIR."""
    if "t2_stir" not in subject.sequences_used:
        return "without a T2-STIR oedema is not seen"
    wall = slices_with(subject.label, "lv_myocardium")
    lacking = [] if subject.t2_stir_slices is None else [s + 1 for s in wall if not subject.t2_stir_slices[s]]
    if not lacking:
        return ""
    return f"{len(lacking)} of {len(wall)} slices with LV wall have no T2-STIR, without which oedema is not seen"


def _salvage_index(label: np.ndarray) -> float:
    return salvage_index(infarct_percent(label), area_at_risk_percent_lv(label))


def _regional(subject: SubjectArrays) -> dict:
    """``transmurality`` and ``aha17``, or for either why it cannot be measured."""
    try:
        require_wall(subject.label)
        chords = wall_chords(subject.label, subject.affine)
    except NotMeasurable as reason:
        missing = {"not_measurable": str(reason)}
        return {"transmurality": missing, "aha17": dict(missing)}
    return {"transmurality": _transmurality(subject.label, chords), "aha17": _segments(subject, chords)}


def _transmurality(label: np.ndarray, chords: Chords) -> dict:
    """Mean over all chords and over those that meet infarct, chords by grade, and slices (from 1) they do not cover."""
    shown = slices_with(label, "infarct")
    if shown and not np.nansum(chords.infarcted_percent):
        return {
            "not_measurable": "no chord meets the infarct: it lies outside the wall, or its slices show no full ring"
        }
    uncovered = [s + 1 for s in shown if s not in chords.slice_index]
    return {
        "mean": measured("%", mean_transmurality_percent, chords),
        "mean_of_infarcted_chords": measured("%", mean_transmurality_percent, chords, True),
        "chords_by_grade_percent": grade_counts(chords.mean_percent()),
        **({"infarct_slices_without_chords": uncovered} if uncovered else {}),
    }


def _segments(subject: SubjectArrays, chords: Chords) -> list[dict] | dict:
    """Segments 1-17 with the infarcted part of their wall, mean transmurality and its grade; or why there are none."""
    try:
        found = aha17(subject.label, subject.affine, subject.rv_insertion_degrees, chords)
    except NotMeasurable as reason:
        return {"not_measurable": str(reason)}
    rows = zip(SEGMENT_NAMES, found.infarct_percent, found.transmurality_percent, strict=True)
    return [
        {
            "segment": k,
            "name": name,
            "infarct": _percent_or_reason(infarct, "the label map shows no wall of this segment"),
            "transmurality": _percent_or_reason(depth, "no chord crosses this segment")
            | ({"grade_percent": grade(depth)} if math.isfinite(depth) else {}),
        }
        for k, (name, infarct, depth) in enumerate(rows, start=1)
    ]


def _percent_or_reason(percent: float, reason: str) -> dict:
    if not math.isfinite(percent):
        return {"not_measurable": reason}
    return {"value": round(float(percent), DECIMALS), "unit": "%"}


def _compared(subject: SubjectArrays, reference_label: np.ndarray) -> dict:
    """Reference size and overlap on the slices the reference covers; how many these are."""
    slices = subject.label.shape[-1]
    covered = np.ones(slices, bool) if subject.reference_slices is None else np.asarray(subject.reference_slices, bool)
    label, reference = (np.where(covered, one, 0) for one in (subject.label, reference_label))
    apart = {"not_measurable": subject.reference_apart}
    overlap = {
        name: dict(apart) if subject.reference_apart else measured("1", dice, label, reference, name)
        for name in COMPARED_STRUCTURES
    }
    size = measured("%", infarct_percent, reference)
    if not subject.reference_infarct_marked:
        size = {"not_measurable": NO_INFARCT_CLASS}
        overlap["infarct"] = dict(size)
    result = {
        "reference_slices": int(covered.sum()),
        "reference_infarct_percent_lv": size,
        "reference_dice": overlap,
    }
    if not covered.all():
        result["infarct_percent_lv_on_reference_slices"] = measured("%", infarct_percent, label)
    return result


def spread(percent: np.ndarray) -> dict:
    """Mean, standard deviation and range over samples of the infarct size; samples without a wall are counted apart."""
    finite = np.asarray(percent, dtype=np.float64).ravel()
    samples, finite = finite.size, finite[np.isfinite(finite)]
    if finite.size < 2:
        return {"not_measurable": f"{finite.size} of {samples} samples gave an infarct size, a spread needs 2"}
    numbers = {"mean": finite.mean(), "sd": finite.std(ddof=1), "min": finite.min(), "max": finite.max()}
    rounded = {name: round(float(number), DECIMALS) for name, number in numbers.items()}
    return {**rounded, "unit": "%", "samples": samples, "samples_measured": int(finite.size)}
