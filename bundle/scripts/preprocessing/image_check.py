"""Check the acquired images themselves: blood that stayed bright, shading, ghosts, a T2-STIR of another heart.

The figures beside the thresholds, here and in the files imported, are of the phantoms of generator 5 that chose them;
those of others are in docs/RELIABILITY.md, "Flags from the images".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..clinical.quality import Flag, slice_numbers
from ..clinical.volumes import structure_mask
from .ghosts import ghost_strength
from .sequence_check import of_another_heart
from .shading import shading_ratios

# Blood over wall in T2-STIR: 93 % of the ordinary slices lie below; most of those where suppression failed above 0.9.
# A slice in twenty fails anyhow: three in ten of a subject's slices in 1.5 % of the subjects.
_BRIGHT_BLOOD, _FAILED_SHARE, _FEWEST_FAILED = 0.6, 0.3, 2
_LEAST_MM2, _BLOOD_RIM_MM, _WALL_RIM_MM = 150.0, 4.0, 1.5
# Brightest over darkest fat of the chest wall, and how far a ghost stands above chance. Of 283 ordinary phantoms 1 to
# 3 % lie above, but for the cine's shading: 3 % of those with usual coils, a quarter of those drawn with uneven ones.
# Strong shading of T2-STIR lies above in 35 of 40, of the cine in 29 of 40; strong ghosts in 77 of 80.
_SHADED = {"cine": 4.0, "t2_stir": 2.0}
_GHOSTS = {"cine": 8.0, "t2_stir": 8.0}
_NAMES = {"cine": "cine", "t2_stir": "T2-STIR"}


@dataclass(frozen=True)
class AcquiredImages:
    """What is checked.

    ``cine``, ``t2_stir``: (X, Y, S), the cine at the phase that was used, any linear scale from 0; a T2-STIR of None,
    or a slice of it of one value, is not there. ``label``: (X, Y, S), disk codes. ``spacing_mm``: (x, y). ``crops``:
    (2, I, J, S), the two around the heart as the network saw them, None where they are not known; of pixels of
    ``crop_spacing_mm``.
    """

    cine: np.ndarray
    t2_stir: np.ndarray | None
    label: np.ndarray
    spacing_mm: np.ndarray
    crops: np.ndarray | None = None
    crop_spacing_mm: float = 1.0


def image_flags(images: AcquiredImages) -> list[Flag]:
    """All findings of one subject, in a fixed order; no more of a T2-STIR than that it shows another heart."""
    t2_stir, found = images.t2_stir, []
    shown = {"cine": images.cine}
    if t2_stir is not None:
        there = np.ptp(t2_stir, axis=(0, 1)) > 0
        if images.crops is not None and of_another_heart(
            images.crops[0][..., there], images.crops[1][..., there], images.crop_spacing_mm
        ):
            text = "the T2-STIR does not lie on the cine: it seems to show another heart, or the same one elsewhere"
            found.append(Flag("t2_stir_of_another_heart", f"{text}; leave it out"))
        else:
            shown["t2_stir"] = t2_stir
            found += _bright_blood(t2_stir, images.label, images.spacing_mm)
    return [*found, *_shaded(shown, images.spacing_mm), *_ghosts(shown, images.label, images.spacing_mm)]


def _bright_blood(t2_stir: np.ndarray, label: np.ndarray, spacing_mm: np.ndarray) -> list[Flag]:
    """Slices whose LV blood is nearly as bright as the wall, where these are many."""
    ratios = blood_over_wall(t2_stir, label, spacing_mm)
    bright, seen = np.flatnonzero(ratios > _BRIGHT_BLOOD), int(np.isfinite(ratios).sum())
    if not len(bright) or len(bright) < min(seen, max(_FEWEST_FAILED, _FAILED_SHARE * seen)):
        return []
    text = f"the T2-STIR did not suppress blood in {slice_numbers(bright.tolist())} of {len(ratios)}: blood beside the"
    return [Flag("t2_stir_blood_bright", f"{text} wall may count as oedema or infarct")]


def blood_over_wall(t2_stir: np.ndarray, label: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """Median of the LV blood over that of the wall, both without their rim, (S,); nan where either is not seen.

    Args:
        t2_stir, label: (X, Y, S); spacing_mm: (x, y).
    """
    blood, wall = structure_mask(label, "lv_blood_pool"), structure_mask(label, "lv_myocardium")
    pixel_mm2 = float(np.prod(spacing_mm))
    found = np.full(label.shape[2], np.nan)
    for s in range(label.shape[2]):
        image = t2_stir[..., s]
        if min(blood[..., s].sum(), wall[..., s].sum()) * pixel_mm2 < _LEAST_MM2 or np.ptp(image) == 0:
            continue
        inside = (_core(blood[..., s], _BLOOD_RIM_MM, spacing_mm), _core(wall[..., s], _WALL_RIM_MM, spacing_mm))
        level, reference = (float(np.median(image[mask])) for mask in inside)
        found[s] = level / reference if reference > 0 else np.nan
    return found


def _core(mask: np.ndarray, rim_mm: float, spacing_mm: np.ndarray) -> np.ndarray:
    """A mask without its rim; of a narrow one its inner half."""
    depth = ndimage.distance_transform_edt(mask, sampling=spacing_mm)
    return depth >= min(rim_mm, depth.max() / 2)


def _shaded(shown: dict[str, np.ndarray], spacing_mm: np.ndarray) -> list[Flag]:
    found = []
    for name, ratio in shading_ratios(shown, spacing_mm).items():
        if ratio > _SHADED[name]:
            text = f"the {_NAMES[name]} is shaded: the chest wall is {ratio:.1f} times as bright on one side"
            found.append(Flag(f"{name}_shaded", f"{text} as on the other", review=False))
    return found


def _ghosts(shown: dict[str, np.ndarray], label: np.ndarray, spacing_mm: np.ndarray) -> list[Flag]:
    heart = structure_mask(label, "lv_myocardium") | structure_mask(label, "lv_blood_pool")
    return [
        Flag(f"{name}_ghosts", f"the {_NAMES[name]} shows ghosts of the heart, which may lie on it too", review=False)
        for name, image in shown.items()
        if ghost_strength(image, heart, spacing_mm) > _GHOSTS[name]
    ]
