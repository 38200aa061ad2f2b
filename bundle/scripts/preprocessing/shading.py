"""How uneven the coils' sensitivity is, read from the fat of the chest wall, which is one tissue all around."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

_SECTORS, _EVERY_SLICE = 24, 2
# The chest wall lies so deep below the skin; fat is what is brightest there in the cine.
_SKIN_MM, _DEPTH_MM, _OF_BRIGHTEST, _FEWEST_PIXELS = 2.0, 25.0, 0.65, 25
_BLUR_MM, _OF_OTSU, _OVER_AIR = 1.0, 0.6, 1.35  # chest against air, in the root of the cine
_CHEST_SHARE, _LEAST_CHEST_MM2 = (0.1, 0.97), 15000.0  # of the image, and its area; else it is no chest in air
_FEWEST_POINTS = 24
_CLOSED, _OPENED, _AWAY, _MARGIN = 4, 3, 6, 30  # pixels
_PASSES, _LEAST_RESIDUAL = 8, 0.05
# Mean distance of the logarithm from a curved surface above which the wall is not one tissue: 0.35 in 95 % of images.
_LARGEST_RESIDUAL = 0.4
_NOISE_SHARE = 0.3


def shading_ratios(images: Mapping[str, np.ndarray], spacing_mm: np.ndarray) -> dict[str, float]:
    """Brightest over darkest fat of the chest wall in each image, by a plane through its logarithm; >= 1.

    Least absolute residuals, so that muscle taken for fat, and what has its own brightness, hardly counts. The plane
    is taken between its 5th and 95th percentile around the chest. An image is left out where no chest is found, or
    where no smooth surface describes it.

    Args:
        images: (X, Y, S) each, on one grid, any linear scale from 0; "cine" is needed, it shows where fat is.
        spacing_mm: (x, y).
    """
    spacing_mm = np.asarray(spacing_mm, float)
    places, levels = [], []
    for s in range(0, images["cine"].shape[2], _EVERY_SLICE):
        for place, level in _chest_wall({name: one[..., s] for name, one in images.items()}, spacing_mm):
            places.append(place)
            levels.append(level)
    found: dict[str, float] = {}
    for name in images:
        kept = [k for k, level in enumerate(levels) if level.get(name, 0.0) > 0]
        if len(kept) >= _FEWEST_POINTS:
            values = np.array([levels[k][name] for k in kept])
            x, y = np.array([places[k] for k in kept]).T / 100.0
            plane = _fitted(np.column_stack([np.ones(len(x)), x, y]), np.log(values))
            curved = _fitted(np.column_stack([np.ones(len(x)), x, y, x * x, x * y, y * y]), np.log(values))
            if np.abs(np.log(values) - curved).mean() <= _LARGEST_RESIDUAL:
                found[name] = float(np.exp(np.ptp(np.percentile(plane, (5, 95)))))
    return found


def _chest_wall(images: dict[str, np.ndarray], spacing_mm: np.ndarray) -> list[tuple[np.ndarray, dict[str, float]]]:
    """Of each sector of a slice: where its fat is, mm (2,), and the level of that in every image, noise taken off."""
    cine = images["cine"]
    chest = _chest(cine, spacing_mm)
    enough = chest.sum() * spacing_mm.prod() >= _LEAST_CHEST_MM2
    if not enough or not _CHEST_SHARE[0] <= chest.mean() <= _CHEST_SHARE[1]:
        return []
    # Where the image cuts the chest off, its border is no skin.
    inside = (slice(_MARGIN, -_MARGIN),) * 2
    depth = ndimage.distance_transform_edt(np.pad(chest, _MARGIN, mode="edge"), sampling=spacing_mm)[inside]
    wall = chest & (depth > _SKIN_MM) & (depth < _DEPTH_MM)
    air = ~ndimage.binary_dilation(chest, iterations=_AWAY)
    noise = {name: float(np.median(image[air])) if air.any() else 0.0 for name, image in images.items()}
    at = (np.indices(cine.shape) - np.array(ndimage.center_of_mass(chest))[:, None, None]) * spacing_mm[:, None, None]
    sector = ((np.arctan2(at[1], at[0]) / (2 * np.pi) + 0.5) * _SECTORS).astype(int) % _SECTORS
    found = []
    for k in range(_SECTORS):
        mask = wall & (sector == k)
        if mask.sum() < _FEWEST_PIXELS:
            continue
        fat = mask & (cine > _OF_BRIGHTEST * np.percentile(cine[mask], 90))
        if fat.any():
            level = {name: _without_noise(float(np.median(one[fat])), noise[name]) for name, one in images.items()}
            found.append((at[:, fat].mean(axis=1), level))
    return found


def _without_noise(level: float, noise: float) -> float:
    """Level of a magnitude image without what noise alone gives, but never below a share of that."""
    return float(np.sqrt(max(level**2 - noise**2, (_NOISE_SHARE * noise) ** 2)))


def _chest(cine: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """Largest region of a cine slice (X, Y) that is no air, bool, its holes filled: the lung is one."""
    root = ndimage.gaussian_filter(np.sqrt(np.maximum(cine, 0.0)), _BLUR_MM / spacing_mm)
    bright = root > max(_OF_OTSU * _otsu(root), _OVER_AIR * float(np.percentile(root, 5)))
    margin = 3 * _CLOSED
    padded = ndimage.binary_closing(np.pad(bright, margin, mode="edge"), iterations=_CLOSED)
    regions, count = ndimage.label(ndimage.binary_opening(padded[margin:-margin, margin:-margin], iterations=_OPENED))
    if not count:
        return np.zeros(cine.shape, dtype=bool)
    largest = 1 + int(np.argmax(np.bincount(regions.ravel())[1:]))
    return ndimage.binary_fill_holes(regions == largest)


def _otsu(image: np.ndarray) -> float:
    """Threshold between two classes of most variance between them; Otsu, IEEE Trans SMC 1979;9:62."""
    count, edges = np.histogram(image, 128)
    middle = (edges[1:] + edges[:-1]) / 2
    below, total = np.cumsum(count), np.cumsum(count * middle)
    above = np.maximum(below[-1] - below, 1)
    variance = (total[-1] / below[-1] * below - total) ** 2 / (np.maximum(below, 1) * above)
    return float(middle[int(np.argmax(variance[:-1]))])


def _fitted(terms: np.ndarray, values: np.ndarray) -> np.ndarray:
    """``values`` (n,) as a sum of ``terms`` (n, k) with least absolute residuals, by reweighted least squares, (n,)."""
    weight, fitted = np.ones(len(values)), values
    for _ in range(_PASSES):
        root = np.sqrt(weight)
        fitted = terms @ np.linalg.lstsq(terms * root[:, None], values * root, rcond=None)[0]
        weight = 1 / np.maximum(np.abs(values - fitted), _LEAST_RESIDUAL)
    return fitted
