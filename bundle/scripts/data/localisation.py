"""Owns finding the heart without labels (numpy, scipy); what is cut around it is cropping.py."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

MOTION = "first-harmonic motion energy over the cine phases"
BRIGHT_BLOOD = "brightest compact region near the image centre (3-D cine)"
IMAGE_CENTRE = "image centre (no motion and no bright region found)"

# Blur that joins myocardial borders into one blob; about the wall-to-wall distance of a ventricle at half scale.
_BLOB_MM = 8.0
_HEART_MM, _SURROUND_MM, _PRIOR_MM = 15.0, 40.0, 45.0


def heart_centre(cine: np.ndarray, spacing_mm: tuple[float, float]) -> tuple[tuple[float, float], str]:
    """Centre of the heart, one for all slices.

    Args:
        cine: (X, Y, S, P), any linear scale; P = 1 for a 3-D cine.
        spacing_mm: (x, y).
    Returns:
        ((x, y) in voxels, not rounded; the rule used: MOTION, BRIGHT_BLOOD or IMAGE_CENTRE).
    Source: Fourier analysis of cine over the cardiac cycle, Lin et al., MICCAI 2006 (cardiac localisation by first
        harmonic); thresholds set on the phantom.
    """
    if cine.shape[3] >= 3:
        energy = _motion_energy(cine, spacing_mm)
        if energy is not None:
            return _blob_centre(energy), MOTION
    bright = _bright_blood(cine[..., 0], spacing_mm)
    if bright is not None:
        return _blob_centre(bright), BRIGHT_BLOOD
    return ((cine.shape[0] - 1) / 2, (cine.shape[1] - 1) / 2), IMAGE_CENTRE


def _motion_energy(cine: np.ndarray, spacing_mm: tuple[float, float]) -> np.ndarray | None:
    """(X, Y) blurred first-harmonic magnitude, robustly clipped, summed over slices; None when nothing moves."""
    phases = cine.shape[3]
    angle = 2 * np.pi * np.arange(phases) / phases
    waves = np.stack([np.cos(angle), -np.sin(angle)], axis=1).astype(np.float32)
    harmonic = cine.astype(np.float32, copy=False) @ waves
    magnitude = np.hypot(harmonic[..., 0], harmonic[..., 1]) * (2 / phases)
    # One pulsating vessel or ghost must not outweigh the heart; noise is the level half of the picture stays below.
    magnitude = np.minimum(magnitude, np.percentile(magnitude, 99.5)).sum(axis=2)
    magnitude = np.clip(magnitude - 2 * np.median(magnitude), 0, None)
    if not magnitude.max() > 1e-3 * max(float(np.abs(cine).max()), 1e-12):
        return None
    return ndimage.gaussian_filter(magnitude, [_BLOB_MM / mm for mm in spacing_mm], mode="constant")


def _bright_blood(image: np.ndarray, spacing_mm: tuple[float, float]) -> np.ndarray | None:
    """(X, Y) brightness of a ventricle-sized region over its surround, weighted towards the image centre."""
    mean = image.mean(axis=2)
    mean = np.clip(mean, *np.percentile(mean, (1, 99))).astype(np.float32)
    heart = ndimage.gaussian_filter(mean, [_HEART_MM / mm for mm in spacing_mm], mode="nearest")
    surround = ndimage.gaussian_filter(mean, [_SURROUND_MM / mm for mm in spacing_mm], mode="nearest")
    x, y = ((np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(mean.shape, spacing_mm, strict=True))
    prior = np.exp(-(x[:, None] ** 2 + y[None, :] ** 2) / (2 * _PRIOR_MM**2))
    contrast = np.clip(heart - surround, 0, None) * prior
    return contrast if contrast.max() > 1e-3 * max(float(np.abs(mean).max()), 1e-12) else None


def _blob_centre(weight: np.ndarray) -> tuple[float, float]:
    """Weighted centroid of the connected region above half maximum that holds the most weight."""
    regions, count = ndimage.label(weight >= 0.5 * weight.max())
    sums = ndimage.sum_labels(weight, regions, np.arange(1, count + 1))
    x, y = ndimage.center_of_mass(weight, regions, int(np.argmax(sums)) + 1)
    return float(x), float(y)
