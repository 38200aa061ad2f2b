"""Ground truth of the AHA segments: how they thicken and shorten, how much of them is infarct and at risk."""

from __future__ import annotations

import numpy as np

from .motion import Motion
from .pathology import Pathology, wall_share
from .shape import HeartShape
from .territory import segment_map

SEGMENTS = range(1, 17)  # the cap (17) is in few stacks


def segment_truth(shape: HeartShape, pathology: Pathology, motion: Motion, seen: np.ndarray) -> dict:
    """For meta.json, percent: of each segment 1-16 that the stack covers, and of the whole LV.

    ``radial_thickening_percent``: of the wall from end-diastole to end-systole. ``circumferential_strain_percent``:
    change of the mid-wall radius about the LV axis, below 0 where it shortens. ``infarct_percent`` (with no-reflow) and
    ``at_risk_percent``: part of the segment's wall.

    Args:
        seen: wall volume inside the stack, (DEPTHS, ANGLES), any unit.
    """
    endo, epi = motion.surfaces_mm(shape, 1.0)
    wall, middle = (shape.epi_mm - shape.endo_mm, epi - endo), (shape.epi_mm + shape.endo_mm, epi + endo)
    at_risk = np.maximum(pathology.at_risk, pathology.infarcted > 0)
    numbers = segment_map(shape)
    found = {}
    for segment in SEGMENTS:
        weight = seen * (numbers == segment)
        if weight.sum() <= 0:
            continue
        necrotic = wall_share(shape, pathology.infarct[1], weight) - wall_share(shape, pathology.infarct[0], weight)
        found[str(segment)] = {
            "radial_thickening_percent": _change_percent(wall, weight),
            "circumferential_strain_percent": _change_percent(middle, weight),
            "infarct_percent": _percent(necrotic),
            "at_risk_percent": _percent(np.average(at_risk, weights=weight)),
        }
    whole = {"global_circumferential_strain_percent": _change_percent(middle, seen)} if seen.sum() > 0 else {}
    return whole | {"segments": found}


def _change_percent(moments: tuple[np.ndarray, np.ndarray], weight: np.ndarray) -> float:
    before, after = (np.average(one, weights=weight) for one in moments)
    return _percent(after / before - 1.0)


def _percent(share: float) -> float:
    return round(100.0 * float(share), 2)
