"""Frames of a stack as an array with its geometry: order of slices and phases, pixels, gaps."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
from pydicom.config import disable_value_validation
from pydicom.pixels import apply_rescale, pixel_array

from ..conventions import DataError
from .geometry import StackGeometry, affine_from_stack
from .headers import DAMAGED, Frame
from .phase_choice import chosen_phases, common_times
from .series_choice import Stack

_SAME_SLICE_MM = 0.5
# Distances between neighbours may differ by this much and still be one stack.
_SPACING_TOLERANCE_MM = 0.5
_DRIFT_MM = 0.2
# Phases of a cine are farther apart in time, and nearer in space; share of near ones where all were taken twice.
_SAME_PHASE_MS, _SAME_PLACE_MM, _TWINS = 5.0, 1.0, 0.4
# A slice with this many times the usual images was taken again.
_AGAIN = 1.8


@dataclass
class Voxels:
    """A stack as an array.

    ``array``: (x, y, slice, phase), int16 where the values are whole and fit, else float32. ``depths_mm``: (slice,)
    along ``normal`` (LPS), ascending. ``positions_mm``: (slice, 3), centre of the first pixel, LPS. ``times_ms``:
    (phase,) after the R wave, None where unknown. ``frames``: first phase of each slice. ``notes``: what was fixed.
    """

    array: np.ndarray
    depths_mm: np.ndarray
    normal: np.ndarray
    positions_mm: np.ndarray
    times_ms: tuple[float, ...] | None
    frames: list[Frame]
    notes: list[str] = field(default_factory=list)

    def slice_affine(self, index: int) -> np.ndarray:
        """RAS affine (4, 4) of one slice; its third column is the normal, 1 mm."""
        frame = self.frames[index]
        return affine_from_stack(
            StackGeometry(
                frame.orientation[:3], frame.orientation[3:], self.positions_mm[index], frame.spacing_mm, self.normal
            )
        )

    def affine(self, role: str) -> np.ndarray:
        """RAS affine (4, 4) of the whole stack.

        Raises:
            DataError: slices are not evenly spaced, or not above each other.
        """
        if len(self.frames) == 1:
            thickness = self.frames[0].thickness_mm
            if not thickness or thickness <= 0:
                raise DataError(
                    f"{role}: one slice without SliceThickness, so that no volume can be measured. "
                    "Fix: export the whole stack, or the series with its SliceThickness."
                )
            step = self.normal * thickness
        else:
            step = (self.positions_mm[-1] - self.positions_mm[0]) / (len(self.positions_mm) - 1)
        expected = self.positions_mm[0] + np.arange(len(self.positions_mm))[:, None] * step
        worst = float(np.abs(self.positions_mm - expected).max())
        if worst > _DRIFT_MM:
            gaps = np.round(np.diff(self.depths_mm), 1)
            raise DataError(
                f"{role}: slices at distances of {', '.join(f'{gap:g}' for gap in gaps[:12])} mm, up to {worst:.1f} mm "
                "from even spacing; expected one spacing. Fix: send the missing slices too, or pick series with "
                f"--{role}_series"
            )
        frame = self.frames[0]
        stack = StackGeometry(
            frame.orientation[:3], frame.orientation[3:], self.positions_mm[0], frame.spacing_mm, step
        )
        return affine_from_stack(stack)


def read_stack(stack: Stack) -> Voxels:
    """Reads the pixels of a stack.

    Raises:
        DataError: an image cannot be decoded, or slices have no phases in common.
    """
    slices = _slices(stack)
    times, chosen, notes = _phases(stack.role, slices)
    if stack.repeated:
        notes.append(f"{stack.role}: {stack.repeated} slices were taken again, the later ones are used")
    cache: dict[Path, np.ndarray] = {}
    planes = [[_pixels(frame, cache, stack.role) for frame in phases] for phases in chosen]
    array = np.stack([np.stack(phases, axis=-1) for phases in planes], axis=2)
    first = [phases[0] for phases in chosen]
    positions = np.array([frame.position_mm for frame in first])
    return Voxels(_compact(array), positions @ stack.normal, stack.normal, positions, times, first, notes)


def _slices(stack: Stack) -> list[list[Frame]]:
    """Frames per slice, slices by depth; the same image twice counts once."""
    unique = {
        (frame.instance, frame.index) if frame.instance else (str(frame.path), frame.index): frame
        for frame in stack.frames
    }
    slices: list[list[Frame]] = []
    depth = None
    for frame in sorted(unique.values(), key=lambda frame: float(stack.normal @ frame.position_mm)):
        here = float(stack.normal @ frame.position_mm)
        if depth is None or here - depth > _SAME_SLICE_MM:
            slices.append([])
            depth = here
        slices[-1].append(frame)
    return slices


def _as_taken(frame: Frame) -> tuple:
    """Order of acquisition."""
    return (frame.acquired_s or 0.0, frame.series_number or 0, frame.instance_number or 0, frame.index)


def _phases(role: str, slices: list[list[Frame]]) -> tuple[tuple[float, ...] | None, list[list[Frame]], list[str]]:
    """Trigger times, the frames used per slice, and notes. A slice that was taken again counts in its later form."""
    counts = [len(one) for one in slices]
    usual = 1 if role != "cine" else int(np.median(counts))
    again = [i for i, count in enumerate(counts) if count >= _AGAIN * usual]
    if len(again) > 0.5 * len(slices):
        raise DataError(
            f"{role}: {len(again)} of {len(slices)} slices hold several images that the tags do not tell apart "
            "(magnitude and PSIR, or two times after contrast). Fix: export them as series of their own, and pick one "
            f"with --{role}_series"
        )
    slices = [sorted(one, key=_as_taken)[-usual:] if i in again else one for i, one in enumerate(slices)]
    notes = [f"{role}: {len(again)} slices were taken again, the later images are used"] if again else []
    if role != "cine":
        times = [one[0].trigger_ms for one in slices if one[0].trigger_ms is not None]
        return (float(np.median(times)),) if times else None, slices, notes
    _refuse_two_takes(role, slices)
    chosen, more = chosen_phases(slices)
    return common_times(chosen), chosen, notes + more


def _refuse_two_takes(role: str, slices: list[list[Frame]]) -> None:
    """A stack taken twice in one series would be read as one with twice the phases, of two breath-holds."""
    apart_mm = max(float(np.linalg.norm(np.ptp([frame.position_mm for frame in one], axis=0))) for one in slices)
    twice = np.mean([_share_of_twins(one) >= _TWINS for one in slices]) > 0.5
    if apart_mm <= _SAME_PLACE_MM and not twice:
        return
    found = "two images of nearly every phase" if twice else f"images of one slice {apart_mm:.1f} mm apart"
    raise DataError(
        f"{role}: {found}; the stack was taken twice in one series. Fix: export each take as a series of its own, and "
        f"pick one with --{role}_series"
    )


def _share_of_twins(frames: list[Frame]) -> float:
    """Share of neighbouring trigger times of a slice that are too close for two phases; 0 where there are no times."""
    times = np.sort([frame.trigger_ms for frame in frames if frame.trigger_ms is not None])
    if len(times) < 3 or np.ptp(times) <= _SAME_PHASE_MS:
        return 0.0
    return float(np.mean(np.diff(times) < _SAME_PHASE_MS))


def _pixels(frame: Frame, cache: dict[Path, np.ndarray], role: str) -> np.ndarray:
    """(x, y), float32, rescaled as the header says."""
    if frame.path not in cache:
        cache.clear()
        cache[frame.path] = _decoded(frame, role)
    image = cache[frame.path]
    plane = image[frame.index] if image.ndim == 3 else image
    if plane.T.shape != frame.shape or not np.isfinite(plane).all():
        raise DataError(f"{_named(frame, role)}: the pixel data do not fit the header. Fix: export the series again.")
    return np.ascontiguousarray(plane.T, dtype=np.float32)


def _decoded(frame: Frame, role: str) -> np.ndarray:
    try:
        with disable_value_validation(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's quote values, which may be PHI
            return _read_pixels(frame, role)
    except DAMAGED as error:
        raise DataError(
            f"{_named(frame, role)}: its pixels cannot be decoded ({type(error).__name__}); the file is truncated, "
            "damaged or compressed in a way that is not read. Fix: export the series again, uncompressed."
        ) from error


def _read_pixels(frame: Frame, role: str) -> np.ndarray:
    dataset = pydicom.dcmread(frame.path, force=True)
    if "PixelData" not in dataset:
        raise DataError(f"{_named(frame, role)}: no pixel data in the file. Fix: export the series again.")
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    # The other decoder of run lengths ends the program on damaged data.
    plugin = "pydicom" if dataset.file_meta.TransferSyntaxUID == pydicom.uid.RLELossless else ""
    array = pixel_array(dataset, decoding_plugin=plugin)
    if dataset.get("PerFrameFunctionalGroupsSequence"):
        return _rescaled_frames(dataset, array.reshape(-1, *array.shape[-2:]))
    return _rescaled(array, dataset)


def _rescaled(array: np.ndarray, header: pydicom.Dataset) -> np.ndarray:
    """As apply_rescale; an attribute without value changes nothing."""
    for keyword, neutral in (("RescaleSlope", 1), ("RescaleIntercept", 0)):
        if keyword in header and header.get(keyword) in (None, ""):
            setattr(header, keyword, neutral)
    return apply_rescale(array, header)


def _rescaled_frames(dataset: pydicom.Dataset, array: np.ndarray) -> np.ndarray:
    """Enhanced images keep slope and intercept per frame, or shared."""
    shared = dataset.get("SharedFunctionalGroupsSequence")
    result = np.empty(array.shape, dtype=np.float64)
    for index, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        items = group.get("PixelValueTransformationSequence") or (
            shared[0].get("PixelValueTransformationSequence") if shared else None
        )
        result[index] = _rescaled(array[index], items[0]) if items else array[index]
    return result


def _named(frame: Frame, role: str) -> str:
    return f"{role}, series {frame.series_number}, image {frame.instance_number or frame.index + 1}"


def _compact(array: np.ndarray) -> np.ndarray:
    low, high = float(array.min()), float(array.max())
    whole = low >= -32768 and high <= 32767 and bool((array == np.round(array)).all())
    return array.astype(np.int16) if whole else array
