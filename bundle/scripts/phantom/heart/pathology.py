"""Area at risk, infarct, no-reflow, haemorrhage, the wall motion they leave, and hard negatives.

Everything is a field on the material grid of shape.py, (DEPTHS, ANGLES); depth through the wall runs from 0 at the
endocardium to 1 at the epicardium. Shape rules: Reimer and Jennings 1977, 1979: the wavefront grows from the
endocardium, lateral edges are sharp and fixed by the bed, the viable rim is epicardial.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from ..parameters import INFARCTED
from .lesion_sizes import Lesion
from .shape import ANGLES, DEPTHS, HeartShape, Wall, rough_field, smooth_field
from .territory import bed_field, upper_level
from .wall_motion import regional_strength, septal_flash

# Of the wall: a thinner rim shrinks to the sides instead. Dogs: 38 % after 40 minutes of occlusion, 57 % after 3 hours.
_SHALLOWEST = (0.54, 0.80)
# Infarct that stays perfused between no-reflow and the epicardium, at least, mm: nearly a pixel.
_PERFUSED_RIM_MM = 1.3


@dataclass(frozen=True)
class Pathology:
    """``infarct``: (2, DEPTHS, ANGLES) from, to, fractions of the wall; ``no_reflow`` likewise, inside it.

    ``at_risk`` 0..1: bed of the artery, or oedema of another cause; its part outside the infarct is labelled oedema.
    ``strength``: of motion, 1 normal. ``swelling``: factor of the wall thickness. ``stagnant`` 0..1: where blood stands
    still along the wall. ``flash``: motion of the septum that has come and gone at end-systole, in parts of the
    heart's shortening. ``darkening``: as the lesion's.
    """

    infarct: np.ndarray
    no_reflow: np.ndarray
    at_risk: np.ndarray
    strength: np.ndarray
    swelling: np.ndarray
    stagnant: np.ndarray
    flash: np.ndarray | float = 0.0
    darkening: float = 0.0

    @property
    def infarcted(self) -> np.ndarray:
        """Necrotic part of the wall, 0..1, (DEPTHS, ANGLES)."""
        return self.infarct[1] - self.infarct[0]


def make_pathology(shape: HeartShape, lesion: Lesion, seen: np.ndarray, rng: np.random.Generator) -> Pathology:
    """The lesion on a heart.

    Args:
        seen: wall volume that the stack covers, (DEPTHS, ANGLES), any unit; shares of the LV wall refer to it.
    """
    if lesion.condition in INFARCTED:
        return _infarction(shape, lesion, seen, rng)
    nothing = np.zeros((2, DEPTHS, ANGLES))
    flat = np.zeros((DEPTHS, ANGLES))
    oedema, region = flat, flat
    if lesion.condition == "takotsubo":
        oedema = region = _ballooning(shape, lesion, seen, rng)
    elif lesion.area_at_risk:
        bed = bed_field(shape, lesion.territory, rng)
        region = _soft(bed - upper_level(bed, seen, lesion.area_at_risk))
    strength = regional_strength(shape, lesion, region, flat, rng)
    thickness = 1.0 + 0.06 * oedema - (rng.uniform(0.0, 0.15) * region if lesion.condition == "hibernating" else 0.0)
    flash = septal_flash(shape, lesion, rng)
    return Pathology(nothing, nothing, oedema, strength, thickness, _stagnant(1.0 - strength), flash)


@dataclass(frozen=True)
class Infarction:
    """``infarct``, ``no_reflow``, ``at_risk``: as Pathology's, the last one with the infarct inside it."""

    infarct: np.ndarray
    no_reflow: np.ndarray
    at_risk: np.ndarray


def infarct_in_bed(
    wall: Wall,
    lesion: Lesion,
    bed: np.ndarray,
    seen: np.ndarray,
    rng: np.random.Generator,
    shallowest: tuple[float, float] = _SHALLOWEST,
) -> Infarction:
    """An infarct that grew from the endocardium into the bed of an artery.

    Args:
        bed: how surely a cell belongs to it, any scale, (DEPTHS, ANGLES), as territory.bed_field gives it.
        seen: as make_pathology takes it.
        shallowest: range of the depth, 0..1, below which an infarct covers less of the bed instead.
    """
    level = upper_level(bed, seen, lesion.area_at_risk)
    at_risk = _soft(bed - level)
    inside = _interior(bed, level, seen, lesion, rng, shallowest)
    irregular = np.clip(1.0 + 0.14 * smooth_field(8, rng) + 0.10 * rough_field(9.0, 8.0, wall.length_mm, rng), 0.4, 1.6)
    profile = np.clip(inside / 0.05, 0.0, 1.0) ** 0.5 * irregular
    depth = _depth_of_size(wall, profile, seen, lesion.infarct)
    spared = rng.uniform(0.0, 0.10) if rng.random() < 0.4 else 0.0
    start = np.minimum(spared * np.clip(1.0 + 0.5 * smooth_field(9, rng), 0.0, 2.0), 0.3 * depth)
    infarct = np.stack([start, depth])
    at_risk = np.maximum(at_risk, _soft(depth - 0.10, 0.05))
    return Infarction(infarct, _no_reflow(wall, infarct, inside, seen, lesion, rng), at_risk)


