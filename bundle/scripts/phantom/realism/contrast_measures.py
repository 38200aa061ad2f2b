"""Signal ratios and noise of one subject, measured in regions of interest as a reader would."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ...conventions import NotMeasurable
from .label_measures import BLOOD, INFARCT, INFARCT_CODES, MYOCARDIUM, WALL_CODES

_SMALLEST_ROI = 20  # pixels
_CORNER_PIXELS = 12
_NOISE_GAP_PIXELS = 3  # further from the wall than the blood's own region
_REMOTE_GAP_PIXELS = 2
_SD_PER_MAD = 1.4826  # standard deviation of normal noise per median absolute deviation


def regions(label: np.ndarray) -> dict[str, np.ndarray]:
    """Regions of interest (X, Y, S), bool: ``blood``, ``remote``, ``infarct`` (no-reflow left out), ``lesion`` (all).

    Blood keeps 2 pixels, muscle 1 pixel (4 neighbours) from other tissue in its slice, so that partial volume stays
    out; remote myocardium also keeps _REMOTE_GAP_PIXELS from infarct and oedema.
    """
    wall = _eroded(np.isin(label, WALL_CODES), 1)
    ill = np.isin(label, WALL_CODES) & (label != MYOCARDIUM)
    near = ndimage.binary_dilation(ill, structure=_IN_PLANE, iterations=_REMOTE_GAP_PIXELS)
    return {
        "blood": _eroded(label == BLOOD, 2),
        "remote": wall & (label == MYOCARDIUM) & ~near,
        "infarct": wall & (label == INFARCT),
        "lesion": wall & np.isin(label, INFARCT_CODES),
    }


def stir_infarct_ratio(t2_stir: np.ndarray, label: np.ndarray) -> tuple[float, float]:
    """Mean T2-STIR signal of infarct (with its core) over remote myocardium in the same slices; and the same excess
    over remote in standard deviations of remote pixels about the coil's shading, which tells hyper- (> 2), iso- and
    hypointense (< -2) apart.

    Args:
        t2_stir, label: (X, Y, S), one grid.
    Raises:
        NotMeasurable: a region is smaller than 20 pixels.
    Source: the ratio as in Park (81.3 / 63.8 = 1.27); 2 SD is the usual limit of T2-weighted oedema.
    """
    roi = regions(label)
    shown = roi["lesion"].any(axis=(0, 1))
    infarct, remote = _values(t2_stir, roi["lesion"], "infarct"), _values(t2_stir, roi["remote"] & shown, "remote")
    if remote.mean() <= 0:
        raise NotMeasurable("remote myocardium has no signal in T2-STIR")
    spread = max(_spread_without_shading(t2_stir, roi["remote"] & shown), 1e-6)
    return float(infarct.mean() / remote.mean()), float((infarct.mean() - remote.mean()) / spread)


def lge_blood_ratio(lge: np.ndarray, label: np.ndarray, zero_level: float = 0.0) -> float:
    """Blood to remote myocardium, mean over mean of the magnitude of the signal.

    This is what the published 8.8 (6.4-11.7) implies; its region rule is not published (MSDiff, Circ Cardiovasc Imaging
    2026). A phase-sensitive image is stored from an offset on; left in, the ratio would measure the offset.

    Args:
        zero_level: stored grey level of no signal (the rescale intercept of a phase-sensitive series).
    Raises:
        NotMeasurable: a region is smaller than 20 pixels, or remote myocardium has no signal.
    """
    roi = regions(label)
    remote = np.abs(_values(lge, roi["remote"], "remote") - zero_level).mean()
    if remote <= 0:
        raise NotMeasurable("remote myocardium has no signal in LGE")
    return float((_values(lge, roi["blood"], "blood") - zero_level).mean() / remote)


def lge_infarct_blood_cnr(lge: np.ndarray, label: np.ndarray) -> float:
    """Infarct (no-reflow left out) minus blood in the same slices, over the noise of blood_noise.

    Raises:
        NotMeasurable: a region is smaller than 20 pixels, or there is no noise.
    """
    roi = regions(label)
    shown = roi["infarct"].any(axis=(0, 1))
    difference = _values(lge, roi["infarct"], "infarct").mean() - _values(lge, roi["blood"] & shown, "blood").mean()
    return float(difference / blood_noise(lge, label))


def blood_noise(image: np.ndarray, label: np.ndarray) -> float:
    """Noise, grey levels: robust spread of the eroded LV blood pool about a plane fitted to it slice by slice.

    The plane takes the coil's shading out, the median absolute deviation the papillary muscles. Also right for
    phase-sensitive images, whose air has no Rayleigh distribution.

    Raises:
        NotMeasurable: less than 20 pixels of blood, or no spread at all.
    """
    blood = regions(label)["blood"]
    inner = _eroded(blood, _NOISE_GAP_PIXELS)
    # Trabeculae and papillary muscles lie along the wall: the middle of the pool is left where it is large enough.
    blood = np.where(inner.sum(axis=(0, 1)) >= _SMALLEST_ROI, inner, blood)
    slices = np.flatnonzero(blood.sum(axis=(0, 1)) >= _SMALLEST_ROI)
    if not slices.size:
        raise NotMeasurable(f"no slice has {_SMALLEST_ROI} pixels of blood to measure noise in")
    residual = np.concatenate([_off_plane(image[..., s], blood[..., s]) for s in slices])
    noise = _robust_sd(residual)
    if noise <= 1e-6 * float(np.abs(image[blood]).max()):
        raise NotMeasurable("the blood pool has no noise")
    return noise


def _spread_without_shading(image: np.ndarray, mask: np.ndarray) -> float:
    """SD of pixels about a plane fitted slice by slice: a reader's remote region is too small to show coil shading."""
    slices = np.flatnonzero(mask.sum(axis=(0, 1)) >= _SMALLEST_ROI)
    if not slices.size:
        raise NotMeasurable(f"no slice has {_SMALLEST_ROI} pixels of remote myocardium")
    return float(np.concatenate([_off_plane(image[..., s], mask[..., s]) for s in slices]).std())


