"""How strongly each part of the LV wall works: normal heterogeneity, stunning, infarct, other causes of poor motion.

A strength is a field on the material grid of shape.py, (DEPTHS, ANGLES): 1 as the average of this heart's normal wall,
0 akinetic, below 0 bulging. Ranges: SOURCES.md of the repository, Regional wall motion.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter

from .lesion_sizes import Lesion
from .shape import ANGLE, ANGLES, DEPTHS, HeartShape, rough_field, smooth_field

# Between segments of one normal heart: SD of thickening 15-20 % of its mean, least in the basal septum.
_NORMAL_SD, _SEPTAL_DIP = 0.37, 0.18
# Chance that a wall without infarct works badly somewhere, and how much of its motion is left there.
_PATCH_CHANCE = {"acute_mi": 0.10, "old_scar": 0.10}
_PATCH_CHANCE_OTHERS, _PATCH_LEVEL = 0.08, (0.30, 0.85)
# Motion that is left in stunned wall, before it recovers by _RECOVERY_PER_DAY of what is missing.
_STUNNED_LEVEL, _RECOVERY_PER_DAY = (0.20, 0.80), 0.05
_STUNNED_BEYOND_MM = (2.0, 20.0)
# Of a transmural infarct; what moves in it is thickening that its viable rim and the neighbours force on it. Parts of
# it move more than others, and one infarct in fourteen hardly shows (segments found by eye 43 %, by strain 75 %:
# Strain57).
_INFARCT_LEVEL, _HIDDEN_LEVEL, _HIDDEN_SHARE = (-0.05, 0.45), (0.30, 0.75), 0.07
_INFARCT_SPREAD = 0.34
_TETHER_MM = (6.0, 11.0)  # SD; seen as a border of 10-20 mm
_RADIUS_MM = 28.0  # at which lengths along the wall become angles
_STRONGEST, _WEAKEST = 1.7, -0.35


def regional_strength(
    shape: HeartShape, lesion: Lesion, at_risk: np.ndarray, necrotic: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Strength of every cell of one heart, (DEPTHS, ANGLES), _WEAKEST to _STRONGEST.

    Args:
        at_risk: 0..1, bed of the artery or ballooning region. necrotic: dead part of the wall, 0..1.
    """
    motion = normal_strength(shape, rng) * _patches(shape, lesion, rng)
    if at_risk.any():
        motion = motion * _of_the_bed(lesion, at_risk, shape, rng)
    if lesion.condition in _WHOLE_HEART:
        motion = motion * _WHOLE_HEART[lesion.condition](shape, rng)
    if necrotic.any():
        hidden = rng.random() < _HIDDEN_SHARE
        level = rng.uniform(*(_HIDDEN_LEVEL if hidden else _INFARCT_LEVEL)) + _INFARCT_SPREAD * smooth_field(6, rng)
        motion = motion * (1.0 - necrotic) + level * necrotic
    return np.clip(_tethered(motion, shape, rng), _WEAKEST, _STRONGEST)


def normal_strength(shape: HeartShape, rng: np.random.Generator) -> np.ndarray:
    """Heterogeneity of a healthy wall, mean 1, SD about _NORMAL_SD, (DEPTHS, ANGLES)."""
    smooth, patchy = smooth_field(4, rng), rough_field(24.0, 16.0, shape.length_mm, rng)
    u = np.linspace(0.0, 1.0, DEPTHS)[:, None]
    septal = np.exp(-0.5 * (_turn(shape.septum_angle) / np.deg2rad(42.0)) ** 2) * np.clip(1.0 - 1.4 * u, 0.0, 1.0)
    field = 1.0 + _NORMAL_SD * (0.65 * smooth + 0.75 * patchy) - _SEPTAL_DIP * septal
    return np.clip(field / field.mean(), 0.4, 1.6)


def septal_flash(shape: HeartShape, lesion: Lesion, rng: np.random.Generator) -> np.ndarray:
    """Inward motion that has come and gone at end-systole, in parts of full shortening, (DEPTHS, ANGLES).

    Bundle branch block: the septum contracts before the rest and is pushed back by it.
    """
    if lesion.condition != "bundle_branch_block":
        return np.zeros((DEPTHS, ANGLES))
    return rng.uniform(0.25, 0.6) * _septum(shape, rng)