def _infarction(shape: HeartShape, lesion: Lesion, seen: np.ndarray, rng: np.random.Generator) -> Pathology:
    found = infarct_in_bed(shape, lesion, bed_field(shape, lesion.territory, rng), seen, rng)
    at_risk, necrotic = found.at_risk, found.infarct[1] - found.infarct[0]
    return Pathology(
        found.infarct,
        found.no_reflow,
        at_risk if lesion.condition == "acute_mi" else np.zeros_like(at_risk),
        regional_strength(shape, lesion, at_risk, necrotic, rng),
        _swelling(necrotic, at_risk, lesion, rng),
        _stagnant(at_risk),
        septal_flash(shape, lesion, rng),
        lesion.darkening,
    )


def _soft(distance: np.ndarray, width: float = 0.03) -> np.ndarray:
    return np.clip(distance / width + 0.5, 0.0, 1.0)


def _interior(
    bed: np.ndarray, level: float, seen: np.ndarray, lesion: Lesion, rng: np.random.Generator,
    shallowest: tuple[float, float],
) -> np.ndarray:  # fmt: skip
    """0 outside the infarct's lateral edges, rising to 1 in its middle; the edges lie just inside the bed's.

    A salvaged infarct whose rim would be thinner than ``shallowest`` keeps that depth and covers less of the bed.
    """
    mean_depth = lesion.infarct / max(lesion.area_at_risk, 1e-6)
    covered = lesion.area_at_risk * min(rng.uniform(0.86, 0.97), mean_depth / rng.uniform(*shallowest))
    edge = upper_level(bed, seen, max(covered, 1.05 * lesion.infarct))
    top = upper_level(bed, seen, 0.15 * lesion.area_at_risk)
    return np.clip((bed - max(edge, level)) / max(top - max(edge, level), 1e-3), 0.0, 1.0)


def _depth_of_size(shape: Wall, profile: np.ndarray, seen: np.ndarray, size: float) -> np.ndarray:
    """Infarct depth whose share of the seen wall is ``size``, by bisection on the advance of the wavefront."""
    low, high = 0.02, 8.0
    for _ in range(28):
        middle = 0.5 * (low + high)
        reached = wall_share(shape, np.clip(middle * profile, 0.0, 1.0), seen)
        low, high = (middle, high) if reached < size else (low, middle)
    return np.clip(0.5 * (low + high) * profile, 0.0, 1.0)


def wall_share(shape: Wall, depth: np.ndarray, seen: np.ndarray) -> float:
    """Part of the seen LV wall within ``depth`` (0..1 through the wall) of the endocardium: integral of r dr."""
    wall = shape.epi_mm - shape.endo_mm
    part = shape.endo_mm * depth * wall + 0.5 * (depth * wall) ** 2
    whole = np.maximum(shape.endo_mm * wall + 0.5 * wall**2, 1e-9)
    return float((seen * part / whole).sum() / seen.sum())


def _no_reflow(
    shape: Wall, infarct: np.ndarray, inside: np.ndarray, seen: np.ndarray, lesion: Lesion,
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Patches of microvascular obstruction in the inner core of the infarct, (2, DEPTHS, ANGLES)."""
    depth, room = infarct[1], infarct[1] - infarct[0]
    rim = np.maximum(0.08 * room, _PERFUSED_RIM_MM / np.maximum(shape.epi_mm - shape.endo_mm, 1.0))
    interval = np.stack([depth, depth])
    if lesion.no_reflow <= 0:
        return interval
    start, thick = rng.uniform(0.08, 0.25), rng.uniform(0.35, 0.65)
    core = np.where(depth > 0.4, inside + 0.35 * rough_field(11.0, 9.0, shape.length_mm, rng), -9.0)
    volume = seen * thick * room
    level = upper_level(core, volume, min(lesion.no_reflow * seen.sum() / max(volume.sum(), 1e-9), 0.9))
    open_core = np.sqrt(np.clip((core - level) / 0.25, 0.0, 1.0)) * (core > -5.0)
    low = infarct[0] + start * room
    high = np.clip(low + thick * room * open_core, low, np.maximum(depth - rim, low))
    for _ in range(6):  # the rounded edge of the patches and the perfused rim cost volume
        share = float((seen * np.maximum(high - low, 0.0)).sum() / seen.sum())
        factor = np.clip(lesion.no_reflow / max(share, 1e-6), 0.5, 1.6)
        high = np.clip(low + (high - low) * factor, low, np.maximum(depth - rim, low))
    return np.where(open_core > 0, np.stack([low, high]), interval)


def _swelling(necrotic: np.ndarray, at_risk: np.ndarray, lesion: Lesion, rng: np.random.Generator) -> np.ndarray:
    """Acute infarct swells the wall by 10-20 %, oedema less; an old scar thins it."""
    if lesion.condition == "old_scar":
        factor = 1.0 - rng.uniform(0.15, 0.40) * np.clip(necrotic / 0.6, 0.0, 1.0)
    else:
        factor = 1.0 + rng.uniform(0.13, 0.24) * np.clip(necrotic / 0.4, 0.0, 1.0) + rng.uniform(0.02, 0.08) * at_risk
    return gaussian_filter(factor, (1.5, 5.0), mode=("nearest", "wrap"))


def _stagnant(source: np.ndarray) -> np.ndarray:
    return gaussian_filter(np.clip(source, 0.0, 1.0), (2.0, 8.0), mode=("nearest", "wrap"))


def _ballooning(shape: HeartShape, lesion: Lesion, seen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Oedema of the whole circumference from mid wall to apex, which follows no coronary bed."""
    u = np.linspace(0.0, 1.0, DEPTHS)[:, None]
    field = u + 0.05 * smooth_field(5, rng)
    return _soft(field - upper_level(field, seen, lesion.area_at_risk), 0.12)
