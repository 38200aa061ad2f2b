"""Targets of the realism check: published value, source, accepted band.

Source keys: SOURCES.md of the repository, Keys. "[K]" marks general knowledge that was not read in a source, "[C]" a
value computed from the sources named.
Bands of a median or quartile are about two standard errors of a cohort of 200, unless the source gives a range.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from . import segment_statistics as segments
from .subject_measures import Measures
from .targets import (
    GRADES,
    MVO_SMALLEST_PERCENT,
    Realised,
    Target,
    acute,
    deviation,
    ef_line,
    fact_share,
    healthy,
    infarcted,
    mean,
    positive_segments,
    quantile,
    segment_grade,
    share,
    wall_ratio,
)

_SIZE, _MOTION, _STIR, _LGE = "infarct", "motion", "T2-STIR", "LGE"
_EF_LINE = "Bekkers, Iron203 [C]"  # through the six group means, SOURCES.md of the repository, Infarct cohort
_CLUE = "infarct seen in motion and T2-STIR"
_SHAPE, _NOISE, _COHORT = "wall and cavity", "signal to noise", "cohort"


def _quantile_rows() -> list[Target]:
    rows = [("first quartile", 0.25, 8.0, 6.0, 10.0), ("median", 0.5, 17.9, 15.0, 21.0)]
    rows += [("third quartile", 0.75, 29.8, 26.5, 33.0)]
    return [
        Target(_SIZE, f"infarct size, {name}, %LV", f"{value}", "Stone", low, high, quantile("infarct", q, infarcted))
        for name, q, value, low, high in rows
    ]


def _grade_rows() -> list[Target]:
    published = (20, 28, 29, 22)
    return [
        Target(
            _SIZE,
            f"LGE-positive segments graded {name}, %",
            str(value),
            "BullTEI",
            value - 5,
            value + 5,
            segment_grade(k),
        )
        for k, (name, value) in enumerate(zip(GRADES, published, strict=True))
    ]


def _territory_rows() -> list[Target]:
    published = {"LAD": (45, "ant355 (anterior 47 %), split [K]"), "RCA": (40, "[K]"), "LCX": (15, "[K]")}
    return [
        Target(
            _SIZE,
            f"culprit {name}, % of infarcts",
            str(value),
            key,
            value - 6,
            value + 6,
            fact_share("territory", name, infarcted),
        )
        for name, (value, key) in published.items()
    ]


def _noise_rows() -> list[Target]:
    ranges = {
        "snr_cine_blood": ("cine, LV blood", 40, 80),
        "snr_cine_wall": ("cine, remote myocardium", 15, 30),
        "snr_stir_wall": ("T2-STIR, remote myocardium", 10, 25),
        "snr_lge_infarct": ("LGE, infarct", 15, 30),
    }
    return [
        Target(_NOISE, f"SNR {text}, median", f"{low}-{high}", "[K]", low, high, quantile(name, 0.5))
        for name, (text, low, high) in ranges.items()
    ]


def _shape_rows() -> list[Target]:
    rows = [
        ("mid wall, mid-diastole, median, mm", "5.3-6.3 at ED, x 1.14", "MESA, CTwall", 6.0, 7.2, "wall_mid"),
        ("basal wall, mid-diastole, median, mm", "maximum 7-8 at ED", "MESA, CTwall, [K]", 6.5, 8.5, "wall_basal"),
        ("apical wall, mid-diastole, median, mm", "thins from base to apex", "CTwall, [K]", 4.5, 6.2, "wall_apical"),
        ("basal cavity, ED, median, mm", "46 (F) to 50 (M)", "Atlas", 45.0, 51.0, "ed_cavity_basal"),
        ("mid cavity, ED, median, mm", "42-48", "[K]", 42.0, 49.0, "ed_cavity_mid"),
        ("apical cavity, ED, median, mm", "20-34", "[K]", 20.0, 34.0, "ed_cavity_apical"),
        ("basal cavity, ES, median, mm", "30-35", "[K]", 29.0, 36.0, "es_cavity_basal"),
    ]
    found = [
        Target(_SHAPE, f"healthy: {name}", text, key, low, high, quantile(measure, 0.5, group=healthy))
        for name, text, key, low, high, measure in rows
    ]
    found.append(Target(_SHAPE, "apical over basal wall, median", "0.6-0.9", "CTwall, [K]", 0.6, 0.9, wall_ratio))
    swollen = quantile("swelling", 0.5, infarcted)
    found.append(Target(_SHAPE, "infarcted over remote wall, median", "1.10-1.20", "[K]", 1.08, 1.22, swollen))
    return found


def _lge_rows() -> list[Target]:
    cr = "lge_blood_ratio"
    return [
        Target(_LGE, "blood over remote, median", "8.8", "MSDiff", 7.8, 9.8, quantile(cr, 0.5)),
        Target(_LGE, "blood over remote, first quartile", "6.4", "MSDiff", 5.4, 7.4, quantile(cr, 0.25)),
        Target(_LGE, "blood over remote, third quartile", "11.7", "MSDiff", 10.2, 13.2, quantile(cr, 0.75)),
        Target(_LGE, "infarct-to-blood CNR, mean", "2.9 to 3.9", "MCODE", 2.5, 4.4, mean("lge_cnr", infarcted)),
        Target(_LGE, "infarct-to-blood CNR, SD", "2.3 to 3.1", "MCODE", 1.6, 3.8, deviation("lge_cnr", infarcted)),
        Target(_LGE, "blood over remote as stored, median", "none published", "-", None, None,
               quantile("lge_blood_ratio_as_stored", 0.5)),
    ]  # fmt: skip


def _motion_rows() -> list[Target]:
    ef = "EF against infarct size: "
    healthy_ef = mean("ejection_fraction", healthy)
    return [
        Target(_MOTION, "EF measured in the stack: slope, points per %LV", "-0.37", _EF_LINE, -0.45, -0.29,
               ef_line("slope", "ejection_fraction_of_stack")),
        Target(_MOTION, "EF measured in the stack: value at 0 %LV, %", "59", _EF_LINE, 56, 62,
               ef_line("intercept", "ejection_fraction_of_stack")),
        Target(_MOTION, ef + "slope, points per %LV", "-0.37", _EF_LINE, -0.45, -0.29, ef_line("slope")),
        Target(_MOTION, ef + "value at 0 %LV, %", "59", _EF_LINE, 56, 62, ef_line("intercept")),
        Target(_MOTION, ef + "scatter, SD, points", "7-8", _EF_LINE, 5.5, 9.5, ef_line("scatter")),
        Target(_MOTION, "EF of healthy subjects, mean, %", "58 (M), 61 (F)", "UKB", 56, 63, healthy_ef),
    ]  # fmt: skip


def _clue_rows() -> list[Target]:
    """What the pictures say of an infarct: enough for a clue, too little for a label map."""
    return [
        Target(_CLUE, "segmental thickening for infarct above 25 % of a segment, AUC", "0.89 (strain)", "Strain666",
               0.83, 0.91, segments.thickening_auc),
        Target(_CLUE, "the same, sensitivity at 80 % specificity, %", "74.6 (strain), 43.4 (by eye)", "Strain57",
               65, 85, segments.thickening_sensitivity),
        Target(_CLUE, "thickening between segments of a healthy heart, SD, % of the mean", "15-20", "[K]",
               13, 24, segments.thickening_heterogeneity),
        Target(_CLUE, "global circumferential shortening against infarct size, rho", "-0.62 to -0.72", "Strain65",
               -0.75, -0.60, segments.strain_against_size),
        Target(_CLUE, "T2-STIR of sectors with more than half lesion against none, AUC", "0.78-0.88", "[K]",
               0.78, 0.88, segments.lesion_visible),
        Target(_CLUE, "T2-STIR of infarct against oedema alone, sectors, AUC", "0.58-0.70", "[C]",
               0.58, 0.70, segments.infarct_in_lesion_visible),
    ]  # fmt: skip


def realism_targets() -> list[Target]:
    """Every row of the check, in the order of the report."""
    has_mvo = share("no_reflow", lambda percent: percent > MVO_SMALLEST_PERCENT, infarcted)
    not_bright = share("stir_excess_sd", lambda sd: sd <= 2.0, infarcted)
    dark = share("stir_excess_sd", lambda sd: sd < -2.0, infarcted)
    no_infarct = share("infarct", lambda percent: percent == 0)
    without_lesion = share("area_at_risk", lambda percent: percent == 0)
    return [
        *_quantile_rows(),
        Target(_SIZE, "area at risk, mean, %LV", "32 +- 12", "Iron203, Bull3T", 29, 36,
               mean("area_at_risk", acute)),
        Target(_SIZE, "area at risk, SD between subjects, %LV", "10-12", "Iron203, Bull3T, Ubachs10", 9, 14,
               deviation("area_at_risk", acute)),
        Target(_SIZE, "salvage index, median", "0.48 (pooled mean 0.43)", "Eitel, MSImeta", 0.43, 0.48,
               quantile("salvage", 0.5, infarcted)),
        Target(_SIZE, "salvage index, mean", "0.43 (0.374-0.486)", "MSImeta", 0.374, 0.486, mean("salvage", infarcted)),
        Target(_SIZE, "infarcts with no-reflow, %", "50-60", "Waha, Bekkers, Iron203", 50, 60, has_mvo),
        Target(_SIZE, "no-reflow extent, median, %LV", "0.47 (0-2.54)", "Waha", 0.2, 1.0,
               quantile("no_reflow", 0.5, infarcted)),
        Target(_SIZE, "no-reflow extent, third quartile, %LV", "2.54", "Waha", 1.7, 3.4,
               quantile("no_reflow", 0.75, infarcted)),
        Target(_SIZE, "infarcts with haemorrhage, %", "36-43", "Iron203, Bekkers", 33, 46,
               fact_share("haemorrhage", True, infarcted)),
        *_territory_rows(),
        *_grade_rows(),
        Target(_SIZE, "the same, graded 1-25 %, counted from 1 % of a segment on, %", "20", "BullTEI", 15, 25,
               segment_grade(0, 1.0)),
        Target(_SIZE, "segments with infarct, %", "28.6 to 39", "Garg, Shapiro", 25, 42, positive_segments),
        *_motion_rows(),
        *_clue_rows(),
        Target(_STIR, "infarct over remote, median", "1.27", "Park", 1.17, 1.37,
               quantile("stir_ratio", 0.5, infarcted)),
        Target(_STIR, "iso- or hypointense infarcts (<= 2 SD), %", "33 (Park: 50)", "Park", 25, 50, not_bright),
        Target(_STIR, "hypointense infarcts (< -2 SD), %", "15 (3 of 20)", "Park", 5, 25, dark),
        *_lge_rows(),
        *_shape_rows(),
        *_noise_rows(),
        Target(_COHORT, "usable slices per subject, mean", "5.3 (2,177 of 409)", "SSDiff", 4.8, 5.8,
               mean("usable_slices")),
        Target(_COHORT, "subjects without infarct, %", "none (reader study: >= 30)", "[K]", None, None, no_infarct),
        Target(_COHORT, "subjects without infarct and oedema, %", "none published", "-", None, None, without_lesion),
        Target(_COHORT, "oedema without infarct, % of subjects", "hard negatives", "-", None, None,
               _hard_negatives("oedema_only")),
        Target(_COHORT, "infarct without oedema, % of subjects", "hard negatives", "-", None, None,
               _hard_negatives("scar_only")),
    ]  # fmt: skip


def _hard_negatives(name: str) -> Callable[[Sequence[Measures]], Realised]:
    return share(name, bool)
