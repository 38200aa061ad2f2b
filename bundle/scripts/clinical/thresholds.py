"""Infarct size by a grey-level threshold on a real or virtual LGE: FWHM, n-SD, Otsu.

Magnitude and phase-sensitive (PSIR) images: n-SD and Otsu depend on differences only, so an offset or negative values
do not matter. FWHM needs to know which stored grey level means no signal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..conventions import ConfigError, NotMeasurable
from .contours import cavity
from .regions import SMALLEST_REGION, code_mask, remote_region, require_grid, values
from .volumes import require_infarct_at_wall, require_wall, structure_mask

SD_FACTORS = (2, 3, 4, 5, 6)
ROBUST_MAXIMUM_PERCENTILE = 95.0
_FEWEST_CORE_PIXELS = 5
_FOUR_NEIGHBOURS = ndimage.generate_binary_structure(2, 1)
_NEIGHBOURS = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True)
class ThresholdedInfarct:
    """``threshold`` in grey levels of the image; ``infarct`` (X, Y, S), bool, no-reflow filled in; its size, %LV."""

    threshold: float
    infarct: np.ndarray
    percent_lv: float


def fwhm_infarct(
    lge: np.ndarray,
    label: np.ndarray,
    core: np.ndarray | None = None,
    remote: np.ndarray | None = None,
    zero_level: float | None = 0.0,
) -> ThresholdedInfarct:
    """Full width at half maximum: wall above half of the robust maximum and connected with the hyperenhanced core.

    threshold = base + (maximum - base) / 2; the maximum is the ROBUST_MAXIMUM_PERCENTILE of the core.

    Args:
        lge: (X, Y, S), any linear scale. label: (X, Y, S), disk codes; gives the wall.
        core: hyperenhanced region, bool; None takes the infarct of the label map without its no-reflow.
        remote: remote myocardium, bool; None takes remote_region(label). Used to see that the infarct is brighter, and
            as the base when there is no ``zero_level``.
        zero_level: stored grey level of no signal. 0 for magnitude images; for PSIR the level that the null is stored
            at (the rescale intercept of the series). None, when it is not known: the base is the remote mean, the level
            nulled by the inversion time. Both agree in a well nulled image; else the second threshold is higher.
    Raises:
        NotMeasurable: no wall, no core in the wall, remote too small, image constant or not finite, or a core that is
            not brighter than remote myocardium.
    Source: half of the maximum within the hyperenhanced region, Amado et al., JACC 2004;44:2383; the percentile in
        place of the maximum, so that one noisy pixel does not move it, is ours.
    """
    wall = _checked_wall(lge, label, core, remote)
    seed = _core(label, core) & wall
    mean = float(values(lge, _remote(label, remote) & wall, "remote myocardium").mean())
    bright = values(lge, seed, "hyperenhanced core in the LV wall", _FEWEST_CORE_PIXELS)
    maximum = float(np.percentile(bright, ROBUST_MAXIMUM_PERCENTILE))
    base = mean if zero_level is None else float(zero_level)
    if maximum <= max(mean, base):
        raise NotMeasurable(
            f"the hyperenhanced core ({maximum:.4g}) is not brighter than remote myocardium ({mean:.4g}) and the zero "
            f"level ({base:.4g})"
        )
    threshold = base + (maximum - base) / 2
    pieces, _ = ndimage.label(wall & (lge > threshold), structure=_NEIGHBOURS)
    grown = np.isin(pieces, np.unique(pieces[seed & (pieces > 0)])) & (pieces > 0)
    return _result(threshold, grown, label, wall)


def n_sd_infarct(lge: np.ndarray, label: np.ndarray, n: int, remote: np.ndarray | None = None) -> ThresholdedInfarct:
    """Wall brighter than the mean of remote myocardium plus ``n`` of its standard deviations.

    Nothing is cleaned up: of remote pixels with normal noise the upper tail beyond n SD counts (2.3 % for n = 2).

    Args:
        lge, label, remote: as fwhm_infarct. n: one of SD_FACTORS.
    Raises:
        NotMeasurable: no wall, remote too small or without spread, image constant or not finite.
        ConfigError: ``n`` is none of SD_FACTORS.
    Source: Kim et al., Circulation 1999;100:1992 (2 SD); 2 to 6 SD in Flett et al., JACC Imaging 2011;4:150.
    """
    if n not in SD_FACTORS:
        raise ConfigError(f"n: found {n!r}, allowed are {', '.join(map(str, SD_FACTORS))} standard deviations")
    wall = _checked_wall(lge, label, remote)
    found = values(lge, _remote(label, remote) & wall, "remote myocardium")
    spread = float(found.std(ddof=1))
    if spread <= 1e-9 * float(np.ptp(lge[wall])):
        raise NotMeasurable("remote myocardium has no spread, so a number of standard deviations is no distance")
    threshold = float(found.mean()) + n * spread
    return _result(threshold, wall & (lge > threshold), label, wall)


def otsu_infarct(lge: np.ndarray, label: np.ndarray, core: np.ndarray | None = None) -> ThresholdedInfarct:
    """Wall above the level that splits its grey levels into two groups of least spread within each.

    Any wall can be split in two, a healthy one as well. So a core is asked for, although it does not move the level.

    Args:
        lge, label, core: as fwhm_infarct.
    Raises:
        NotMeasurable: no wall, no core in the wall, image constant or not finite.
    Source: Otsu, IEEE Trans SMC 1979;9:62, exact over all grey levels instead of over bins.
    """
    wall = _checked_wall(lge, label, core)
    values(lge, _core(label, core) & wall, "hyperenhanced core in the LV wall", _FEWEST_CORE_PIXELS)
    threshold = _otsu_level(np.asarray(lge)[wall].astype(np.float64))
    return _result(threshold, wall & (lge > threshold), label, wall)


def _checked_wall(lge: np.ndarray, label: np.ndarray, *masks: np.ndarray | None) -> np.ndarray:
    """LV wall, bool, of an image that can be thresholded."""
    require_grid(lge, label=label, **{f"mask {i + 1}": mask for i, mask in enumerate(masks)})
    require_wall(label)
    require_infarct_at_wall(label)
    wall = structure_mask(label, "lv_myocardium")
    found = values(lge, wall, "LV wall", SMALLEST_REGION)
    if np.ptp(found) <= 1e-9 * max(float(np.abs(found).max()), 1e-300):
        raise NotMeasurable("the image is constant in the LV wall")
    return wall


def _core(label: np.ndarray, core: np.ndarray | None) -> np.ndarray:
    return code_mask(label, "infarct") if core is None else np.asarray(core, dtype=bool)


def _remote(label: np.ndarray, remote: np.ndarray | None) -> np.ndarray:
    return remote_region(label) if remote is None else np.asarray(remote, dtype=bool)


def _result(threshold: float, bright: np.ndarray, label: np.ndarray, wall: np.ndarray) -> ThresholdedInfarct:
    """Fills no-reflow in: where the label map marks it, else the dark pieces that ``enclosed_dark`` finds."""
    marked = code_mask(label, "no_reflow")
    infarct = bright | (marked if marked.any() else enclosed_dark(bright, label))
    return ThresholdedInfarct(float(threshold), infarct, 100.0 * float(infarct.sum()) / float(wall.sum()))


def enclosed_dark(bright: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Dark wall (X, Y, S), bool, that in its slice only hyperenhancement and LV blood surround: no-reflow.

    A dark core that reaches the epicardium stays viable here; it needs no-reflow marked in the label map. So does the
    dark rim all around the cavity that a circular scar of the outer wall leaves: it is viable.
    """
    wall, blood = structure_mask(label, "lv_myocardium"), structure_mask(label, "lv_blood_pool")
    filled = np.zeros_like(wall)
    for s in np.flatnonzero(bright.any(axis=(0, 1))):
        dark = np.pad(wall[..., s] & ~bright[..., s], 1)
        outside = np.pad(~(wall[..., s] | blood[..., s]), 1, constant_values=True)
        lit = ndimage.binary_dilation(np.pad(bright[..., s], 1), structure=_FOUR_NEIGHBOURS)
        pieces, count = ndimage.label(dark, structure=_FOUR_NEIGHBOURS)
        open_to = set(np.unique(pieces[ndimage.binary_dilation(outside, structure=_FOUR_NEIGHBOURS)]))
        beside = set(np.unique(pieces[lit])) - {0}
        inner = cavity(label[..., s])
        core = [piece for piece in beside - open_to if not _surrounds(pieces == piece, inner)]
        filled[..., s] = np.isin(pieces, core)[1:-1, 1:-1]
    return filled


def _surrounds(piece: np.ndarray, inner: np.ndarray) -> bool:
    """Whether a piece of a slice, padded by a pixel, closes around the cavity."""
    return bool((ndimage.binary_fill_holes(piece)[1:-1, 1:-1] & inner).any())


def _otsu_level(grey: np.ndarray) -> float:
    """Middle between the two neighbouring grey levels whose split leaves the least variance within both groups."""
    grey = np.sort(grey)
    below = np.arange(1, grey.size)
    total = np.cumsum(grey - grey.mean())[:-1]
    between = total**2 / (below * (grey.size - below))
    between[grey[1:] == grey[:-1]] = -1.0
    best = int(np.argmax(between))
    return float((grey[best] + grey[best + 1]) / 2)
