"""What a file gives once it is read: an array and the grid it lies on, or the error that says why not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import conventions
from .file_grid import FileGrid
from .grids import Grid

# What the arrays of one subject may take; a cine of 512 x 512 pixels, 20 slices and 40 phases takes 0.84 GB.
MEMORY_GB = 1.0
# In-plane pixel sizes a cardiac MR stack can have; outside, the header's unit is wrong.
PIXEL_MM = (0.2, 10.0)


class VolumeError(conventions.DataError):
    """A file cannot be read or does not hold an image."""

    stage = "read"


def require_memory(shape: Sequence[float], name: str, memory_gb: float) -> None:
    """Before anything is decompressed: the array, of float32, that a header announces has to fit.

    Args:
        shape: as announced. memory_gb: what is left.
    Raises:
        VolumeError: it does not fit, or is no shape.
    """
    gb = math.prod(map(float, shape)) * 4 / 1e9
    if min(shape, default=0) < 0 or not gb <= memory_gb:
        found = ", ".join(f"{one:g}" for one in shape)
        raise VolumeError(
            f"{name}: header announces ({found}) voxels, {gb:.3g} GB, expected at most {memory_gb:.3g} GB: more than "
            "any cine.\nFix: export again; where it is right, inference and training read more with "
            "--preprocessing::memory_gb."
        )


@dataclass(frozen=True)
class Volume:
    """One file: ``array`` (X, Y, S) or cine (X, Y, S, P) float32 with slope applied, and the grid its slices lie on.

    ``file_grid``: the axes and header it has on disk.
    """

    array: np.ndarray
    grid: Grid
    warnings: tuple[str, ...] = field(default=())
    file_grid: FileGrid = field(default=FileGrid())


def placed_like(cine: Volume, other: Volume) -> Volume:
    """``other`` on the grid of ``cine``, voxel by voxel, where only one of their files says where it lies.

    That is when both have one shape and voxel size: programs differ in where they put a file that does not say it, so
    that a label drawn on such a cine has the place that its program chose. Else ``other`` as it is.
    """
    same = cine.grid.shape == other.grid.shape and np.allclose(cine.grid.spacing_mm, other.grid.spacing_mm, rtol=0.01)
    if cine.file_grid.has_no_place == other.file_grid.has_no_place or not same:
        return other
    without = cine if cine.file_grid.has_no_place else other
    note = f"{without.grid.name} says not where it lies: {other.grid.name} is taken to lie on {cine.grid.name}"
    grid = replace(other.grid, affine=cine.grid.affine)
    return replace(other, grid=grid, warnings=(*other.warnings, f"{note}, which has the same shape and voxel size"))


class Stored(NamedTuple):
    """A file as it is stored, nothing checked: ``array`` float32, ``affine`` (4, 4) voxel to RAS mm.

    ``header``: as in FileGrid, None for a format without one.
    """

    array: np.ndarray
    affine: np.ndarray
    warnings: tuple[str, ...]
    header: dict | None = None


def short_name(path: str | Path) -> str:
    """``subject/file``, the form in which messages and reports name a file."""
    return "/".join(Path(path).parts[-2:])
