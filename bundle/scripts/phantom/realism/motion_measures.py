"""LV cavity over the cardiac cycle, from the cine and one label: ejection fraction and diameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from ...conventions import NotMeasurable
from .label_measures import BLOOD, LEVELS, WALL_CODES, levels_of

_REACH_PIXELS = 3  # how far the cavity may reach beyond the labelled epicardium in another phase
_MARGIN_PIXELS = 6
_ATRIUM_RATIO = 1.3  # of the area in the middle third at end-systole, beyond which the ends of a stack are no ventricle


@dataclass(frozen=True)
class Cavity:
    """LV blood pool with papillary muscles: areas (S,) in pixels at end-diastole and end-systole, and their phases."""

    end_diastole: np.ndarray
    end_systole: np.ndarray
    phases: tuple[int, int]

    @property
    def ejection_fraction_percent(self) -> float:
        """100 (EDV - ESV) / EDV of the slices as stored, as a reader sums them: a slice that the base has passed by
        end-systole shows the atrium there and counts for nothing."""
        return 100.0 * float(1.0 - self.ventricle_at_end_systole.sum() / self.end_diastole.sum())

    @property
    def ventricle_at_end_systole(self) -> np.ndarray:
        """End-systolic areas without the atrium: the wide slices at one end of the stack are 0, (S,)."""
        area = self.end_systole.copy()
        shown = np.flatnonzero(area)
        third = len(shown) // 3
        wide = _ATRIUM_RATIO * float(area[shown[third : len(shown) - third]].mean()) if shown.size else 0.0
        for end in (shown, shown[::-1]):
            for index in end[:third]:
                if area[index] <= wide:
                    break
                area[index] = 0.0
        return area


def measure_cavity(cine: np.ndarray, label: np.ndarray, label_phase: int) -> Cavity:
    """Blood pool of the phases with the largest and the smallest cavity.

    Blood is what is brighter than half-way between blood and wall of the labelled phase, slice by slice, connected to
    the labelled blood pool and within _REACH_PIXELS of the labelled epicardium; the convex hull takes the papillary
    muscles in, as contours do.

    Args:
        cine: (X, Y, S, P), any scale. label: (X, Y, S), disk codes, drawn on phase ``label_phase``.
    Raises:
        NotMeasurable: one phase only, no blood pool, or blood no brighter than the wall.
    """
    if cine.shape[3] < 2:
        raise NotMeasurable("the cine has one phase")
    found = [_blood_of_slice(cine[:, :, s], label[..., s], label_phase) for s in range(label.shape[2])]
    stacks = [stack if stack is not None else np.zeros((1, 1, cine.shape[3]), bool) for stack in found]
    volumes = np.sum([stack.sum(axis=(0, 1)) for stack in stacks], axis=0)
    if volumes.max() == 0:
        raise NotMeasurable("no LV blood pool brighter than the wall was found in the cine")
    phases = int(volumes.argmax()), int(volumes.argmin())
    areas = [np.array([_hull_area(stack[..., phase]) for stack in stacks]) for phase in phases]
    return Cavity(areas[0], areas[1], phases)


def cavity_diameters_mm(cavity: Cavity, label: np.ndarray, pixel_mm: float) -> dict[str, float]:
    """``ed_cavity_<level>`` and ``es_cavity_<level>``: mean inner diameter of equal area, mm.

    Raises:
        NotMeasurable: as levels_of.
    """
    found = {}
    for name, slices in zip(LEVELS, levels_of(label), strict=True):
        for moment, area in (("ed", cavity.end_diastole), ("es", cavity.end_systole)):
            found[f"{moment}_cavity_{name}"] = float((2 * np.sqrt(area[slices] / np.pi)).mean() * pixel_mm)
    return found


def _blood_of_slice(frames: np.ndarray, plane: np.ndarray, label_phase: int) -> np.ndarray | None:
    """Blood per phase, (x, y, P), bool, in the box around the LV; None where the label shows no blood pool."""
    blood, wall = plane == BLOOD, np.isin(plane, WALL_CODES)
    if not blood.any() or not wall.any():
        return None
    corners = np.argwhere(blood | wall)
    low = np.maximum(corners.min(axis=0) - _MARGIN_PIXELS, 0)
    high = corners.max(axis=0) + _MARGIN_PIXELS + 1
    box = (slice(low[0], high[0]), slice(low[1], high[1]))
    frames, blood, wall = frames[box], blood[box], wall[box]
    drawn = frames[..., label_phase]
    bright, dark = np.median(drawn[blood]), np.median(drawn[wall])
    if bright <= dark:
        return None
    reach = ndimage.binary_dilation(blood | wall, iterations=_REACH_PIXELS)
    found = (frames > 0.5 * (bright + dark)) & reach[..., None]
    return np.stack([_connected(found[..., phase], blood) for phase in range(frames.shape[2])], axis=-1)


def _connected(found: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """The piece of ``found`` that covers most of ``seed``; nothing when they do not touch."""
    pieces, _ = ndimage.label(found)
    counts = np.bincount(pieces[seed], minlength=1)
    counts[0] = 0
    return pieces == counts.argmax() if counts.max() > 0 else np.zeros_like(found)


def _hull_area(mask: np.ndarray) -> float:
    """Pixels whose centre lies in the convex hull of a mask; a mask too thin for a hull counts as it is."""
    points = np.argwhere(mask)
    if len(points) < 3:
        return float(len(points))
    try:
        hull = ConvexHull(points)
    except QhullError:
        return float(len(points))
    grid = np.argwhere(np.ones_like(mask))
    return float((grid @ hull.equations[:, :2].T + hull.equations[:, 2] <= 1e-6).all(axis=1).sum())
