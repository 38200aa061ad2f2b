"""meta.json of a phantom subject: ground truth, timing, settings, shifts and usable slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.ndimage import binary_fill_holes

from .. import conventions
from .heart.anatomy import Anatomy
from .heart.lesion_sizes import Lesion
from .heart.motion import Motion
from .heart.pathology import Pathology
from .heart.render import LAYERS
from .heart.shape import ANGLES, DEPTHS
from .heart.tissue import MYOCARDIUM, Tissue
from .scanner.acquisition import LGE_LEVEL_PER_M0, post_contrast_t1_ms
from .scanner.protocol import Protocol
from .scanner.signal import null_inversion_time_ms

DISCLAIMER = "Digital phantom. Research use only. No patient, no acquired image."
# A slice is usable when a whole ring of wall encloses a cavity at least this wide in the label, T2-STIR is of
# diagnostic quality, and no sequence lies further than this from the LGE (in plane and along the axis together).
_SMALLEST_CAVITY_MM = 20.0
_LARGEST_MISMATCH_MM = 2.25


def truth_of(label: np.ndarray) -> dict[str, float]:
    """Sizes counted in the written label, percent of the LV wall; infarct includes no-reflow.

    Raises:
        NotMeasurable: there is no wall.
    """
    counts = np.bincount(label.ravel(), minlength=len(conventions.LABEL_NAMES)).astype(float)
    _, _, myocardium, infarct, no_reflow, oedema, _ = counts[:7]
    wall = myocardium + infarct + no_reflow + oedema
    if wall == 0:
        raise conventions.NotMeasurable("the label holds no LV wall")
    percent = 100.0 / wall
    return {
        "infarct_percent_lv": round(float((infarct + no_reflow) * percent), 3),
        "no_reflow_percent_lv": round(float(no_reflow * percent), 3),
        "area_at_risk_percent_lv": round(float((infarct + no_reflow + oedema) * percent), 3),
    }


def analytic_volumes_ml(anatomy: Anatomy, pathology: Pathology, motion: Motion, contraction: float) -> dict[str, float]:
    """``cavity``, ``wall``, ``infarct`` in the slices of the stack at a contraction, ml, from the surfaces themselves.

    Cavity with papillary muscles and trabeculae; infarct with no-reflow. Slices count with their thickness, gaps
    do not.
    """
    endo, epi = motion.surfaces_mm(anatomy.shape, contraction)
    wall = epi - endo
    steps = 24
    within = ((np.arange(steps) + 0.5) / steps - 0.5) * anatomy.slice_thickness_mm
    depth = (anatomy.depth_mm[:, None] + within).ravel()
    material = motion.material_depth_mm(anatomy.shape, depth, contraction)
    inside = (material >= 0).reshape(anatomy.slices, steps).mean(axis=1)
    # A slice cut by the mitral plane counts whole or not at all, decided on the levels of the label.
    levels = anatomy.depth_mm[:, None] + ((np.arange(LAYERS) + 0.5) / LAYERS - 0.5) * anatomy.slice_thickness_mm
    layers = (motion.material_depth_mm(anatomy.shape, levels, contraction) >= 0).mean(axis=1)
    weight = np.where(layers >= 0.5, 1.0 / np.maximum(inside, 0.3), 0.0).repeat(steps)
    present = (material >= 0) & (material < anatomy.shape.length_mm)
    cell = 2 * np.pi / ANGLES * anatomy.slice_thickness_mm / steps / 1000.0
    at = np.rint(material[present] / anatomy.shape.length_mm * (DEPTHS - 1)).astype(int)
    # Near the base the ring of wall is open at the outflow tract.
    outside = anatomy.shape.ring(material[present])
    edges = {
        "cavity": (np.zeros_like(endo[at]), endo[at]),
        "wall": (endo[at], endo[at] + outside * wall[at]),
        "infarct": tuple(endo[at] + np.minimum(part[at], outside) * wall[at] for part in pathology.infarct),
    }
    return {
        name: float((0.5 * (outer**2 - inner**2).sum(axis=1) * weight[present]).sum() * cell)
        for name, (inner, outer) in edges.items()
    }


def usable_slices(
    label: np.ndarray, pixel_mm: float, diagnostic: np.ndarray, shifts_mm: dict[str, np.ndarray]
) -> list[int]:
    """Slices that a study would keep: full ring, cavity wide enough, T2-STIR readable, sequences matching.

    ``shifts_mm``: of the breath-holds; empty leaves out the last condition."""
    apart = [np.linalg.norm(shift - shifts_mm["lge"], axis=1) for shift in shifts_mm.values()]
    level = np.max(apart, axis=0, initial=0.0) <= _LARGEST_MISMATCH_MM if apart else np.ones(len(diagnostic), bool)
    found = []
    for index in range(label.shape[2]):
        plane = label[..., index]
        blood, wall = plane == 1, np.isin(plane, conventions.STRUCTURES["lv_myocardium"])
        width = 2 * np.sqrt(blood.sum() / np.pi) * pixel_mm
        closed = bool(blood.any()) and bool(binary_fill_holes(wall)[blood].all())
        if closed and width >= _SMALLEST_CAVITY_MM and diagnostic[index] and level[index]:
            found.append(index)
    return found


def describe(
    anatomy: Anatomy,
    lesion: Lesion,
    motion: Motion,
    protocol: Protocol,
    tissues: dict[int, Tissue],
    label: np.ndarray,
    fractions: Sequence[float],
) -> dict[str, Any]:
    """meta.json without the slices' own part; times in ms, lengths in mm."""
    lge_fraction, stir_fraction = protocol.diastolic_fraction
    return {
        "vendor": protocol.vendor,
        "field_strength_t": protocol.field_strength_t,
        "sex": anatomy.shape.sex,
        "condition": lesion.condition,
        "rr_interval_ms": round(anatomy.rr_ms, 1),
        "cine_trigger_times_ms": [round(fraction * anatomy.rr_ms, 1) for fraction in fractions],
        "lge_trigger_time_ms": round(lge_fraction * anatomy.rr_ms, 1),
        "t2_stir_trigger_time_ms": round(stir_fraction * anatomy.rr_ms, 1),
        "slice_thickness_mm": anatomy.slice_thickness_mm,
        "slice_gap_mm": round(anatomy.slice_gap_mm, 3),
        "slice_pitch_mm": round(anatomy.pitch_mm, 3),
        "protocol": _settings(anatomy, protocol, tissues),
        "truth": truth_of(label) | _truth(anatomy, lesion, motion),
        "disclaimer": DISCLAIMER,
    }


