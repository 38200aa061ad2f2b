"""Smooth random fields from a seed, and smooth steps."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import ndimage


def new_seed(rng: np.random.Generator) -> int:
    """Seed of a field, so that a drawn change is a few numbers rather than an image."""
    return int(rng.integers(2**32))


def smooth_noise(rng: np.random.Generator, cells: int, shape: tuple[int, int]) -> np.ndarray:
    """Normal noise on ``cells`` x ``cells`` points over the image, cubic in between; mean 0 and SD 1 at every pixel.

    ``cells`` is at least 2; more cells than pixels give as many as there are pixels.
    """
    rows, columns = (_interpolation(size, min(cells, size)) for size in shape)
    noise = rng.standard_normal((rows.shape[1], columns.shape[1]), dtype=np.float32)
    return np.asarray(rows @ noise @ columns.T)


@lru_cache(maxsize=64)
def _interpolation(size: int, cells: int) -> np.ndarray:
    """(size, cells): values at ``cells`` points -> values at ``size`` points, rows of norm 1."""
    matrix = ndimage.zoom(np.eye(cells), (size / cells, 1), order=3, mode="nearest")
    return np.asarray(matrix / np.linalg.norm(matrix, axis=1, keepdims=True), dtype=np.float32)


def step(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below ``low``, 1 above ``high``, linear in between."""
    return np.asarray(np.clip((x - low) / (high - low), 0, 1))
