"""Smooth random images, for uneven fat, coil and flow modulation, and textures of many grain sizes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

# Grain of tissue texture, mm: grids of 6, 12, 24 and 48 over a crop of 180 mm. Each octave has the same power in the
# mean, as in natural images, whose amplitude falls with 1 / f.
GRAINS_MM = (30.0, 15.0, 7.5, 3.75)


def smooth_noise(shape: tuple[int, int], correlation_pixels: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth random image of mean 0 and standard deviation 1, (x, y), float32."""
    step = max(int(correlation_pixels / 2), 1)
    coarse = rng.standard_normal([side // step + 3 for side in shape])
    coarse = gaussian_filter(coarse, max(correlation_pixels / step / 2, 0.5), mode="wrap")
    fine = zoom(coarse, step, order=1)[: shape[0], : shape[1]]
    return ((fine - fine.mean()) / max(float(fine.std()), 1e-9)).astype(np.float32)


def grid_noise(
    shape: tuple[int, int, int], cell_pixels: float, rng: np.random.Generator, persistence: float = 0.0
) -> np.ndarray:
    """Random images of one grain, (S, X, Y), float32, mean about 0 and standard deviation about 1.

    Args:
        cell_pixels: distance of the random grid's nodes; between them a cubic spline.
        persistence: correlation of a slice with the one before it, 0..1.
    """
    left, right = (spline_matrix(side, round(float(cell_pixels), 3)) for side in shape[1:])
    nodes = rng.standard_normal((shape[0], left.shape[1], right.shape[1]), dtype=np.float32)
    for level in range(1, shape[0] if persistence else 0):
        nodes[level] = persistence * nodes[level - 1] + np.sqrt(1.0 - persistence**2) * nodes[level]
    return left @ nodes @ right.T


def texture(
    shape: tuple[int, int, int], pixel_mm: float, rng: np.random.Generator, persistence: float = 0.0
) -> np.ndarray:
    """Texture of the grains GRAINS_MM together, (S, X, Y), float32, mean about 0 and standard deviation about 1.

    The balance of coarse and fine is drawn anew with each call. Source of the spectrum: Field, J Opt Soc Am A
    1987;4:2379.
    """
    weights = rng.uniform(0.5, 1.5, len(GRAINS_MM))
    weights = (weights / np.linalg.norm(weights)).astype(np.float32)
    found = np.zeros(shape, dtype=np.float32)
    for weight, grain in zip(weights, GRAINS_MM, strict=True):
        found += weight * grid_noise(shape, max(grain / pixel_mm, 1.0), rng, persistence)
    return found


@lru_cache(maxsize=128)
def spline_matrix(size: int, cell_pixels: float) -> np.ndarray:
    """(size, nodes), float32: a cubic B-spline over nodes ``cell_pixels`` apart; each row of unit norm, so that white
    noise on the nodes gives noise of standard deviation 1 everywhere."""
    at = np.arange(size) / cell_pixels
    nodes = np.arange(int(np.ceil(at[-1])) + 3) - 1.0
    t = np.abs(at[:, None] - nodes[None, :])
    spline = np.where(t < 1, 2 / 3 - t**2 + t**3 / 2, np.clip(2 - t, 0.0, None) ** 3 / 6)
    return (spline / np.linalg.norm(spline, axis=1, keepdims=True)).astype(np.float32)
