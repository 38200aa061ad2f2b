"""A caller's arrays as the files that preprocessing reads, with checks; files pass as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from ..conventions import DataError
from .nifti_writing import placed_image


def sequence_file(folder: Path, name: str, source: np.ndarray | str | Path, affine: np.ndarray | None) -> str:
    """Path of one sequence: the caller's file, or ``<folder>/<name>.nii`` made of an array (float32).

    Args:
        folder: made if needed.
        name: cine, t2_stir, lge or label.
        source: (x, y, slice[, phase]) or a file name.
        affine: (4, 4) of an array; None for a file, which holds its own.
    Raises:
        DataError: an array without affine, a file with one, or neither of the two.
    """
    if isinstance(source, (str, Path)):
        if affine is not None:
            raise DataError(f"{name}: found a file and an affine, expected one of them. Fix: leave the affine out.")
        return str(Path(source).expanduser().absolute())
    try:
        array = np.asarray(source)
        real = np.issubdtype(array.dtype, np.number) and not np.iscomplexobj(array)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}: found a {type(source).__name__} that numpy cannot read ({error}).") from error
    if not real or array.ndim < 2:
        raise DataError(
            f"{name}: found {type(source).__name__} of {array.dtype}, shape {array.shape}; expected a file name or an "
            "array of real numbers, (x, y, slice), for a cine also (x, y, slice, phase)."
        )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.nii"
    nib.save(placed_image(array.astype(np.float32), _checked_affine(name, affine), "array of the caller"), path)
    return str(path)


def _checked_affine(name: str, affine: np.ndarray | None) -> np.ndarray:
    fix = "Fix: give the matrix voxel index to mm of the file it came from, in nibabel: nib.load(file).affine"
    if affine is None:
        raise DataError(f"{name}: found an array without affine, expected a 4 x 4 matrix beside it.\n{fix}")
    try:
        matrix = np.asarray(affine, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}: affine: found {type(affine).__name__}, expected numbers.\n{fix}") from error
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise DataError(f"{name}: affine: found shape {matrix.shape}, expected 4 x 4 finite numbers.\n{fix}")
    return matrix


def meta_file(folder: Path, meta: Mapping[str, Any] | str | Path) -> str:
    """Path of a meta.json: the caller's file, or ``<folder>/meta.json`` made of a dict.

    Raises:
        DataError: it is missing, or holds what JSON cannot.
    """
    if isinstance(meta, (str, Path)):
        path = Path(meta).expanduser().absolute()
        if not path.is_file():
            raise DataError(f"meta: {path.name} not found. Fix: check the path, or give a dict.")
        return str(path)
    if not isinstance(meta, Mapping):
        raise DataError(f"meta: found a {type(meta).__name__}, expected a dict or the name of a meta.json.")
    try:
        text = json.dumps({key: value.tolist() if hasattr(value, "tolist") else value for key, value in meta.items()})
    except (TypeError, ValueError) as error:
        raise DataError(f"meta: {error}. Fix: give names, numbers and lists of numbers.") from error
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "meta.json"
    path.write_text(text, encoding="utf-8")
    return str(path)
