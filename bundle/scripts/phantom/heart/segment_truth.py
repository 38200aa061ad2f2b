"""Ground truth of the AHA segments: how they thicken and shorten, how much of them is infarct and at risk."""

from __future__ import annotations

import numpy as np

from .motion import Motion
from .pathology import Pathology, wall_share
from .shape import ANGLES, HeartShape
from .territory import segment_map

SEGMENTS = range(1, 17)  # the cap (17) is in few stacks


def segment_truth(shape: HeartShape, pathology: Pathology, motion: Motion, seen: np.ndarray) -> dict:
    """For meta.json, percent: of each segment 1-16 that the stack covers, and of the whole LV.

    ``radial_thickening_percent``: of the wall from end-diastole to end-systole. ``circumferential_strain_percent``:
    change of the mid-wall radius about the LV axis, below 0 where it shortens, with the septum where the RV's pressure
    moves it. ``infarct_percent`` (with no-reflow) and ``at_risk_percent`` (with the infarct): part of the segment's
    wall.

    Args:
        seen: wall volume inside the stack, (DEPTHS, ANGLES), any unit.
    """
    endo, epi = motion.surfaces_mm(shape, 1.0)
    wall = shape.epi_mm - shape.endo_mm, epi - endo
    middle = shape.epi_mm + shape.endo_mm, epi + endo + 2.0 * (_bowed(shape, motion, endo) - endo)
    numbers = segment_map(shape)
    found = {}
    for segment in SEGMENTS:
        weight = seen * (numbers == segment)
        if weight.sum() <= 0:
            continue
        necrotic, bed = _necrotic(shape, pathology, weight), weight * pathology.at_risk
        viable = float(bed.sum() / weight.sum()) * (1.0 - _necrotic(shape, pathology, bed)) if bed.any() else 0.0
        found[str(segment)] = {
            "radial_thickening_percent": _change_percent(wall, weight),
            "circumferential_strain_percent": _change_percent(middle, weight),
            "infarct_percent": _percent(necrotic),
            "at_risk_percent": _percent(necrotic + viable),
        }
    whole = {"global_circumferential_strain_percent": _change_percent(middle, seen)} if seen.sum() > 0 else {}
    return whole | {"segments": found}


def _necrotic(shape: HeartShape, pathology: Pathology, weight: np.ndarray) -> float:
    first, last = (wall_share(shape, part, weight) for part in pathology.infarct)
    return last - first


def _bowed(shape: HeartShape, motion: Motion, endo: np.ndarray) -> np.ndarray:
    """Inner radius of the material grid at end-systole as images show it: the septum bows where it is after twist."""
    turn = motion.twist(shape, shape.depth_mm, 1.0)
    columns = np.arange(ANGLES)[None, :]
    shown = np.take_along_axis(endo, (columns - turn[:, None]) % ANGLES, axis=1)
    return np.take_along_axis(shape.bowed(shown, 1.0), (columns + turn[:, None]) % ANGLES, axis=1)


def _change_percent(moments: tuple[np.ndarray, np.ndarray], weight: np.ndarray) -> float:
    before, after = (np.average(one, weights=weight) for one in moments)
    return _percent(after / before - 1.0)


def _percent(share: float) -> float:
    return round(100.0 * float(share), 2)
