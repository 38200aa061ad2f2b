"""The series a scanner makes of a phantom subject: grouping, order, times, MR tags."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...dicom.geometry import StackGeometry
from ..subject import PhantomSubject
from .scans import Scan, cine_scan, lge_scan, meta_value, t2_stir_scan, vendor_of, view_scan
from .vendors import CINE, CINE_LONG_AXIS, LGE_MAGNITUDE, LGE_PSIR, LOCALISER, T2_STIR, Vendor

# Seconds: one breath-hold per slice, a pause between series, and 10 min from contrast to LGE
# (SOURCES.md of the repository, Protocols).
_BREATH_HOLD_S, _PAUSE_S, _CONTRAST_WAIT_S = 20.0, 30.0, 600.0
# Longest segment of a segmented cine: temporal resolution <= 45-50 ms (the same).
_LONGEST_SEGMENT_MS = 45.0
_LARGEST_12_BIT = 4095
PROTON_MHZ_PER_T = 42.577
_WINDOW_PERCENTILES = (1.0, 99.0)
_COIL_SHADING = 0.4


@dataclass(frozen=True)
class SeriesImage:
    """One image. ``pixels``: (x, y), uint16. ``slice_index``: place in ``stack``. ``acquired_s``: since study start.

    ``attributes``: DICOM keyword -> value, what depends on sequence, slice or phase.
    """

    pixels: np.ndarray
    stack: StackGeometry
    slice_index: int
    acquired_s: float
    attributes: dict[str, Any]


@dataclass(frozen=True)
class DicomSeries:
    """One series; ``images`` in the order of their InstanceNumber, ``start_s`` since the start of the study."""

    number: int
    description: str
    protocol: str
    start_s: float
    images: tuple[SeriesImage, ...]


def series_of(subject: PhantomSubject) -> list[DicomSeries]:
    """The study as the vendor sends it, in the order of the examination.

    T2-STIR and LGE may be absent; the label is never a series. Slice positions are those of the prescription: what a
    breath-hold displaced shows in the pixels only, as on a scanner.

    Raises:
        DataError: voxels that 16 bits cannot hold, times that do not match the images, a meta key that is missing.
    """
    vendor, clock_s, previous = vendor_of(subject), 0.0, ""
    series: list[DicomSeries] = []
    for scans in _scans_by_series(subject, vendor):
        role, start_s = scans[0].role, clock_s
        if role == LGE_PSIR and previous == LGE_MAGNITUDE:
            start_s = series[-1].start_s  # two reconstructions of one measurement
        elif role in (LGE_PSIR, LGE_MAGNITUDE) and previous not in (LGE_PSIR, LGE_MAGNITUDE):
            start_s += _CONTRAST_WAIT_S
        images = tuple(image for scan in scans for image in _images(subject, vendor, scan, start_s))
        description = vendor.styles[role].description.format(name=scans[0].name)
        for more in (images, _uncorrected(images)) if vendor.uncorrected_cine and role == CINE else (images,):
            number = vendor.first_series + len(series) * vendor.series_step
            series.append(DicomSeries(number, description, vendor.exam_name or description, start_s, more))
        clock_s, previous = images[-1].acquired_s + _BREATH_HOLD_S + _PAUSE_S, role
    return series


def _scans_by_series(subject: PhantomSubject, vendor: Vendor) -> Iterator[list[Scan]]:
    views = [view_scan(subject, view) for view in subject.views]
    localisers = [scan for scan in views if scan.role == LOCALISER]
    if localisers:
        yield localisers
    yield from ([scan] for scan in views if scan.role == CINE_LONG_AXIS)
    cine = cine_scan(subject)
    if vendor.cine_series_per_slice:
        yield from ([_one_slice(cine, index)] for index in range(cine.pixels.shape[2]))
    else:
        yield [cine]
    if "t2_stir" in subject.volumes:
        yield [t2_stir_scan(subject)]
    lge = [scan for scan in views if scan.role == LGE_MAGNITUDE]
    if "lge" in subject.volumes:
        lge.append(lge_scan(subject))
    if lge and vendor.lge_in_one_series:
        yield lge[::-1]
    else:
        yield from ([scan] for scan in lge)


def _images(subject: PhantomSubject, vendor: Vendor, scan: Scan, start_s: float) -> Iterator[SeriesImage]:
    """Slice by slice, each with all its phases; a slice of zeros was not acquired and has no image."""
    shared = _attributes(subject, vendor, scan)
    for index in np.flatnonzero(scan.pixels.any(axis=(0, 1, 3))).tolist():
        shared["AcquisitionNumber"] = index + 1
        if scan.inversion_times_ms is not None:
            shared["InversionTime"] = scan.inversion_times_ms[index]
        for phase in range(scan.pixels.shape[3]):
            attributes = dict(shared)
            if scan.trigger_times_ms is not None:
                attributes["TriggerTime"] = scan.trigger_times_ms[phase]
            pixels = scan.pixels[:, :, index, phase]
            yield SeriesImage(pixels, scan.stack, index, start_s + index * _BREATH_HOLD_S, attributes)


def _attributes(subject: PhantomSubject, vendor: Vendor, scan: Scan) -> dict[str, Any]:
    """What all images of a scan share."""
    style = vendor.styles[scan.role]
    low, high = np.percentile(scan.pixels, _WINDOW_PERCENTILES)
    attributes = {
        "ImageType": style.image_type.split("\\"),
        "ScanningSequence": style.scanning_sequence.split("\\"),
        "SequenceVariant": style.sequence_variant.split("\\"),
        "ScanOptions": style.scan_options.split("\\") if style.scan_options else "",
        "SliceThickness": scan.thickness_mm,
        "BitsStored": 12 if scan.pixels.max() <= _LARGEST_12_BIT else 16,
        "WindowCenter": round(float(low + high) / 2),
        "WindowWidth": max(round(float(high - low)), 1),
    }
    if style.sequence_name is not None:
        attributes["SequenceName"] = style.sequence_name
    if scan.pixels.shape[2] > 1:
        normal = np.cross(scan.stack.row_cosines, scan.stack.column_cosines)
        attributes["SpacingBetweenSlices"] = abs(float(normal @ np.asarray(scan.stack.slice_step_mm)))
    if scan.role != LOCALISER:
        rr_ms = float(meta_value(subject, "rr_interval_ms"))
        attributes |= {
            "CardiacNumberOfImages": scan.pixels.shape[3],
            "NominalInterval": round(rr_ms),
            "HeartRate": round(60000.0 / rr_ms),
        }
    attributes |= _sequence_timing(subject, vendor, scan.role)
    if scan.role != T2_STIR:
        attributes["EchoTrainLength"] = vendor.gradient_echo_train
    return attributes


def _uncorrected(images: tuple[SeriesImage, ...]) -> tuple[SeriesImage, ...]:
    """The same acquisition as the coils saw it: brighter in front, where they lie nearer."""
    found = []
    for image in images:
        down = np.asarray(image.stack.column_cosines, dtype=float)[1] * np.linspace(-1.0, 1.0, image.pixels.shape[1])
        seen = np.clip(np.rint(image.pixels * (1.0 - _COIL_SHADING * down)), 0, _LARGEST_12_BIT).astype(np.uint16)
        kind = [value for value in image.attributes["ImageType"] if value not in ("NORM", "DIS2D")]
        found.append(replace(image, pixels=seen, attributes=image.attributes | {"ImageType": [*kind, "ND"]}))
    return tuple(found)


def _sequence_timing(subject: PhantomSubject, vendor: Vendor, role: str) -> dict[str, Any]:
    """TR, TE, flip angle and echo train of the protocol, in ms and degrees; the localiser is a bSSFP as the cine."""
    if role == T2_STIR:
        return {
            "RepetitionTime": float(meta_value(subject, "protocol.t2_stir.tr_ms")),
            "EchoTime": float(meta_value(subject, "protocol.t2_stir.te_ms")),
            "InversionTime": float(meta_value(subject, "protocol.t2_stir.ti_ms")),
            "EchoTrainLength": int(meta_value(subject, "protocol.t2_stir.echo_train_length")),
            "FlipAngle": vendor.refocusing_flip_deg,
        }
    is_lge = role in (LGE_PSIR, LGE_MAGNITUDE)
    sequence = "lge" if is_lge else "cine"
    tr_ms, te_ms, flip_deg = (
        float(meta_value(subject, f"protocol.{sequence}.{key}")) for key in ("tr_ms", "te_ms", "flip_deg")
    )
    if vendor.segment_repetition_time and role != LOCALISER:
        beat_ms = float(meta_value(subject, "rr_interval_ms"))
        tr_ms = beat_ms if is_lge else tr_ms * max(int(_LONGEST_SEGMENT_MS / tr_ms), 1)
    return {"RepetitionTime": tr_ms, "EchoTime": te_ms, "FlipAngle": flip_deg, "EchoTrainLength": 1}


def _one_slice(scan: Scan, index: int) -> Scan:
    """One slice of a scan that has no times per slice."""
    position = np.asarray(scan.stack.position_mm) + index * np.asarray(scan.stack.slice_step_mm)
    return replace(
        scan,
        pixels=scan.pixels[:, :, index : index + 1],
        stack=replace(scan.stack, position_mm=position),
    )
