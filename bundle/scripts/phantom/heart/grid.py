"""The material grid of the heart, rows of depth and columns of angle, and smooth and rough random fields on it."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

ANGLES = 360
DEPTHS = 72
ANGLE = np.linspace(0.0, 2 * np.pi, ANGLES, endpoint=False)


def smooth_field(harmonics: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth random field of standard deviation about 1 on the material grid, periodic in angle, (DEPTHS, ANGLES)."""
    u = np.linspace(-1.0, 1.0, DEPTHS)[:, None]
    field = np.zeros((DEPTHS, ANGLES))
    for order in range(1, harmonics + 1):
        bend, phase = rng.normal(0.0, 0.9), rng.uniform(0.0, 2 * np.pi)
        field += rng.normal() * np.cos(order * ANGLE[None, :] + phase + bend * u)
    return field * np.sqrt(2.0 / harmonics)


def rough_field(angle_deg: float, depth_mm: float, length_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Random field of standard deviation 1 with the given correlation lengths, (DEPTHS, ANGLES)."""
    sigma = (depth_mm / length_mm * (DEPTHS - 1), angle_deg / 360.0 * ANGLES)
    field = gaussian_filter(rng.standard_normal((DEPTHS, ANGLES)), sigma, mode=("nearest", "wrap"))
    return field / max(float(field.std()), 1e-9)


def apart(angle: np.ndarray, other: float) -> np.ndarray:
    """Difference of angles, radians, -pi..pi."""
    return (angle - other + np.pi) % (2 * np.pi) - np.pi
