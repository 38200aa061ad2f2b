"""Endocardial and epicardial contour and centreline of the LV in one short-axis slice.

Contours are radial: one distance per direction from the centre of the cavity, which a short-axis ring always allows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from ..conventions import NotMeasurable
from .volumes import structure_mask

RAYS = 360  # directions per contour
RING_FRACTION = 0.97  # of all directions must meet the wall; a narrower gap counts as a hole of the segmentation
_STEP_PIXELS = 0.25
_SHORTEST_WAVE_PIXELS = 6.0  # steps of the pixel grid are shorter
_HARMONICS = (2, 12)
_BISECTIONS = 14
_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True)
class Contours:
    """``endo``, ``epi``: (RAYS, 2), mm from ``centre`` (2,), pixels (x, y); see ``directions``."""

    centre: np.ndarray
    endo: np.ndarray
    epi: np.ndarray


def in_plane_matrix(affine: np.ndarray) -> np.ndarray:
    """Pixels (x, y) to mm in some orthonormal frame of the slice plane, (2, 2).

    Raises:
        NotMeasurable: the in-plane columns of the affine are singular or not finite.
    """
    columns = np.asarray(affine, dtype=np.float64)[:3, :2]
    if not np.isfinite(columns).all() or np.linalg.matrix_rank(columns) < 2:
        raise NotMeasurable("the pixel size is not known: the in-plane columns of the affine are singular")
    return np.linalg.qr(columns)[1]


def directions() -> np.ndarray:
    """Unit vectors of the contours, (RAYS, 2), mm: degree k points at (cos k, sin k)."""
    angle = np.radians(np.arange(RAYS) * 360.0 / RAYS)
    return np.column_stack([np.cos(angle), np.sin(angle)])


def cavity(plane: np.ndarray) -> np.ndarray:
    """Largest piece of LV blood in a slice of the label map (X, Y), holes such as papillary muscles filled, bool."""
    blood = structure_mask(plane, "lv_blood_pool")
    filled = np.zeros_like(blood)
    for box in ndimage.find_objects(blood.astype(np.uint8)):
        filled[box] = _largest(ndimage.binary_fill_holes(blood[box]))
    return filled


def lv_wall(plane: np.ndarray) -> np.ndarray:
    """LV wall in a slice of the label map (X, Y), bool: what is connected with the cavity, but no papillary muscles."""
    wall, inner = structure_mask(plane, "lv_myocardium"), cavity(plane)
    if not inner.any():
        return np.zeros_like(wall)
    pieces, _ = ndimage.label(wall | inner, structure=_EIGHT_NEIGHBOURS)
    return wall & ~inner & (pieces == pieces[inner][0])


def cap_wall(label: np.ndarray) -> np.ndarray:
    """Wall (X, Y, S), bool, of the slices without LV blood: the pieces that lie below the LV of the other slices."""
    wall, blood = structure_mask(label, "lv_myocardium"), structure_mask(label, "lv_blood_pool")
    shown = blood.any(axis=(0, 1))
    above = np.any([lv_wall(label[..., s]) | cavity(label[..., s]) for s in np.flatnonzero(shown)], axis=0)
    cap = np.zeros_like(wall)
    for s in np.flatnonzero(wall.any(axis=(0, 1)) & ~shown):
        pieces, _ = ndimage.label(wall[..., s], structure=_EIGHT_NEIGHBOURS)
        cap[..., s] = wall[..., s] & np.isin(pieces, np.unique(pieces[above & wall[..., s]]))
    return cap


def lv_contours(plane: np.ndarray, to_mm: np.ndarray) -> Contours:
    """Contours of one slice.

    Args:
        plane: label map (X, Y), disk codes.
        to_mm: pixels to mm, (2, 2), any orthonormal frame of the plane; contours are given in that frame.
    Raises:
        NotMeasurable: the wall does not close around a cavity.
    """
    inner, wall = cavity(plane), lv_wall(plane)
    if not is_ring(plane, to_mm):
        raise NotMeasurable("the LV wall does not close around a cavity in this slice")
    centre = np.argwhere(inner).mean(axis=0)
    smallest = _pixel_mm(to_mm)
    endo = _smoothed(_radius_mm(inner, centre, to_mm), smallest)
    epi = _smoothed(_radius_mm(ndimage.binary_fill_holes(inner | wall), centre, to_mm), smallest)
    epi = np.maximum(epi, endo + _STEP_PIXELS * smallest)
    ray = directions()
    return Contours(centre, endo[:, None] * ray, epi[:, None] * ray)


def is_ring(plane: np.ndarray, to_mm: np.ndarray) -> bool:
    """True when the wall closes around the cavity: RING_FRACTION of all directions from its centre meet the wall."""
    return ring_fraction(plane, to_mm) >= RING_FRACTION


def ring_fraction(plane: np.ndarray, to_mm: np.ndarray) -> float:
    """Share of all directions from the centre of the cavity that meet the wall, 0..1; 0 without a cavity.

    Args:
        plane: label map (X, Y), disk codes. to_mm: as lv_contours takes it.
    """
    inner = cavity(plane)
    if not inner.any():
        return 0.0
    on_ray = _along_rays(lv_wall(plane), np.argwhere(inner).mean(axis=0), to_mm, order=0)[1]
    return float((on_ray > 0).any(axis=1).mean())


def ring_slices(label: np.ndarray, to_mm: np.ndarray) -> list[int]:
    """Indices along the last axis of ``label`` (X, Y, S) whose wall is a full ring."""
    return [s for s in range(label.shape[2]) if is_ring(label[..., s], to_mm)]


def require_infarct_in_wall(label: np.ndarray) -> None:
    """Raises NotMeasurable when the label map (X, Y, S) holds infarct, all of it outside the LV wall."""
    infarct = structure_mask(label, "infarct")
    shown = np.flatnonzero(infarct.any(axis=(0, 1)))
    if not shown.size or any((infarct[..., s] & lv_wall(label[..., s])).any() for s in shown):
        return
    if not (infarct & cap_wall(label)).any():
        raise NotMeasurable("all infarct of the label map lies outside the LV wall")


def _largest(mask: np.ndarray) -> np.ndarray:
    pieces, count = ndimage.label(mask, structure=_EIGHT_NEIGHBOURS)
    if count < 2:
        return mask
    return pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))


def _pixel_mm(to_mm: np.ndarray) -> float:
    return float(np.linalg.norm(to_mm, axis=0).min())


def _along_rays(mask: np.ndarray, centre: np.ndarray, to_mm: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances, (n,), mm, and the mask on every ray at them, (RAYS, n), nearest (order 0) or linear (1)."""
    points = (np.argwhere(mask) - centre) @ to_mm.T
    step = _STEP_PIXELS * _pixel_mm(to_mm)
    reach = np.linalg.norm(points, axis=1).max() + 8 * step if len(points) else step
    distance = np.arange(0.0, reach, step)
    to_pixels = np.linalg.inv(to_mm)
    ray = directions() @ to_pixels.T
    position = centre[:, None, None] + ray.T[:, :, None] * distance
    return distance, ndimage.map_coordinates(mask.astype(np.float64), position, order=order, cval=0.0)


