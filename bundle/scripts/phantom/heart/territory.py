"""Beds of the three coronary arteries on the LV wall, from the AHA 17 segments to a smooth field.

Sources: AHA segments and territories (LAD 1,2,7,8,13,14,17; RCA 3,4,9,10,15; LCX 5,6,11,12,16); overlap between
patients: Perez 2005, Ortiz 2008.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter

from .shape import ANGLE, ANGLES, DEPTHS, Wall, smooth_field

SEGMENTS_OF = {"LAD": (1, 2, 7, 8, 13, 14, 17), "RCA": (3, 4, 9, 10, 15), "LCX": (5, 6, 11, 12, 16)}
# Segments which the artery reaches in part of the patients, with the chance.
_OVERLAP = {
    "LAD": {9: 0.35, 15: 0.45, 16: 0.4, 12: 0.25, 7: 1.0},
    "RCA": {5: 0.4, 11: 0.45, 14: 0.15},
    "LCX": {4: 0.3, 10: 0.3, 1: 0.1, 7: 0.1},
}
_LEVEL_BORDERS = (0.35, 0.67, 0.92)  # of the LV length: basal | mid | apical | cap


def segment_map(shape: Wall, turn_deg: float = 0.0) -> np.ndarray:
    """AHA segment 1-17 of every cell of the material grid, (DEPTHS, ANGLES).

    Border 1|2 lies at the anterior RV insertion, 60 degrees from the middle of the septum; ``turn_deg`` moves borders.
    """
    relative = (np.rad2deg(ANGLE - shape.septum_angle) - turn_deg + 180.0) % 360.0 - 180.0
    # Six sectors from the anterior insertion (+60) backwards through the septum: 2, 3, 4, 5, 6, 1.
    sixth = (((60.0 - relative) % 360.0) // 60.0).astype(int)
    ring = np.array([2, 3, 4, 5, 6, 1])[sixth]
    quarter = (((135.0 - relative) % 360.0) // 90.0).astype(int)
    apical = np.array([13, 14, 15, 16])[quarter]
    u = np.linspace(0.0, 1.0, DEPTHS)
    rows = [ring, ring + 6, apical, np.full(ANGLES, 17)]
    return np.stack([rows[int(np.searchsorted(_LEVEL_BORDERS, value, side="right"))] for value in u])


def bed_field(shape: Wall, territory: str, rng: np.random.Generator) -> np.ndarray:
    """How surely a cell belongs to the bed below the occlusion, any scale, (DEPTHS, ANGLES); a level set is a bed.

    High inside the territory, falling over its borders; a distal occlusion or a side branch moves it.
    """
    segments = segment_map(shape, float(rng.normal(0.0, 5.0)))
    weight = np.zeros(18)
    weight[list(SEGMENTS_OF[territory])] = 1.0
    for segment, chance in _OVERLAP[territory].items():
        if rng.random() < chance:
            weight[segment] = max(weight[segment], rng.uniform(0.5, 0.9))
    sharp, wide = _membership(weight[segments])
    u = np.linspace(0.0, 1.0, DEPTHS)[:, None]
    distal = rng.uniform(0.0, 0.9) if territory == "LAD" else rng.uniform(-0.3, 0.5)
    side = np.cos(ANGLE[None, :] - shape.septum_angle - _branch_angle(territory, rng))
    field = 1.1 * sharp + 1.0 * wide + distal * (u - 0.5) + rng.uniform(0.05, 0.45) * side
    return field + 0.05 * smooth_field(8, rng)


def segments_field(shape: Wall, segments: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """As ``bed_field``, of a bed that covers the named AHA segments 1-17 rather than an artery's territory."""
    sharp, wide = _membership(np.isin(segment_map(shape), segments).astype(float))
    return 1.1 * sharp + 1.0 * wide + 0.05 * smooth_field(8, rng)


def _membership(member: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cells of a territory, (DEPTHS, ANGLES), falling over its borders within a few millimetres, and widely."""
    return (
        gaussian_filter(member, (2.0, 5.0), mode=("nearest", "wrap")),
        gaussian_filter(member, (9.0, 28.0), mode=("nearest", "wrap")),
    )


def _branch_angle(territory: str, rng: np.random.Generator) -> float:
    """Where in the territory the smallest bed lies, radians from the middle of the septum."""
    low, high = {"LAD": (10.0, 100.0), "RCA": (-110.0, -35.0), "LCX": (-215.0, -130.0)}[territory]
    return float(np.deg2rad(rng.uniform(low, high)))


def upper_level(field: np.ndarray, weight: np.ndarray, share: float) -> float:
    """The level above which the part ``share`` (0..1) of the total ``weight`` lies."""
    order = np.argsort(field, axis=None)[::-1]
    total = np.cumsum(weight.ravel()[order])
    if total[-1] <= 0:
        return float("inf")
    return float(field.ravel()[order][np.searchsorted(total, share * total[-1]).clip(0, order.size - 1)])