def _of_the_bed(lesion: Lesion, at_risk: np.ndarray, shape: HeartShape, rng: np.random.Generator) -> np.ndarray:
    """Factor of stunned, hibernating or ballooning wall; it reaches beyond the bed and is not the same all over."""
    low, high = {"takotsubo": (-0.05, 0.30), "hibernating": (0.05, 0.60), "old_scar": (0.55, 1.0)}.get(
        lesion.condition, _STUNNED_LEVEL
    )
    level = rng.uniform(low, high)
    if lesion.condition in ("acute_mi", "stunning"):
        level += (1.0 - level) * min(_RECOVERY_PER_DAY * lesion.days, 0.5)
    beyond = rng.uniform(*_STUNNED_BEYOND_MM)
    wide = np.clip(1.8 * gaussian_filter(at_risk, _along_wall(beyond, shape), mode=("nearest", "wrap")), 0.0, 1.0)
    uneven = np.clip(1.0 + 0.30 * smooth_field(5, rng), 0.2, 1.8)
    return 1.0 - np.clip((1.0 - level) * uneven, 0.0, 1.1) * wide


def _patches(shape: HeartShape, lesion: Lesion, rng: np.random.Generator) -> np.ndarray:
    """Factor of a region that works badly without infarct or oedema (older disease of another artery, scarce)."""
    chance = _PATCH_CHANCE.get(lesion.condition, _PATCH_CHANCE_OTHERS)
    present, level = rng.random() < chance, rng.uniform(*_PATCH_LEVEL)
    middle, row = rng.uniform(0.0, 2 * np.pi), rng.uniform(0.15, 0.85)
    half_angle, half_row = np.deg2rad(rng.uniform(25.0, 60.0)), rng.uniform(0.12, 0.35)
    u = np.linspace(0.0, 1.0, DEPTHS)[:, None]
    distance = np.hypot(_turn(middle) / half_angle, (u - row) / half_row)
    return 1.0 - (1.0 - level) * np.clip(1.6 - distance, 0.0, 1.0) * float(present)


def _dilated(shape: HeartShape, rng: np.random.Generator) -> np.ndarray:
    return np.clip(1.0 + 0.25 * smooth_field(4, rng) - rng.uniform(0.0, 0.4) * _septum(shape, rng), 0.1, 1.8)


def _hypertrophic(shape: HeartShape, rng: np.random.Generator) -> np.ndarray:
    """Thick wall thickens less than the rest."""
    wall = shape.epi_mm - shape.endo_mm
    excess = np.clip(wall / max(float(np.median(wall)), 1.0) - 1.0, 0.0, 1.5)
    return np.clip(1.0 - rng.uniform(0.2, 0.6) * excess, 0.3, 1.0)


def _rv_overload(shape: HeartShape, rng: np.random.Generator) -> np.ndarray:
    return 1.0 - rng.uniform(0.3, 0.9) * _septum(shape, rng)


def _bundle_branch_block(shape: HeartShape, rng: np.random.Generator) -> np.ndarray:
    septum = _septum(shape, rng)
    return 1.0 - rng.uniform(0.55, 1.05) * septum + rng.uniform(0.05, 0.2) * (1.0 - septum)


_WHOLE_HEART: dict[str, Callable[[HeartShape, np.random.Generator], np.ndarray]] = {
    "dilated": _dilated,
    "hypertrophic": _hypertrophic,
    "rv_overload": _rv_overload,
    "bundle_branch_block": _bundle_branch_block,
}


def _septum(shape: HeartShape, rng: np.random.Generator) -> np.ndarray:
    """1 in the middle of the septum, 0 beyond its borders, fading towards the apex, (DEPTHS, ANGLES)."""
    u = np.linspace(0.0, 1.0, DEPTHS)[:, None]
    half = np.deg2rad(rng.uniform(40.0, 55.0))
    return np.exp(-0.5 * (_turn(shape.septum_angle) / half) ** 2) * np.clip(1.6 - 1.6 * u, 0.0, 1.0)


def _tethered(strength: np.ndarray, shape: HeartShape, rng: np.random.Generator) -> np.ndarray:
    """Neighbours pull: a border of 10-20 mm between what works and what does not."""
    return gaussian_filter(strength, _along_wall(rng.uniform(*_TETHER_MM), shape), mode=("nearest", "wrap"))


def _along_wall(length_mm: float, shape: HeartShape) -> tuple[float, float]:
    """A length along the wall in rows and columns of the material grid."""
    return length_mm / shape.length_mm * (DEPTHS - 1), length_mm / _RADIUS_MM / (2 * np.pi) * ANGLES


def _turn(angle: float) -> np.ndarray:
    """Angle from a direction, radians, -pi..pi, (1, ANGLES)."""
    return ((ANGLE - angle + np.pi) % (2 * np.pi) - np.pi)[None, :]