def _truth(anatomy: Anatomy, lesion: Lesion, motion: Motion) -> dict[str, Any]:
    shape = anatomy.shape
    volumes = motion.cavity_ml(shape, 0.0), motion.cavity_ml(shape, 1.0)
    return {
        "ejection_fraction_percent": round(motion.ejection_fraction_percent(shape), 2),
        "lv_edv_ml": round(volumes[0], 2),
        "lv_esv_ml": round(volumes[1], 2),
        "lv_form": {"name": shape.form.name, "severity": round(shape.form.severity, 3)},
        "territory": lesion.territory,
        "haemorrhage": lesion.haemorrhage,
        "oedema_regime": lesion.oedema_regime,
        "days_after_reperfusion": round(lesion.days, 2),
    }


def _settings(anatomy: Anatomy, protocol: Protocol, tissues: dict[int, Tissue]) -> dict[str, dict[str, Any]]:
    cine, stir, lge = protocol.cine, protocol.stir, protocol.lge
    null = null_inversion_time_ms(float(post_contrast_t1_ms(tissues, protocol)[MYOCARDIUM]), lge.repeat_ms)
    drift = np.linspace(-0.5, 0.5, anatomy.slices) * lge.ti_drift_ms
    return {
        "cine": {"tr_ms": round(cine.tr_ms, 2), "te_ms": round(cine.te_ms, 2), "flip_deg": round(cine.flip_deg, 1)},
        "t2_stir": {
            "tr_ms": round(2 * anatomy.rr_ms, 1),
            "te_ms": round(stir.te_ms, 1),
            "ti_ms": round(stir.ti_ms, 1),
            "echo_train_length": stir.echo_train,
        },
        "lge": {
            "tr_ms": round(lge.tr_ms, 2),
            "te_ms": round(lge.te_ms, 2),
            "flip_deg": round(lge.flip_deg, 1),
            "ti_ms": [round(float(null + lge.ti_error_ms + one), 1) for one in drift],
            "kind": lge.kind,
            # Stored grey level of no signal; a scanner tells it as rescale intercept, the phantom's DICOM does not.
            "zero_level": round(lge.offset * LGE_LEVEL_PER_M0, 1) if lge.kind == "psir" else 0.0,
        },
    }
