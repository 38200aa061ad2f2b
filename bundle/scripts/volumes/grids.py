"""Comparison of two image grids in patient space (numpy only)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .. import conventions
from .pixel_maps import plane_map

SAME_GRID = "same grid"
SAME_SPACE = "same space, resampled"
OTHER_SPACE = "other space"


class GeometryError(conventions.DataError):
    """Two sequences of one subject do not lie in the same place."""

    stage = "geometry"


@dataclass(frozen=True)
class GridTolerance:
    """What still counts as equal, all site-settable.

    affine_mm: largest distance between corresponding volume corners of one and the same grid.
    direction_deg: largest angle between the slice normals of two stacks that are resampled onto each other.
    slice_mm: largest distance, along the normal, from a cine slice to the slice that stands for it.
    min_overlap: smallest share of the cine field of view that the other sequence has to cover, 0..1.
    """

    affine_mm: float = 0.1
    direction_deg: float = 5.0
    slice_mm: float = 5.0
    min_overlap: float = 0.25


@dataclass(frozen=True)
class Grid:
    """A voxel grid: ``affine`` (4, 4) maps voxel (x, y, slice) to patient RAS mm, as nibabel gives it."""

    name: str
    shape: tuple[int, int, int]
    affine: np.ndarray

    @property
    def spacing_mm(self) -> np.ndarray:
        """(3,) lengths of the voxel edges."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    @property
    def normal(self) -> np.ndarray:
        """(3,) unit normal of the slice plane, x axis cross y axis."""
        normal = np.cross(self.affine[:3, 0], self.affine[:3, 1])
        return normal / np.linalg.norm(normal)

    def world(self, voxels: np.ndarray) -> np.ndarray:
        """Voxel indices (N, 3) -> RAS mm (N, 3)."""
        return np.asarray(voxels, dtype=float) @ self.affine[:3, :3].T + self.affine[:3, 3]


@dataclass(frozen=True)
class GridMatch:
    """How a sequence lies on the cine grid.

    verdict: SAME_GRID or SAME_SPACE.
    slices: (S,) int, index of the other stack's slice for each cine slice, -1 where there is none.
    pixel_maps: (S, 3, 3) homogeneous, cine pixel (x, y, 1) -> pixel of the other stack's slice.
    warnings: what the reader should know (slices without partner, distance between slices).
    """

    verdict: str
    slices: np.ndarray
    pixel_maps: np.ndarray
    warnings: tuple[str, ...] = ()


def match_grids(cine: Grid, other: Grid, tolerance: GridTolerance) -> GridMatch:
    """Decides same grid / same space / other space, and maps cine pixels to the other stack slice by slice.

    Each cine slice takes the other stack's nearest slice; its pixels are projected on it along the normal, so that
    sheared stacks, flips, permuted axes and single slices need no special case.

    Raises:
        GeometryError: other space; the message names both values, the tolerance and the fix.
    """
    n_slices = cine.shape[2]
    if cine.shape == other.shape and corner_distance_mm(cine, other) <= tolerance.affine_mm:
        return GridMatch(SAME_GRID, np.arange(n_slices), np.tile(np.eye(3), (n_slices, 1, 1)))
    _check_direction(cine, other, tolerance)
    slices, distance_mm = _nearest_slices(cine, other)
    matched = distance_mm <= tolerance.slice_mm + 1e-3
    if not matched.any():
        raise GeometryError(
            f"{other.name}: nearest slice found {distance_mm.min():.1f} mm from the slices of {cine.name}, "
            f"expected at most {tolerance.slice_mm:g} mm (slice_mm).\n"
            "Fix: export both sequences from the same examination, or remove the file."
        )
    slices = np.where(matched, slices, -1)
    maps = np.stack([plane_map(cine.affine, other.affine, s, max(k, 0)) for s, k in enumerate(slices.tolist())])
    _check_overlap(cine, other, (maps, matched), tolerance)
    return GridMatch(SAME_SPACE, slices, maps, _warnings(other.name, matched, distance_mm))