def _robust_sd(values: np.ndarray) -> float:
    return _SD_PER_MAD * float(np.median(np.abs(values - np.median(values))))


def _off_plane(plane: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Residuals of the pixels of ``mask`` about a plane, which is fitted again without pixels beyond 3 SD."""
    design = np.column_stack([np.argwhere(mask).astype(float), np.ones(int(mask.sum()))])
    values = plane[mask].astype(float)
    rest = values - np.median(values)
    for _ in range(2):
        near = np.abs(rest - np.median(rest)) <= max(3 * _robust_sd(rest), 1e-9)
        rest = values - design @ np.linalg.lstsq(design[near], values[near], rcond=None)[0]
    return rest


def air_noise(image: np.ndarray) -> float:
    """Noise per channel of a magnitude image, grey levels: sqrt(mean(S^2) / 2) in its quietest corner (Rayleigh).

    Args:
        image: (X, Y, S[, P]).
    Raises:
        NotMeasurable: the corners are exactly zero, as after masking.
    """
    n = min(_CORNER_PIXELS, min(image.shape[:2]) // 4)
    ends = (slice(0, n), slice(-n, None))
    power = min(float((image[x, y].astype(np.float64) ** 2).mean()) for x in ends for y in ends)
    if power <= 0:
        raise NotMeasurable("the corners of the image are exactly zero: its air was masked")
    return float(np.sqrt(power / 2))


def mean_signal(image: np.ndarray, label: np.ndarray, region: str) -> float:
    """Mean grey level in one of ``regions``. Raises NotMeasurable when it is smaller than 20 pixels."""
    return float(_values(image, regions(label)[region], region).mean())


_IN_PLANE = ndimage.generate_binary_structure(2, 1)[..., None]


def _eroded(mask: np.ndarray, pixels: int) -> np.ndarray:
    return ndimage.binary_erosion(mask, structure=_IN_PLANE, iterations=pixels)


def _values(image: np.ndarray, mask: np.ndarray, name: str) -> np.ndarray:
    found = image[mask]
    if found.size < _SMALLEST_ROI:
        raise NotMeasurable(f"{name}: {found.size} pixels away from other tissue, at least {_SMALLEST_ROI} are needed")
    return found.astype(np.float64)
