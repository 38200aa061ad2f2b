"""All measures of one LGE with its label map, acquired or virtual: one JSON and one table row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from ..conventions import NO_INFARCT_CLASS
from .assessment import assess_subject, measured
from .contrast import PAIRS, contrast_ratio, contrast_to_noise
from .plausibility import grid_flags, heart_flags
from .quality import label_flags, review_needed
from .thresholds import SD_FACTORS, fwhm_infarct, n_sd_infarct, otsu_infarct
from .unmeasured_infarct import without_infarct

_KEPT = ("infarct_percent_lv", "infarct_percent_lv_without_no_reflow", "structures", "transmurality", "aha17", "slices")


def quantify(
    label: np.ndarray,
    lge: np.ndarray | None,
    affine: np.ndarray,
    zero_level: float | None = None,
    rv_insertion_degrees: float | None = None,
    no_reflow_marked: bool = False,
    infarct_marked: bool = True,
) -> dict:
    """Sizes, transmurality, segments and ``qc`` flags of the label map; threshold sizes, contrast and CNR of the LGE.

    Args:
        label: (X, Y, S), disk codes. lge: the same grid, any linear scale, or None.
        affine: (4, 4), voxel to RAS mm.
        zero_level: stored grey level of no signal; 0 for magnitude. None: not known, as in most PSIR series; then FWHM
            starts from remote myocardium and there is no contrast ratio.
        rv_insertion_degrees: for aha17.aha17, when the label map has no RV.
        no_reflow_marked: the label map marks no-reflow where there is any, so that none is a finding.
        infarct_marked: its codes know infarct; without, nothing that needs it is measurable: thresholds and contrast
            start from infarct or from wall known to be free of it.
    """
    image = np.zeros(label.shape, np.float32) if lge is None else lge
    numbers = assess_subject(
        label=label, virtual_lge=image, affine=affine, sequences_used=(), no_reflow_marked=no_reflow_marked,
        rv_insertion_degrees=rv_insertion_degrees, infarct_marked=infarct_marked,
    )  # fmt: skip
    flags = [*label_flags(label), *grid_flags(label.shape, affine), *heart_flags(label, affine)]
    found = {key: numbers[key] for key in _KEPT}
    found |= {"qc": [asdict(flag) for flag in flags], "review_needed": review_needed(flags)}
    if lge is None or not infarct_marked:
        missing = "there is no LGE on the grid of the label map"
        reason = {"not_measurable": missing if infarct_marked else NO_INFARCT_CLASS}
        return found | {"thresholds": reason, "contrast": dict(reason)}
    sizes = {"fwhm": measured("%", lambda: fwhm_infarct(lge, label, zero_level=zero_level).percent_lv)}
    for n in SD_FACTORS:
        sizes[f"{n}_sd"] = measured("%", lambda n=n: n_sd_infarct(lge, label, n).percent_lv)
    sizes["otsu"] = measured("%", lambda: otsu_infarct(lge, label).percent_lv)
    contrast = {}
    for pair in PAIRS:
        name = "_over_".join(pair)
        contrast[f"cnr_{name}"] = measured("1", contrast_to_noise, lge, label, pair)
        contrast[f"ratio_{name}"] = (
            {"not_measurable": "zero_level is not known: the ratio would measure the offset of the image"}
            if zero_level is None
            else measured("1", contrast_ratio, lge, label, pair, zero_level)
        )
    return found | {"thresholds": sizes, "contrast": contrast}


def with_result(numbers: dict, result: Mapping) -> dict:
    """Numbers of ``quantify`` of a label map that inference wrote, with what only its result knows.

    Args:
        result: content of the result.json beside the label map. Its flags and its review_needed are taken over. Where
            it has no infarct size, as of a cine without motion, there is none here either, for the same reason.
    """
    known = {flag["flag"] for flag in numbers["qc"]}
    further = [dict(flag) for flag in result.get("qc", ()) if flag["flag"] not in known]
    review = bool(numbers["review_needed"] or result.get("review_needed", False))
    found = numbers | {"qc": [*numbers["qc"], *further], "review_needed": review}
    reason = result.get("infarct_percent_lv", {}).get("not_measurable")
    if reason is None:
        return found
    return without_infarct(found, reason) | {part: {"not_measurable": reason} for part in ("thresholds", "contrast")}


def segment_values(numbers: Mapping, measure: str = "infarct") -> np.ndarray:
    """Segments 1-17 of one measure of ``aha17``, (17,), percent, NaN where there is none; all NaN without segments."""
    segments = numbers["aha17"]
    if isinstance(segments, Mapping):
        return np.full(17, np.nan)
    return np.array([segment[measure].get("value", np.nan) for segment in segments])


def table_row(numbers: Mapping) -> dict[str, float | str]:
    """The numbers of ``quantify`` that are one value each, by name with its unit, and the names of its flags.

    What is missing is left out.
    """
    row = {"infarct_percent_lv": numbers["infarct_percent_lv"]}
    row["infarct_without_no_reflow_percent_lv"] = numbers["infarct_percent_lv_without_no_reflow"]
    for structure, measures in numbers["structures"].items():
        row |= {f"{structure}_{name}_{'ml' if name == 'volume' else 'g'}": one for name, one in measures.items()}
    if "mean_of_infarcted_chords" in numbers["transmurality"]:
        row["transmurality_of_infarct_percent"] = numbers["transmurality"]["mean_of_infarcted_chords"]
    for part, ending in (("thresholds", "_percent_lv"), ("contrast", "")):
        row |= {f"{name}{ending}": one for name, one in numbers[part].items() if isinstance(one, Mapping)}
    values = {name: one["value"] for name, one in row.items() if "value" in one}
    review = "yes" if numbers["review_needed"] else "no"
    return values | {"review_needed": review, "qc_flags": " ".join(flag["flag"] for flag in numbers["qc"])}
