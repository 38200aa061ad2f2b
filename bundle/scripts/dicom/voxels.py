"""Frames of a stack as an array with its geometry: order of slices and phases, pixels, gaps."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pydicom
from pydicom.config import disable_value_validation
from pydicom.pixels import apply_rescale, pixel_array

from ..clinical.quality import Flag
from ..conventions import DataError
from ..volumes.volume import MEMORY_GB
from .codestreams import require_announced_size
from .files import read_file
from .geometry import StackGeometry, affine_from_stack
from .headers import DAMAGED, Frame
from .matrix import on_grid, whole_pixels
from .phase_choice import chosen_phases, common_times
from .scale_slopes import rescale_headers, scale_slopes
from .stacks import Stack

_SAME_SLICE_MM = 0.5
# How far slices may lie from even spacing and still be one stack.
_DRIFT_MM = 0.2
# Phases of a cine are farther apart in time, and nearer in space; share of near ones where all were taken twice.
_SAME_PHASE_MS, _SAME_PLACE_MM, _TWINS = 5.0, 1.0, 0.4
# A slice with this many times the usual images was taken again.
_AGAIN = 1.8
# Scales of the images of a stack that differ by less are one.
_SAME_SCALE = 1e-3
_LISTED = 12
_LARGEST_VALUE = 1e9


@dataclass
class Voxels:
    """A stack as an array.

    ``array``: (x, y, slice, phase), int16 where the values are whole and fit, else float32. ``depths_mm``: (slice,)
    along ``normal`` (LPS), ascending. ``positions_mm``: (slice, 3), centre of the first pixel, LPS. ``times_ms``:
    (phase,) after the R wave, None where unknown. ``frames``: first phase of each slice. ``notes``: what was fixed,
    a flag where a reader has to look.
    """

    array: np.ndarray
    depths_mm: np.ndarray
    normal: np.ndarray
    positions_mm: np.ndarray
    times_ms: tuple[float, ...] | None
    frames: list[Frame]
    notes: list[str | Flag] = field(default_factory=list)

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
                f"--{role}_series{self._even_series()}"
            )
        frame = self.frames[0]
        stack = StackGeometry(
            frame.orientation[:3], frame.orientation[3:], self.positions_mm[0], frame.spacing_mm, step
        )
        return affine_from_stack(stack)

    def _even_series(self) -> str:
        """The numbers that pick the longest even part of the stack, where its series hold no other slice."""
        run = _longest_even_run(self.depths_mm)
        numbers = [frame.series_number for frame in self.frames]
        inside, outside = set(numbers[run]), set(numbers[: run.start] + numbers[run.stop :])
        if not all(inside) or inside & outside:
            return ""
        picked = ",".join(map(str, sorted(number for number in inside if number)))
        return f' "{picked}", {run.stop - run.start} even slices, and volumes lack the others'


def _longest_even_run(depths: np.ndarray) -> slice:
    """The most neighbouring slices that lie at the usual distance."""
    gaps = np.diff(depths)
    even = np.abs(gaps - np.quantile(gaps, 0.5, method="lower")) <= _DRIFT_MM
    start, best = 0, slice(0, 1)
    for place in range(len(gaps)):
        if not even[place]:
            start = place + 1
        elif place + 2 - start > best.stop - best.start:
            best = slice(start, place + 2)
    return best


def read_stack(stack: Stack) -> Voxels:
    """Reads the pixels of a stack.

    Raises:
        DataError: an image cannot be decoded, or slices have no phases in common.
    """
    slices = _slices(stack)
    times, chosen, notes = _phases(stack.role, slices)
    if stack.repeated:
        notes.append(f"{stack.role}: {stack.repeated} slices were taken again, the later ones are used")
    cache: dict[Path, _Decoded] = {}
    images = [[_image(frame, cache, stack.role) for frame in phases] for phases in chosen]
    first, places, matrix_notes = _one_grid(stack.role, [phases[0] for phases in chosen])
    scale_notes = _bring_to_one_scale(stack.role, [image for phases in images for image in phases])
    planes = [
        [on_grid(image.pixels, place, first[0].shape) if place else image.pixels for image in phases]
        for phases, place in zip(images, places, strict=True)
    ]
    array = np.stack([np.stack(phases, axis=-1) for phases in planes], axis=2)
    notes += [*matrix_notes, *scale_notes, *_constant_notes(stack.role, array)]
    positions = np.array([frame.position_mm for frame in first])
    return Voxels(_compact(array), positions @ stack.normal, stack.normal, positions, times, first, notes)


def _one_grid(role: str, first: list[Frame]) -> tuple[list[Frame], list[tuple[int, int] | None], list[str]]:
    """Frames of each slice on the most frequent matrix, where their own first pixel lies on it, and a note."""
    shapes = Counter(frame.shape for frame in first)
    if len(shapes) == 1:
        return first, [None] * len(first), []
    shape = shapes.most_common(1)[0][0]
    grid = [frame for frame in first if frame.shape == shape]
    frames, places = list(first), list[tuple[int, int] | None]([None] * len(first))
    for number, frame in enumerate(first):
        if frame.shape != shape:
            place = whole_pixels(frame, grid) or (0, 0)
            row, column = frame.orientation[:3] * frame.spacing_mm[0], frame.orientation[3:] * frame.spacing_mm[1]
            corner = frame.position_mm - place[0] * row - place[1] * column
            frames[number], places[number] = replace(frame, shape=shape, position_mm=corner), place
    others = ", ".join(f"{x}x{y}" for x, y in sorted(set(shapes) - {shape}))
    count = sum(place is not None for place in places)
    return frames, places, [
        f"{role}: {count} of {len(first)} slices have another matrix ({others}); they are cut or filled to "
        f"{shape[0]}x{shape[1]}, pixel on pixel"
    ]  # fmt: skip


def _bring_to_one_scale(role: str, images: list[_Image]) -> list[str | Flag]:
    """Multiplies images whose private scale slopes differ (Philips), so that equal tissue is equal; and a note."""
    known = [image.scale for image in images if image.scale is not None]
    if not known or max(known) - min(known) <= _SAME_SCALE * max(known):
        return []
    found = f"{role}: Philips' scale slopes differ between images, by a factor of up to {max(known) / min(known):.3g}"
    if len(known) < len(images):
        text = f"{found}; {len(images) - len(known)} images have none, so that brightness may differ by slice"
        return [Flag(f"{role}_scale_in_doubt", text)]
    usual = float(np.median(known))
    for image in images:
        image.pixels = image.pixels * np.float32(usual / (image.scale or usual))
    return [f"{found}; the images are brought to one scale with them"]


def _constant_notes(role: str, array: np.ndarray) -> list[Flag]:
    """A flag on slices without contrast.

    Raises:
        DataError: none has any.
    """
    flat = [k + 1 for k in range(array.shape[2]) if float(array[:, :, k].min()) == float(array[:, :, k].max())]
    if len(flat) == array.shape[2]:
        value = float(array[:, :, 0].max())
        raise DataError(
            f"{role}: every pixel of a slice is {value:g}, in all slices; expected images. Fix: export the series "
            f"again, or pick another with --{role}_series"
        )
    listed = ", ".join(map(str, flat[:_LISTED]))
    text = f"{role}: slice {listed} of {array.shape[2]} is of one value, no image"
    return [Flag(f"{role}_slice_without_image", text)] if flat else []


def _slices(stack: Stack) -> list[list[Frame]]:
    """Frames per slice, slices by depth; a place in a file counts once."""
    unique = {(frame.path, frame.index): frame for frame in stack.frames}
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


def _phases(
    role: str, slices: list[list[Frame]]
) -> tuple[tuple[float, ...] | None, list[list[Frame]], list[str | Flag]]:
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
    notes: list[str | Flag] = (
        [f"{role}: {len(again)} slices were taken again, the later images are used"] if again else []
    )
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


@dataclass(frozen=True)
class _Decoded:
    """A file. ``pixels``: (row, column) or (frame, row, column), rescaled; ``scales``: of its frames, scale_slopes."""

    pixels: np.ndarray
    scales: list[float | None]


@dataclass
class _Image:
    """One image: ``pixels`` (x, y), float32, rescaled as the header says."""

    pixels: np.ndarray
    scale: float | None


def _image(frame: Frame, cache: dict[Path, _Decoded], role: str) -> _Image:
    if frame.path not in cache:
        cache.clear()
        cache[frame.path] = _decoded(frame, role)
    whole = cache[frame.path]
    plane = whole.pixels[frame.index] if whole.pixels.ndim == 3 else whole.pixels
    if plane.T.shape != frame.shape or not np.isfinite(plane).all():
        raise DataError(f"{_named(frame, role)}: the pixel data do not fit the header. Fix: export the series again.")
    scale = whole.scales[frame.index]
    if scale == 0:
        raise DataError(
            f"{_named(frame, role)}: RescaleSlope is 0, which makes every pixel the same; expected another number. "
            f"Fix: export the series again, or pick another with --{role}_series"
        )
    return _Image(np.ascontiguousarray(plane.T, dtype=np.float32), scale)


def _decoded(frame: Frame, role: str) -> _Decoded:
    try:
        with disable_value_validation(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's quote values, which may be PHI
            return _read_pixels(frame, role)
    except DAMAGED as error:
        raise DataError(
            f"{_named(frame, role)}: its pixels cannot be decoded ({type(error).__name__}); the file is truncated, "
            "damaged or compressed in a way that is not read. Fix: export the series again, uncompressed."
        ) from error


def _read_pixels(frame: Frame, role: str) -> _Decoded:
    dataset = read_file(frame.path)
    if "PixelData" not in dataset:
        raise DataError(f"{_named(frame, role)}: no pixel data in the file. Fix: export the series again.")
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    _require_room(dataset, frame, role)
    require_announced_size(dataset)
    # The other decoder of run lengths ends the program on damaged data.
    plugin = "pydicom" if dataset.file_meta.TransferSyntaxUID == pydicom.uid.RLELossless else ""
    array = pixel_array(dataset, decoding_plugin=plugin)
    headers = rescale_headers(dataset)
    if dataset.get("PerFrameFunctionalGroupsSequence"):
        array = array.reshape(-1, *array.shape[-2:])
        found = np.empty(array.shape, dtype=np.float64)
        for index, (plane, header) in enumerate(zip(array, headers, strict=True)):
            found[index] = _rescaled(plane, header)
    else:
        found = _rescaled(array, headers[0])
    largest = float(np.abs(found).max(initial=0))
    if not largest <= _LARGEST_VALUE:
        raise DataError(
            f"{_named(frame, role)}: found values up to {largest:.3g} by RescaleSlope and RescaleIntercept, expected "
            f"at most {_LARGEST_VALUE:g}. Fix: export the series again."
        )
    return _Decoded(found, scale_slopes(dataset, headers))


def _require_room(dataset: pydicom.Dataset, frame: Frame, role: str) -> None:
    """Before pixels are decoded: the array that a header announces has to fit."""
    counts = (int(dataset.get(name) or 1) for name in ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel"))
    gb, most_gb = math.prod(map(float, counts)) * 8 / 1e9, 2 * MEMORY_GB
    if gb > most_gb:
        raise DataError(
            f"{_named(frame, role)}: its header announces {gb:.3g} GB of pixels, expected at most {most_gb:g}. "
            "Fix: export the series as single images, or a part of its phases."
        )


def _rescaled(array: np.ndarray, header: pydicom.Dataset) -> np.ndarray:
    """As apply_rescale, which wants both attributes; one without value changes nothing."""
    neutral = {"RescaleSlope": 1, "RescaleIntercept": 0}
    if any(keyword in header for keyword in neutral):
        for keyword, value in neutral.items():
            if header.get(keyword) in (None, ""):
                setattr(header, keyword, value)
    return apply_rescale(array, header)


def _named(frame: Frame, role: str) -> str:
    return f"{role}, series {frame.series_number}, image {frame.instance_number or frame.index + 1}"


def _compact(array: np.ndarray) -> np.ndarray:
    low, high = float(array.min()), float(array.max())
    whole = low >= -32768 and high <= 32767 and bool((array == np.round(array)).all())
    return array.astype(np.int16) if whole else array
