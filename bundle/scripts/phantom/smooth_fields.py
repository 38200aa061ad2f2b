"""Smooth random images, for uneven fat, coil and flow modulation."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, zoom


def smooth_noise(shape: tuple[int, int], correlation_pixels: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth random image of mean 0 and standard deviation 1, (x, y), float32."""
    step = max(int(correlation_pixels / 2), 1)
    coarse = rng.standard_normal([side // step + 3 for side in shape])
    coarse = gaussian_filter(coarse, max(correlation_pixels / step / 2, 0.5), mode="wrap")
    fine = zoom(coarse, step, order=1)[: shape[0], : shape[1]]
    return ((fine - fine.mean()) / max(float(fine.std()), 1e-9)).astype(np.float32)
