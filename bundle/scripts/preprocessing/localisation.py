"""Search for the heart in a cine, without labels (numpy, scipy)."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

MOTION = "first-harmonic motion energy over the cine phases"
ROUND_BLOOD = "roundest bright region of ventricle size near the image centre (no motion in the cine)"
IMAGE_CENTRE = "image centre (no motion and no round region found)"

# Blur that joins myocardial borders into one blob; about the wall-to-wall distance of a ventricle at half scale.
_BLOB_MM = 8.0
# Left ventricular blood pool from apex to base; edge and vote blur; how far from the image centre hearts are planned.
_VENTRICLE_RADII_MM = (12.0, 15.0, 18.0, 21.0, 24.0, 27.0, 30.0)
_EDGE_MM, _VOTE_MM, _PRIOR_MM = 2.0, 4.0, 60.0


def heart_centre(cine: np.ndarray, spacing_mm: tuple[float, float]) -> tuple[tuple[float, float], str]:
    """Centre of the heart, one for all slices.

    Args:
        cine: (X, Y, S, P), any linear scale; P = 1 for a 3-D cine.
        spacing_mm: (x, y).
    Returns:
        ((x, y) in voxels, not rounded; the rule used: MOTION, ROUND_BLOOD or IMAGE_CENTRE).
    Source: Fourier analysis of cine over the cardiac cycle, Lin et al., MICCAI 2006 (cardiac localisation by first
        harmonic); thresholds set on the phantom.
    """
    if cine.shape[3] >= 3:
        energy = _motion_energy(cine, spacing_mm)
        if energy is not None:
            return _blob_centre(energy), MOTION
    # Two phases tell no motion; both are looked at, since nothing says which one is end-diastole.
    blood = _round_blood(cine[..., : 2 if cine.shape[3] == 2 else 1], spacing_mm)
    if blood is not None:
        return _blob_centre(blood), ROUND_BLOOD
    return ((cine.shape[0] - 1) / 2, (cine.shape[1] - 1) / 2), IMAGE_CENTRE


def _motion_energy(cine: np.ndarray, spacing_mm: tuple[float, float]) -> np.ndarray | None:
    """(X, Y) blurred first-harmonic magnitude, robustly clipped, summed over slices; None when nothing moves."""
    phases = cine.shape[3]
    angle = 2 * np.pi * np.arange(phases) / phases
    waves = np.stack([np.cos(angle), -np.sin(angle)], axis=1).astype(np.float32)
    harmonic = cine.astype(np.float32, copy=False) @ waves
    magnitude = np.hypot(harmonic[..., 0], harmonic[..., 1]) * (2 / phases)
    # One pulsating vessel or ghost must not outweigh the heart; noise is the level half of the image stays below.
    magnitude = np.minimum(magnitude, np.percentile(magnitude, 99.5)).sum(axis=2)
    magnitude = np.clip(magnitude - 2 * np.median(magnitude), 0, None)
    if not magnitude.max() > 1e-3 * max(float(np.abs(cine).max()), 1e-12):
        return None
    return ndimage.gaussian_filter(magnitude, [_BLOB_MM / mm for mm in spacing_mm], mode="constant")


def _round_blood(frames: np.ndarray, spacing_mm: tuple[float, float]) -> np.ndarray | None:
    """(X, Y) votes for the middle of a bright disc of ventricle size, over all images, weighted towards the centre.

    Every strong edge pixel votes once per radius, that far up its gradient; a disc collects its whole rim in one
    place, fat and liver do not. Source: Loy and Zelinsky, IEEE TPAMI 2003;25:959 (radial symmetry), bright side only.
    """
    if not frames.max() > frames.min():
        return None
    image = frames.reshape(*frames.shape[:2], -1)
    votes: np.ndarray = np.zeros(image.shape[:2])
    for s in range(image.shape[2]):
        smooth = ndimage.gaussian_filter(image[:, :, s].astype(np.float32), [_EDGE_MM / mm for mm in spacing_mm])
        gradient = np.stack([np.gradient(smooth, mm, axis=axis) for axis, mm in enumerate(spacing_mm)])
        size = np.hypot(*gradient)
        edges = np.argwhere((size > np.percentile(size, 85)) & (size > 0))
        direction = (gradient / np.maximum(size, 1e-12))[:, edges[:, 0], edges[:, 1]].T / np.asarray(spacing_mm)
        for radius_mm in _VENTRICLE_RADII_MM:
            x, y = np.rint(edges + radius_mm * direction).astype(int).T
            inside = (x >= 0) & (x < votes.shape[0]) & (y >= 0) & (y < votes.shape[1])
            np.add.at(votes, (x[inside], y[inside]), 1.0 / radius_mm)
    votes = ndimage.gaussian_filter(votes, [_VOTE_MM / mm for mm in spacing_mm], mode="constant")
    x, y = ((np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(votes.shape, spacing_mm, strict=True))
    votes *= np.exp(-(x[:, None] ** 2 + y[None, :] ** 2) / (2 * _PRIOR_MM**2))
    return votes if votes.max() > 0 else None


def _blob_centre(weight: np.ndarray) -> tuple[float, float]:
    """Weighted centroid of the connected region above half maximum that holds the most weight."""
    regions, count = ndimage.label(weight >= 0.5 * weight.max())
    sums = ndimage.sum_labels(weight, regions, np.arange(1, count + 1))
    x, y = ndimage.center_of_mass(weight, regions, int(np.argmax(sums)) + 1)
    return float(x), float(y)
