"""The stacks of a phantom subject as a scanner measured them, with times that fit them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...conventions import DataError
from ...dicom.geometry import StackGeometry, affine_from_stack
from ..scanner.views import View
from ..subject import PhantomSubject
from .vendors import CINE, CINE_LONG_AXIS, CLASSIC, LGE_MAGNITUDE, LGE_PSIR, LOCALISER, STYLES, T2_STIR, Vendor

_LARGEST_VALUE = 65535


@dataclass(frozen=True)
class Scan:
    """One stack as measured. ``pixels``: (x, y, slice, phase), uint16. Times in ms: per phase, and per slice."""

    role: str
    name: str
    pixels: np.ndarray
    stack: StackGeometry
    thickness_mm: float
    trigger_times_ms: tuple[float, ...] | None = None
    inversion_times_ms: tuple[float, ...] | None = None


def meta_value(subject: PhantomSubject, key: str) -> Any:
    """A value of ``subject.meta``; ``key`` may go deeper with dots. Raises DataError when it is missing."""
    value: Any = subject.meta
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            raise DataError(
                f"{subject.name}: meta key '{key}': found nothing, expected a value for the DICOM tags. "
                "Fix: make the subject with this version of the phantom."
            )
        value = value[part]
    return value


def vendor_of(subject: PhantomSubject) -> Vendor:
    """The vendor in the style that the subject's meta names, the classic one where it names none.

    Raises:
        DataError: a vendor or style without DICOM conventions.
    """
    styled = "dicom_style" in meta_value(subject, "phantom")
    return _one_of(subject, "vendor", _one_of(subject, "phantom.dicom_style", STYLES) if styled else STYLES[CLASSIC])


def model_of(subject: PhantomSubject) -> str:
    """ManufacturerModelName; raises DataError for a field strength without one."""
    return _one_of(subject, "field_strength_t", vendor_of(subject).models)


def cine_scan(subject: PhantomSubject) -> Scan:
    return _short_axis(subject, "cine", CINE, _trigger_times(subject, "cine"), None)


def t2_stir_scan(subject: PhantomSubject) -> Scan:
    return _short_axis(subject, "t2_stir", T2_STIR, _trigger_times(subject, "t2_stir"), None)


def lge_scan(subject: PhantomSubject) -> Scan:
    role = _one_of(subject, "protocol.lge.kind", {"psir": LGE_PSIR, "magnitude": LGE_MAGNITUDE})
    times = _trigger_times(subject, "lge")
    return _short_axis(subject, "lge", role, times, tuple(meta_value(subject, "protocol.lge.ti_ms")))


def _trigger_times(subject: PhantomSubject, name: str) -> tuple[float, ...] | None:
    """Of each phase, ms; None where the scanner does not tell them."""
    times = meta_value(subject, f"{name}_trigger_time{'s' if name == 'cine' else ''}_ms")
    return None if times is None else tuple(times) if isinstance(times, list) else (times,)


def _short_axis(
    subject: PhantomSubject, name: str, role: str, triggers: tuple | None, inversions: tuple | None
) -> Scan:
    if name not in subject.volumes:
        raise DataError(
            f"{subject.name}: found volumes {', '.join(sorted(subject.volumes))}, expected {name} among them. "
            "Fix: make the whole subject."
        )
    volume = np.asarray(subject.volumes[name])
    axes = 4 if name == "cine" else 3
    if volume.ndim != axes:
        raise DataError(
            f"{subject.name}, {name}: found an array of shape {volume.shape}, expected {axes} axes "
            f"(x, y, slice{', phase' if axes == 4 else ''}). Fix: keep the axes of the phantom's volumes."
        )
    volume = volume if axes == 4 else volume[..., np.newaxis]
    thickness = float(meta_value(subject, "slice_thickness_mm"))
    return _checked(subject, Scan(role, name, volume, subject.stack_of(name), thickness, triggers, inversions))


def view_scan(subject: PhantomSubject, view: View) -> Scan:
    """The scan of a series beside the short-axis stacks.

    Raises:
        DataError: the kind of the view is not known.
    """
    if view.kind not in (LOCALISER, CINE_LONG_AXIS, LGE_MAGNITUDE):
        raise DataError(
            f"{subject.name}, view {view.name}: found kind {view.kind!r}, expected {LOCALISER}, {CINE_LONG_AXIS} or "
            f"{LGE_MAGNITUDE}. Fix: correct the kind of the view."
        )
    pixels = np.asarray(view.pixels)
    if pixels.ndim != 4:
        raise DataError(
            f"{subject.name}, view {view.name}: found an array of shape {pixels.shape}, expected 4 axes "
            "(x, y, slice, phase). Fix: keep a last axis of length 1 for a single phase."
        )
    triggers, inversions = None, None
    if view.kind == CINE_LONG_AXIS:
        triggers = _view_trigger_times(subject, pixels.shape[3])
    if view.kind == LGE_MAGNITUDE:
        triggers = _trigger_times(subject, "lge")
        inversions = tuple(meta_value(subject, "protocol.lge.ti_ms"))
    scan = Scan(view.kind, view.name, pixels, view.stack, float(view.slice_thickness_mm), triggers, inversions)
    return _checked(subject, scan)


def _view_trigger_times(subject: PhantomSubject, phases: int) -> tuple[float, ...] | None:
    """Those of the short-axis cine when it has as many phases, else spread evenly over the heartbeat."""
    times = _trigger_times(subject, "cine")
    if times is None:
        return None
    rr_ms = float(meta_value(subject, "rr_interval_ms"))
    return times if len(times) == phases else tuple(rr_ms * phase / phases for phase in range(phases))


def _checked(subject: PhantomSubject, scan: Scan) -> Scan:
    """The scan with pixels as uint16. Raises DataError when pixels, geometry or times do not fit each other."""
    place, pixels = f"{subject.name}, {scan.name}", scan.pixels
    if not np.issubdtype(pixels.dtype, np.integer) or not pixels.size:
        raise DataError(
            f"{place}: found {pixels.dtype} voxels in shape {pixels.shape}, expected whole numbers in at least one "
            "image. Fix: round the volume to integers as the phantom's writer does."
        )
    low, high = int(pixels.min()), int(pixels.max())
    if low < 0 or high > _LARGEST_VALUE:
        raise DataError(
            f"{place}: found voxels from {low} to {high}, expected 0 to {_LARGEST_VALUE} (16 bits without sign). "
            "Fix: add an offset or scale the volume before writing."
        )
    slices, phases = pixels.shape[2:]
    trigger = ("trigger times", scan.trigger_times_ms, phases, "phase")
    inversion = ("inversion times", scan.inversion_times_ms, slices, "slice")
    for what, times, count, unit in (trigger, inversion):
        if times is not None and len(times) != count:
            raise DataError(
                f"{place}: found {len(times)} {what} for {count} {unit}s, expected one per {unit}. "
                "Fix: keep the meta of the subject together with its volumes."
            )
    # A single slice has no neighbour, so its step says nothing.
    normal = np.cross(scan.stack.row_cosines, scan.stack.column_cosines)
    affine_from_stack(scan.stack if slices > 1 else replace(scan.stack, slice_step_mm=normal))
    return replace(scan, pixels=pixels.astype(np.uint16))


def _one_of(subject: PhantomSubject, key: str, choices: Mapping[Any, Any]) -> Any:
    found = meta_value(subject, key)
    if found not in choices:
        raise DataError(
            f"{subject.name}: meta key '{key}': found {found!r}, expected one of {', '.join(map(str, choices))}. "
            "Fix: make the subject with one of these."
        )
    return choices[found]