def _radius_mm(mask: np.ndarray, centre: np.ndarray, to_mm: np.ndarray) -> np.ndarray:
    """Where each ray leaves the mask for good, half way between pixels in and out of it, (RAYS,), mm."""
    distance, value = _along_rays(mask, centre, to_mm, order=1)
    last = value.shape[1] - 1 - np.argmax(value[:, ::-1] >= 0.5, axis=1)
    last = np.where((value >= 0.5).any(axis=1), np.minimum(last, value.shape[1] - 2), 0)
    rows = np.arange(len(value))
    here, after = value[rows, last], value[rows, last + 1]
    beyond = np.clip((here - 0.5) / np.maximum(here - after, 1e-9), 0.0, 1.0)
    return distance[last] + beyond * (distance[1] - distance[0])


def _smoothed(radius: np.ndarray, pixel_mm: float) -> np.ndarray:
    """The contour without waves as short as the steps of the pixel grid; a circle keeps its radius."""
    waves = np.fft.rfft(radius)
    keep = np.clip(int(2 * np.pi * radius.mean() / pixel_mm / _SHORTEST_WAVE_PIXELS), *_HARMONICS)
    waves[keep + 1 :] = 0.0
    return np.maximum(np.fft.irfft(waves, len(radius)), 0.0)


def centreline(contours: Contours) -> np.ndarray:
    """On each ray the point as far from the endo- as from the epicardial contour, by bisection; (RAYS, 2), mm."""
    endo_mm, epi_mm = contours.endo, contours.epi
    endo_tree, epi_tree = cKDTree(_dense(endo_mm)), cKDTree(_dense(epi_mm))
    low, high = np.zeros(len(endo_mm)), np.ones(len(endo_mm))
    for _ in range(_BISECTIONS):
        part = (low + high) / 2
        point = endo_mm + part[:, None] * (epi_mm - endo_mm)
        inner = endo_tree.query(point)[0] < epi_tree.query(point)[0]
        low, high = np.where(inner, part, low), np.where(inner, high, part)
    return endo_mm + ((low + high) / 2)[:, None] * (epi_mm - endo_mm)


def _dense(contour: np.ndarray, times: int = 4) -> np.ndarray:
    following = np.roll(contour, -1, axis=0)
    return np.concatenate([contour + k / times * (following - contour) for k in range(times)])
