"""A stack that lies in several files: one per slice, merged by their positions, or one per phase."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from .axes import slice_axis, slices_last
from .volume import Stored, VolumeError

# Slices are parallel, evenly spaced and in line when they are to a degree and a tenth of the pitch; pixels are of one
# size when they are to a hundredth.
_PARALLEL_COSINE, _UNEVEN = float(np.cos(np.radians(1.0))), 0.1
_EQUAL_SIZE = 0.01
_SAME_PLACE_MM = 0.01
_ANY_NUMBER = "*"


def file_series(folder: Path, key: str, suffixes: Sequence[str]) -> Path | None:
    """What stands for the files of one sequence that has several: ``read_volume`` takes it for a path.

    Returns:
        ``<folder>/<key>``, a folder of images; ``<folder>/<key>*<suffix>``, where ``<key>_01<suffix>`` and more of the
        kind are there (any letters, digits last); None where there are not two files.
    """
    for suffix in suffixes:
        for series in (folder / key, folder / f"{key}{_ANY_NUMBER}{suffix}"):
            if len(files_of_series(series, suffixes)) > 1:
                return series
    return None


def is_series(path: str | Path) -> bool:
    """Whether a path stands for several files."""
    return _ANY_NUMBER in Path(path).name or Path(path).is_dir()


def files_of_series(series: Path, suffixes: Sequence[str]) -> list[Path]:
    """The files, by the number in their names."""
    if series.is_dir():
        found = [path for path in series.iterdir() if path.name.lower().endswith(tuple(suffixes))]
        found = [path for path in found if path.is_file() and not path.name.startswith(".")]
        return sorted(found, key=lambda path: (_numbers(path.name), path.name))
    key, found_number, suffix = series.name.partition(_ANY_NUMBER)
    if not found_number or not series.parent.is_dir():
        return []
    pattern = re.compile(rf"{re.escape(key)}[ _.-]?[a-z]*[ _.-]?\d+{re.escape(suffix)}", re.IGNORECASE)
    found = [path for path in series.parent.iterdir() if pattern.fullmatch(path.name) and path.is_file()]
    return sorted(found, key=lambda path: (_numbers(path.name), path.name))


def read_series(paths: Sequence[Path], read: Callable[[Path], Stored], name: str) -> Stored:
    """Merges files of one slice each by position, or files of one whole stack in one place as phases.

    Args:
        paths: in the order of phases; a single one is read as it is.
        read: reads one of them.
        name: what messages call them together.
    Returns:
        (x, y, slice) or (x, y, slice, phase), slices in the direction in which their numbers mostly rise, with a
        warning that says what was merged.
    Raises:
        VolumeError: they are neither of the two; the message says what was found.
    """
    if not paths:
        raise VolumeError(f"{name}: no file found. Fix: check the path in the dataset folder or dataset.json.")
    if len(paths) == 1:
        return read(paths[0])
    parts = [_part(read(path), f"{name}/{path.name}") for path in paths]
    shapes = {part.array.shape for part in parts}
    if len(shapes) > 1:
        raise VolumeError(
            f"{name}: found {len(parts)} files of shapes {', '.join(map(str, sorted(shapes)[:4]))}, expected one "
            "shape.\nFix: keep the files of one series only."
        )
    affines, shape = np.stack([part.affine for part in parts]), parts[0].array.shape
    one_place = np.abs(affines - affines[0]).max() < _SAME_PLACE_MM
    notes = tuple(dict.fromkeys(text for part in parts for text in part.warnings))
    if one_place and shape[2] > 1 and len(shape) == 3:
        merged = np.stack([part.array for part in parts], axis=3)
        return Stored(merged, affines[0], (*notes, f"{name}: {len(parts)} files in one place, merged as phases"))
    if shape[2] > 1 or one_place:
        found = "in one place" if one_place else f"of {shape[2]} slices each"
        raise VolumeError(
            f"{name}: found {len(parts)} files of shape {shape} {found}, expected one slice per file with its own "
            "position in the header.\nFix: convert the series to one file from DICOM again."
        )
    order, affine = _stack(affines, name)
    merged = np.concatenate([parts[k].array for k in order], axis=2)
    return Stored(merged, affine, (*notes, f"{name}: {len(parts)} files of one slice each, merged by position"))


def _numbers(name: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", name)]


def _part(stored: Stored, name: str) -> Stored:
    """One file as (x, y, slice[, phase])."""
    array = stored.array
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    array = array[..., None] if array.ndim == 2 else array
    if array.ndim not in (3, 4):
        raise VolumeError(f"{name}: found shape {array.shape}, expected one slice.\nFix: export the series again.")
    array, affine, _ = slices_last(array, stored.affine, slice_axis(array.shape, stored.affine, name))
    return stored._replace(array=array, affine=affine, header=None)


def _stack(affines: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Order of single slices along their normal, and the affine of the stack they make."""
    planes = affines[:, :3, :2] / np.linalg.norm(affines[:, :3, :2], axis=1, keepdims=True)
    normal = np.cross(affines[0, :3, 0], affines[0, :3, 1])
    normal /= np.linalg.norm(normal)
    if (np.einsum("nij,ij->nj", planes, planes[0]) < _PARALLEL_COSINE).any():
        raise VolumeError(
            f"{name}: found slices that are not parallel, expected one short-axis stack.\n"
            "Fix: keep the files of one series only (no long axis, no localiser)."
        )
    pixel_mm = np.linalg.norm(affines[:, :3, :2], axis=1)
    if np.abs(pixel_mm / pixel_mm[0] - 1).max() > _EQUAL_SIZE:
        listed = ", ".join(sorted({" x ".join(f"{mm:.4g}" for mm in size) for size in pixel_mm})[:4])
        raise VolumeError(
            f"{name}: found slices with pixels of {listed} mm, expected one size.\n"
            "Fix: keep the files of one series only, or convert from DICOM again."
        )
    height_mm = affines[:, :3, 3] @ normal
    order = np.argsort(height_mm, kind="stable")
    if np.corrcoef(order, np.arange(len(order)))[0, 1] < 0:
        order = order[::-1]
    steps_mm = np.diff(height_mm[order])
    pitch_mm = float(np.median(steps_mm))
    if np.abs(steps_mm - pitch_mm).max() > _UNEVEN * abs(pitch_mm):
        listed = ", ".join(f"{abs(mm):.1f}" for mm in steps_mm[:12])
        raise VolumeError(
            f"{name}: found {len(order)} slices {listed} mm apart, expected an even distance.\n"
            "Fix: add the file that is missing, or remove the one that lies there twice."
        )
    affine = affines[order[0]].copy()
    place_mm = affines[order, :3, 3]
    aside_mm = np.linalg.norm(place_mm - np.linspace(place_mm[0], place_mm[-1], len(order)), axis=1)
    if aside_mm.max() > _UNEVEN * abs(pitch_mm):
        raise VolumeError(
            f"{name}: found slice {int(np.argmax(aside_mm)) + 1} of {len(order)} {aside_mm.max():.1f} mm beside the "
            "line through the first and the last, expected one stack.\n"
            "Fix: keep the files of one series only, or convert from DICOM again."
        )
    affine[:3, 2] = (affines[order[-1], :3, 3] - affines[order[0], :3, 3]) / (len(order) - 1)
    return order, affine
