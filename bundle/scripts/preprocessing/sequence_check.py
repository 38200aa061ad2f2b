"""Check whether a cine and a T2-STIR were given in each other's place, and whether they show the same heart."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from .agreement import agreement
from .heart_mask import circle

# On 142 phantoms of generator 5 (four vendors, both field strengths) the score was at least -0.103 in the right order;
# 133 of them read in the wrong one lay below -0.12. A swap that hardly shows is not reported: a false alarm would make
# a right result look wrong.
SWAPPED_BELOW = -0.12
_SMALLEST_PIXELS = 8
# A cavity's inside, what lies around it, and how far from the middle one is sought.
_INSIDE_MM, _AROUND_MM, _FROM_MIDDLE_MM = 9.0, 18.0, 20.0
# Mean gain of the agreement (agreement.Agreement.gain) over chest and heart, in crops of 144 mm. Own T2-STIR: 0.44 and
# more in 48 phantoms as sent, whose breath-holds and phases differ, 0.62 and more in 142 aligned ones; another
# subject's, laid heart on heart: below 0.4 in 139 of 142. Shifts are looked for up to 10 mm.
_SAME_HEART, _REACH_MM, _FEWEST_SLICES = 0.4, 10.0, 3


def sequences_look_swapped(cine: np.ndarray, t2_stir: np.ndarray, spacing_mm: float) -> bool:
    """Whether the first image looks like a black-blood T2-STIR and the second like a bright-blood cine.

    Both show a ring of muscle around blood. In a balanced steady-state cine the inside is brighter than its
    surroundings, in a T2-STIR, which suppresses blood, it is darker.

    Args:
        cine, t2_stir: crops (I, J, S) around the heart, slices that both sequences cover, any linear scale from 0.
        spacing_mm: of a crop's pixels.
    Returns:
        False also where nothing can be told: no slice, a small or a constant crop.
    """
    if not cine.size or min(cine.shape[:2]) < _SMALLEST_PIXELS:
        return False
    if any(crop.std() == 0 or crop.mean() <= 0 for crop in (cine, t2_stir)):
        return False
    return _bright_inside(cine, spacing_mm) - _bright_inside(t2_stir, spacing_mm) < SWAPPED_BELOW


def _bright_inside(crop: np.ndarray, spacing_mm: float) -> float:
    """How much more a bright spot of cavity size stands out near the middle of a crop (I, J, S) than a dark one.

    The middle half of the stack counts, where a cavity is in every slice, and the median over it: in a T2-STIR some
    slices fail to suppress blood.
    """
    slices = crop.shape[2]
    skipped = slices // 4
    image = crop[..., skipped : slices - skipped].astype(np.float32)
    inside, around = (gaussian_filter(image, (mm / spacing_mm, mm / spacing_mm, 0)) for mm in (_INSIDE_MM, _AROUND_MM))
    contrast = np.median((inside - around) / np.maximum(around, 1e-6 * float(crop.max())), axis=2)
    i, j = ((np.arange(side) - (side - 1) / 2) * spacing_mm for side in crop.shape[:2])
    near = contrast[np.hypot(i[:, None], j[None, :]) < _FROM_MIDDLE_MM]
    return float(near.max() + near.min())


def of_another_heart(cine: np.ndarray, t2_stir: np.ndarray, spacing_mm: float) -> bool:
    """Whether nothing of a T2-STIR lies where the cine shows it: neither the heart nor the chest around it.

    A chest that is shifted by a breath-hold or seen at another phase still agrees; failed suppression, shading and
    ghosts change intensities, the borders stay.

    Args:
        cine, t2_stir: crops (I, J, S) around the heart, slices that both sequences cover, any linear scale.
        spacing_mm: of a crop's pixels.
    Returns:
        False also where nothing can be told: fewer than three slices, a small crop, one of a single value.
    """
    told = [s for s in range(cine.shape[2]) if np.ptp(cine[..., s]) > 0 and np.ptp(t2_stir[..., s]) > 0]
    if len(told) < _FEWEST_SLICES or min(cine.shape[:2]) < 2 * _SMALLEST_PIXELS:
        return False
    return shared_gain(cine[..., told], t2_stir[..., told], spacing_mm) < _SAME_HEART


def shared_gain(cine: np.ndarray, t2_stir: np.ndarray, spacing_mm: float) -> float:
    """How far the agreement of two crops (I, J, S) at its best shift stands above chance, mean over the slices."""
    side = min(cine.shape[:2])
    reach = min(max(int(round(_REACH_MM / spacing_mm)), 1), side // 4)
    fixed, moving = (np.moveaxis(crop[:side, :side], 2, 0).astype(np.float32) for crop in (cine, t2_stir))
    fixed = np.ascontiguousarray(fixed[:, reach : side - reach, reach : side - reach])
    seen = np.repeat(circle(fixed.shape[1])[None], len(fixed), axis=0)
    found = agreement(fixed, moving, seen, scales=())
    return float(np.mean([found.gain(s) for s in range(len(fixed))]))
