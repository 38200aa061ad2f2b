"""Ghosts of the heart: copies of it along an axis of the image, as breathing and arrhythmia make them."""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

# Working pixel; detail that counts; how far around the LV the heart is taken to reach. Of 5, 8 and 12 mm of detail and
# 18, 30 and 40 mm of reach these told the ghosts of a cine best.
_PIXEL_MM, _DETAIL_MM, _REACH_MM = 2.0, 5.0, 30.0
_FLOOR = 0.1  # of the heart's detail: what is fainter counts less than in full
_LEAST_MM2 = 1200.0  # of a slice's LV, so that its copy can be told from chance
_NEAREST_MM, _ASIDE_PIXELS = 45.0, 1


def ghost_strength(image: np.ndarray, heart: np.ndarray, spacing_mm: np.ndarray) -> float:
    """How far the most similar copy of the heart along an axis of the image stands above similarity by chance.

    The heart is compared with the rest of its slice at every shift; detail is scaled to its surroundings, so that
    neither fat nor a bright chest outweighs a faint copy in the air. A ghost has one shift in all slices, along the
    phase encoding, which is one of the two axes.

    Args:
        image: (X, Y, S), any linear scale. heart: (X, Y, S), bool, the LV. spacing_mm: (x, y).
    Returns:
        The largest mean correlation over the slices at a shift along an axis, over the root mean square of that at all
        shifts that part the copy from the heart; nan where there is no slice with an LV, or no room beside it.
    """
    if min(side * mm for side, mm in zip(image.shape, spacing_mm, strict=False)) < 2 * _NEAREST_MM:
        return float("nan")
    zoom = (*(np.asarray(spacing_mm, float) / _PIXEL_MM), 1.0)
    blur = (*(0.35 * _PIXEL_MM / np.asarray(spacing_mm, float)), 0.0)
    hearts = ndimage.zoom(heart.astype(np.float32), zoom, order=1) > 0.5
    images = ndimage.zoom(ndimage.gaussian_filter(image.astype(np.float32), blur), zoom, order=1)
    large = hearts.sum(axis=(0, 1)) * _PIXEL_MM**2 >= _LEAST_MM2
    used = np.flatnonzero(large & (np.ptp(images, axis=(0, 1)) > 0))
    x, y = (np.minimum(np.arange(side), side - np.arange(side)) for side in images.shape[:2])
    apart = np.hypot(x[:, None], y[None, :]) * _PIXEL_MM > _NEAREST_MM
    along = apart & ((x[:, None] <= _ASIDE_PIXELS) | (y[None, :] <= _ASIDE_PIXELS))
    if not len(used) or not along.any():
        return float("nan")
    similarity = np.abs(np.mean([_similarity(images[..., s], hearts[..., s]) for s in used], axis=0))
    chance = float(np.sqrt(np.mean(similarity[apart] ** 2)))
    return float(similarity[along].max()) / chance if chance > 0 else float("nan")


def _similarity(image: np.ndarray, heart: np.ndarray) -> np.ndarray:
    """Share of the heart's detail that the rest of a slice holds at every shift, (X, Y), around the borders."""
    distance = ndimage.distance_transform_edt(~heart) * _PIXEL_MM
    within = np.clip(1.5 * (1.0 - distance / _REACH_MM), 0.0, 1.0)
    detail = image - ndimage.gaussian_filter(image, _DETAIL_MM / _PIXEL_MM)
    around = np.sqrt(ndimage.gaussian_filter(detail**2, _DETAIL_MM / _PIXEL_MM))
    usual = float(np.sqrt(np.average(detail**2, weights=within)))
    scaled = detail / (around + _FLOOR * usual + 1e-12)
    template, rest = scaled * within, scaled * np.clip(distance / _REACH_MM, 0.0, 1.0)
    product = np.conj(fft.rfft2(template)) * fft.rfft2(rest)
    return fft.irfft2(product, s=image.shape) / max(float((template**2).sum()), 1e-12)