def corner_distance_mm(one: Grid, other: Grid) -> float:
    """Largest distance between corresponding corners of two grids of one shape."""
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(one.shape) - 1)
    return float(np.linalg.norm(one.world(corners) - other.world(corners), axis=1).max())


def offset_warning(label: Grid, drawn_on: Iterable[Grid], tolerance: GridTolerance) -> tuple[str, ...]:
    """What a reader should know where a label map has the shape of an image and lies beside it.

    Args:
        label: grid of the label map. drawn_on: grids it may have been drawn on; on one of them it is right.
    """
    offsets = [(corner_distance_mm(label, grid), grid.name) for grid in drawn_on if grid.shape == label.shape]
    if not offsets or min(offsets)[0] <= tolerance.affine_mm:
        return ()
    offset_mm, name = min(offsets)
    return (
        f"{label.name} has the shape of {name} but lies up to {offset_mm:.1f} mm beside it; the label is taken "
        "where its header puts it, which is wrong if it was drawn on that file",
    )


def _warnings(name: str, matched: np.ndarray, distance_mm: np.ndarray) -> tuple[str, ...]:
    found = []
    if not matched.all():
        missing = ", ".join(str(s + 1) for s in np.flatnonzero(~matched))
        found.append(f"{name} covers {matched.sum()} of {matched.size} cine slices (none at slice {missing})")
    farthest_mm = distance_mm[matched].max()
    if farthest_mm > 1.0:
        found.append(f"{name} lies up to {farthest_mm:.1f} mm beside the cine slices; nearest slice used")
    return tuple(found)


def _check_direction(cine: Grid, other: Grid, tolerance: GridTolerance) -> None:
    cosine = min(1.0, abs(float(cine.normal @ other.normal)))
    angle_deg = float(np.degrees(np.arccos(cosine)))
    if angle_deg > tolerance.direction_deg:
        raise GeometryError(
            f"{other.name}: slice normal {np.round(other.normal, 2).tolist()} found {angle_deg:.1f} degrees away from "
            f"{np.round(cine.normal, 2).tolist()} of {cine.name}, "
            f"expected at most {tolerance.direction_deg:g} degrees (direction_deg).\n"
            "Fix: export both as short-axis stacks of the same examination, or remove the file."
        )


def _nearest_slices(cine: Grid, other: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Other stack's slice nearest to the centre of each cine slice, and the distance in mm along the normal."""
    n_slices = cine.shape[2]
    centre = np.array([(cine.shape[0] - 1) / 2, (cine.shape[1] - 1) / 2])
    points = cine.world(np.column_stack([np.tile(centre, (n_slices, 1)), np.arange(n_slices)]))
    height_mm = (points - other.affine[:3, 3]) @ other.normal
    step_mm = float(other.affine[:3, 2] @ other.normal)
    nearest = np.clip(np.rint(height_mm / step_mm), 0, other.shape[2] - 1).astype(int)
    return nearest, np.abs(height_mm - nearest * step_mm)


def _check_overlap(cine: Grid, other: Grid, matched_maps: tuple, tolerance: GridTolerance) -> None:
    maps, matched = matched_maps
    axes = [np.linspace(0, n - 1, 16) for n in cine.shape[:2]]
    points = np.stack([*(axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")), np.ones(256)])
    pixels = (maps[matched] @ points)[:, :2]
    size = np.array(other.shape[:2])[:, None]
    overlap = float(((pixels >= -0.5) & (pixels <= size - 0.5)).all(axis=1).mean())
    if overlap < tolerance.min_overlap:
        raise GeometryError(
            f"{other.name}: found to cover {100 * overlap:.0f} % of the field of view of {cine.name}, "
            f"expected at least {100 * tolerance.min_overlap:.0f} % (min_overlap).\n"
            f"Centres: {np.round(_centre(other), 0).tolist()} and {np.round(_centre(cine), 0).tolist()} mm (RAS).\n"
            "Fix: export both sequences from the same examination, or remove the file."
        )


def _centre(grid: Grid) -> np.ndarray:
    return grid.world((np.array(grid.shape)[None] - 1) / 2)[0]
