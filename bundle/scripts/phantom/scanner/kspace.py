"""Effects of limited k-space on an image: resolution, Gibbs ringing, echo-train blur, ghosts.

Images are (..., x, y); phase encoding runs along y of the image, read-out along x.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np


@dataclass(frozen=True)
class Sampling:
    """What a scan keeps of k-space; the image is interpolated to a finer pixel.

    ``resolution_mm``: acquired pixel along read-out and phase encoding. ``taper``: outer part of the acquired half
    width that the reconstruction filter rolls off, 0 leaves full Gibbs ringing. ``decay``: loss at the edge of k-space
    along phase encoding by the echo train, 0..1. ``blur_mm``: SD of the heart's motion during the acquisition window.
    """

    resolution_mm: tuple[float, float]
    taper: float
    decay: float = 0.0
    blur_mm: float = 0.0


@lru_cache(maxsize=64)
def acquisition_matrix(
    size: int, fraction: float, taper: float, decay: float = 0.0, blur: float = 0.0, wrap: bool = False
) -> np.ndarray:
    """(size, size), float32: multiplies one axis of an image, keeping the inner ``fraction`` of its k-space.

    The rows sum to 1. Outside the image its edge pixels go on, so that a cut-out does not wrap around, unless
    ``wrap``: noise is alike everywhere. ``blur`` in pixels, the rest as in Sampling.
    Source: the finite Fourier series of a truncated acquisition, window of raised cosine.
    """
    n = size if wrap else 3 * size  # the image continued on both sides
    k = np.abs(np.fft.fftfreq(n)) / 0.5
    window = np.clip((fraction - k) / max(taper * fraction, 1e-6), 0.0, 1.0)
    window = 0.5 - 0.5 * np.cos(np.pi * window)
    window = window * (1.0 - decay * np.clip(k / fraction, 0.0, 1.0) ** 2) * np.exp(-0.5 * (np.pi * k * blur) ** 2)
    spread = np.fft.ifft(window).real
    rows = np.arange(size) if wrap else np.arange(size, 2 * size)
    full = spread[(rows[:, None] - np.arange(n)[None, :]) % n]
    if wrap:
        return (full / full.sum(axis=1, keepdims=True)).astype(np.float32)
    matrix = full[:, size : 2 * size].copy()
    matrix[:, 0] += full[:, :size].sum(axis=1)
    matrix[:, -1] += full[:, 2 * size :].sum(axis=1)
    return (matrix / matrix.sum(axis=1, keepdims=True)).astype(np.float32)


def _matrices(shape: tuple[int, ...], sampling: Sampling, pixel_mm: float, moving: bool) -> list[np.ndarray]:
    blur = round(sampling.blur_mm / pixel_mm, 3) if moving else 0.0
    kept = [round(min(1.0, pixel_mm / one), 3) for one in sampling.resolution_mm]
    decay = (0.0, round(sampling.decay, 3) if moving else 0.0)
    return [
        acquisition_matrix(size, part, sampling.taper, loss, blur, wrap=not moving)
        for size, part, loss in zip(shape[-2:], kept, decay, strict=True)
    ]


def acquired(image: np.ndarray, sampling: Sampling, pixel_mm: float) -> np.ndarray:
    """An image (..., x, y) as a scan sees it, float32, on the same pixels."""
    left, right = _matrices(image.shape, sampling, pixel_mm, moving=True)
    return left @ np.asarray(image, dtype=np.float32) @ right.T


def scan_noise(shape: tuple[int, ...], sampling: Sampling, pixel_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Noise of one receive channel, (..., x, y), float32, standard deviation 1: white in the acquired k-space only.

    The zero-filled rest makes neighbouring pixels alike, as in images interpolated by the scanner.
    """
    left, right = _matrices(shape, sampling, pixel_mm, moving=False)
    middle = np.linalg.norm(left[shape[-2] // 2]) * np.linalg.norm(right[shape[-1] // 2])
    white = rng.standard_normal(shape, dtype=np.float32)
    return (left @ white @ right.T) * np.float32(1.0 / middle)


def ghost(image: np.ndarray, amplitude: float, copies: int = 2) -> np.ndarray:
    """What to add to an image (..., x, y) for ghosts of a moving part along phase encoding (arrhythmia, breathing).

    ``image``: the moving part alone, with zero elsewhere. ``amplitude``: of each ghost, 0..1, signs alternate.
    """
    size = image.shape[-1]
    added = np.zeros_like(image)
    for copy in range(1, copies + 1):
        shift = copy * size // (copies + 1)
        added += np.float32(amplitude * (-1) ** copy) * np.roll(image, shift, axis=-1)
    return added
