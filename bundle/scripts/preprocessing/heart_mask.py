"""Mask of the heart in each cine slice, from its motion; what stands still must not hold a slice in place."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

# Half the side of the working grid of 1 mm; radius of the heart where nothing moves.
HALF_MM, STILL_HEART_MM = 55, 45
# Heart mask: blur of the motion, growth from slice to slice, least area; level between rest and full motion and rim of
# the whole heart and of its core. The core's were tuned on phantom seeds 5, 7 and 11.
_MOTION_MM, _GROWTH_MM, _LEAST_MM2 = 3.0, 3, 300
_MOTION_LEVEL, _RIM_MM = 0.1, 3
_CORE_LEVEL, _CORE_RIM_MM, _LEAST_CORE_MM2, _LEAST_CORE_SHARE = 0.2, 1, 150, 0.6


def heart_cores(motion: np.ndarray, hearts: np.ndarray) -> np.ndarray:
    """What moves most, bool (S, N, N), within ``hearts``; all of the heart where too little of the core lies in it."""
    whole = heart_masks(motion, _CORE_LEVEL, _CORE_RIM_MM)
    cores = whole & hearts
    area = cores.sum(axis=(1, 2))
    small = (area < _LEAST_CORE_MM2) | (area < _LEAST_CORE_SHARE * whole.sum(axis=(1, 2)))
    return np.where(small[:, None, None], hearts, cores)


def heart_masks(motion: np.ndarray, level: float = _MOTION_LEVEL, rim_mm: int = _RIM_MM) -> np.ndarray:
    """The moving heart, slice by slice, with its rim: what stands still must not hold the slice in place.

    Args:
        motion: (S, N, N), strength of motion on the working grid (1 mm), >= 0.
        level: between rest (0) and full motion (1), above which a pixel is the heart's; rim_mm: grown by that.
    Returns:
        bool (S, N, N), inside the circle of the grid; each slice within its neighbour, a little grown, from the slice
        with most motion on, as a heart narrows towards its apex.
    """
    rest = float(np.median(motion))
    common = level * (np.percentile(motion, 99) - rest)
    middle = int(np.argmax(np.minimum(motion, np.percentile(motion, 99)).sum(axis=(1, 2))))
    disc = circle(motion.shape[1])
    found = np.zeros(motion.shape, dtype=bool)
    for order in (range(middle, len(motion)), range(middle - 1, -1, -1)):
        last = found[middle] if order.step < 0 else None
        for s in order:
            own = level * (np.percentile(motion[s], 99) - rest)
            moving = (motion[s] > rest + np.clip(own, 0.3 * common, common)) & disc
            if last is not None:
                moving &= ndimage.binary_dilation(last, iterations=_GROWTH_MM)
            last = found[s] = _one_piece(moving, motion[s], last if last is not None else disc)
    return np.stack([ndimage.binary_dilation(one, iterations=rim_mm) & disc for one in found])


def motion_strength(cine: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray | None:
    """(X, Y, S) first harmonic of the cine (X, Y, S, P) over the cardiac cycle, blurred; None when nothing moves."""
    phases = cine.shape[3]
    if phases < 3:
        return None
    angle = 2 * np.pi * np.arange(phases) / phases
    harmonic = cine.astype(np.float32) @ np.stack([np.cos(angle), -np.sin(angle)], axis=1).astype(np.float32)
    strength = np.hypot(harmonic[..., 0], harmonic[..., 1]) * (2 / phases)
    strength = ndimage.gaussian_filter(strength, (*(_MOTION_MM / spacing_mm), 0), mode="nearest")
    return strength if strength.max() > 1e-3 * float(np.abs(cine).max()) else None


def circle(side: int, radius_mm: float | None = None) -> np.ndarray:
    """bool (side, side): disc in the middle; by default the largest one, a pixel off the edge."""
    at = np.arange(side) - (side - 1) / 2
    return np.hypot(at[:, None], at[None, :]) < (side / 2 - 1 if radius_mm is None else radius_mm)


def _one_piece(mask: np.ndarray, weight: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """The connected region with most weight, its holes filled; ``otherwise`` when it is too small for a heart."""
    regions, count = ndimage.label(mask)
    if count:
        sums = ndimage.sum_labels(weight, regions, np.arange(1, count + 1))
        mask = ndimage.binary_fill_holes(regions == 1 + int(np.argmax(sums)))
    return mask if mask.sum() >= _LEAST_MM2 else otherwise
