"""Signal ratios, contrast-to-noise ratio and noise of an LGE image, measured in regions as a reader would."""

from __future__ import annotations

import numpy as np

from ..conventions import ConfigError, NotMeasurable
from .regions import SMALLEST_REGION, blood_region, infarct_region, remote_region, require_grid, values
from .volumes import require_infarct_at_wall

REGIONS = {"blood": blood_region, "myocardium": remote_region, "remote": remote_region, "infarct": infarct_region}
# What is reported; "myocardium" is the remote one.
PAIRS = (("blood", "myocardium"), ("infarct", "remote"), ("infarct", "blood"))
_SD_PER_MAD = 1.4826  # standard deviation of normal noise per median absolute deviation
_OUTLIER_SD = 3.0


def contrast_ratio(lge: np.ndarray, label: np.ndarray, pair: tuple[str, str], zero_level: float = 0.0) -> float:
    """Mean signal of the first region of ``pair`` over that of the second, of the magnitude |grey level - zero_level|.

    With infarct in the pair both regions come from the slices that show it.

    Args:
        lge, label: (X, Y, S), one grid. pair: one of PAIRS.
        zero_level: stored grey level of no signal: 0 for magnitude images, for PSIR the level its null is stored at.
            Without it the ratio of a PSIR image would measure the offset.
    Raises:
        NotMeasurable: a region is smaller than 20 pixels or not finite, the second has no signal, or all infarct lies
            apart from the wall.
        ConfigError: ``pair`` is none of PAIRS.
    """
    above, below = _pair_values(lge, label, pair)
    reference = float(np.abs(below - zero_level).mean())
    if reference <= 1e-9 * max(float(np.abs(above - zero_level).max()), 1e-300):
        raise NotMeasurable(f"{pair[1]} has no signal above the zero level {zero_level:g}")
    return float(np.abs(above - zero_level).mean()) / reference


def contrast_to_noise(lge: np.ndarray, label: np.ndarray, pair: tuple[str, str]) -> float:
    """CNR: mean of the first region of ``pair`` minus that of the second, over blood_noise. An offset cancels.

    Raises:
        NotMeasurable: as contrast_ratio; or there is no noise.
    """
    above, below = _pair_values(lge, label, pair)
    return float(above.mean() - below.mean()) / blood_noise(lge, label)


def blood_noise(image: np.ndarray, label: np.ndarray) -> float:
    """Noise, grey levels: robust spread of the LV blood about a plane fitted to it slice by slice.

    The plane takes the coil's shading out, the median absolute deviation papillary muscles. It suits PSIR images too,
    whose air has no Rayleigh distribution; a magnitude image's blood is bright enough for normal noise.

    Raises:
        NotMeasurable: no slice with 20 pixels of blood, NaN in it, or no spread at all.
    """
    require_grid(image, label=label)
    blood = blood_region(label)
    slices = np.flatnonzero(blood.sum(axis=(0, 1)) >= SMALLEST_REGION)
    if not slices.size:
        raise NotMeasurable(f"no slice has {SMALLEST_REGION} pixels of blood to measure noise in")
    level = values(image, blood, "blood")
    residual = np.concatenate([_off_plane(image[..., s], blood[..., s]) for s in slices])
    noise = _robust_sd(residual)
    if noise <= 1e-6 * max(float(np.abs(level).max()), 1e-300):
        raise NotMeasurable("the blood pool has no noise")
    return noise


def _pair_values(lge: np.ndarray, label: np.ndarray, pair: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    require_grid(lge, label=label)
    if tuple(pair) not in PAIRS:
        allowed = ", ".join(f"{a}:{b}" for a, b in PAIRS)
        raise ConfigError(f"pair: found {pair!r}, allowed are {allowed}")
    if "infarct" in pair:
        require_infarct_at_wall(label)
    masks = [REGIONS[name](label) for name in pair]
    shown = infarct_region(label).any(axis=(0, 1)) if "infarct" in pair else np.ones(label.shape[2], dtype=bool)
    found = [values(lge, mask & shown, name) for mask, name in zip(masks, pair, strict=True)]
    return found[0], found[1]


def _robust_sd(residual: np.ndarray) -> float:
    return _SD_PER_MAD * float(np.median(np.abs(residual - np.median(residual))))


def _off_plane(plane: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Residuals of the pixels of ``mask`` about a plane, which is fitted again without pixels beyond 3 SD."""
    design = np.column_stack([np.argwhere(mask).astype(np.float64), np.ones(int(mask.sum()))])
    grey = plane[mask].astype(np.float64)
    rest = grey - np.median(grey)
    for _ in range(2):
        near = np.abs(rest - np.median(rest)) <= max(_OUTLIER_SD * _robust_sd(rest), 1e-9)
        rest = grey - design @ np.linalg.lstsq(design[near], grey[near], rcond=None)[0]
    return rest
