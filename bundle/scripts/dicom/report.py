"""The numbers of a result as a DICOM structured report, TID 1500."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from highdicom import sr
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from ..conventions import BUNDLE_NAME, BUNDLE_VERSION, DISCLAIMER, LABEL_NAMES, DataError
from .segmentation import (
    ALGORITHM_FAMILY,
    MANUFACTURER,
    PRIVATE_SCHEME,
    SEGMENTS,
    UID_NAMESPACE,
    ObjectIdentity,
    coding_scheme,
    settled,
)

SERIES_DESCRIPTION = "MEASUREMENTS on virtual LGE - synthetic - research use only"
# UCUM's gram is not in pydicom's dictionary; both units are written as the result writes them.
UNITS = {
    "g": Code("g", "UCUM", "gram"),
    "ml": Code("ml", "UCUM", "milliliter"),
    "%": codes.UCUM.Percent,
}
VOLUME, MASS = codes.SCT.Volume, codes.SCT.MassQuantity


def _private(value: str, meaning: str) -> Code:
    """DICOM 2024c has no code for infarct size relative to the wall, nor for transmurality."""
    return Code(value, PRIVATE_SCHEME, meaning)


@dataclass(frozen=True)
class Quantity:
    """One number of the result: where it stands there, its code, its unit; ``optional``: the result may lack it."""

    path: tuple[str, ...]
    name: Code
    unit: str
    optional: bool = False


@dataclass(frozen=True)
class Finding:
    """One measurement group: a structure as the union of label codes, and what is measured on it."""

    title: str
    kind: Code
    site: Code
    label_names: tuple[str, ...]
    quantities: tuple[Quantity, ...]


def _size(structure: str, *names: str) -> tuple[Quantity, ...]:
    known = {"volume": (VOLUME, "ml"), "mass": (MASS, "g")}
    return tuple(Quantity(("structures", structure, name), *known[name]) for name in names)


_WALL = codes.SCT.LeftVentricleMyocardium
# The unions are those of clinical/volumes.py.
FINDINGS = (
    Finding(
        "Infarct including no-reflow",
        codes.SCT.MyocardialInfarction,
        _WALL,
        ("infarct", "no_reflow"),
        (
            *_size("infarct", "volume", "mass"),
            Quantity(("infarct_percent_lv",), _private("INFARCT_PCT_LV", "Infarct size, percent of LV mass"), "%"),
            Quantity(
                ("infarct_percent_lv_without_no_reflow",),
                _private("INFARCT_PCT_NR", "Infarct size without no-reflow, percent of LV mass"),
                "%",
                optional=True,
            ),
            Quantity(("transmurality", "mean"), _private("TRANSMUR_MEAN", "Mean transmurality"), "%", optional=True),
            Quantity(
                ("transmurality", "mean_of_infarcted_chords"),
                _private("TRANSMUR_INFARCT", "Mean transmurality of infarcted chords"),
                "%",
                optional=True,
            ),
        ),
    ),
    Finding(
        "LV myocardium including infarct",
        _WALL,
        codes.SCT.LeftVentricle,
        ("myocardium", "infarct", "no_reflow", "oedema"),
        _size("lv_myocardium", "volume", "mass"),
    ),
    Finding(
        "LV myocardium without infarct",
        _WALL,
        codes.SCT.LeftVentricle,
        ("myocardium", "oedema"),
        _size("viable_myocardium", "volume", "mass"),
    ),
    Finding(
        "LV blood pool", SEGMENTS[1].kind, SEGMENTS[1].region, ("lv_blood_pool",), _size("lv_blood_pool", "volume")
    ),
)

Measured: TypeAlias = sr.MeasurementsAndQualitativeEvaluations | sr.VolumetricROIMeasurementsAndQualitativeEvaluations
REMARKS_TITLE = "Remarks on the whole study"
TITLES = (REMARKS_TITLE, *(finding.title for finding in FINDINGS))


def measured(result: dict, quantity: Quantity) -> float | str | None:
    """The number, the reason why it cannot be measured, or None where an optional one is missing.

    Raises:
        DataError: a number without its unit, not finite, or missing.
    """
    entry: Any = result
    name = ".".join(quantity.path)
    for key in quantity.path:
        entry = entry.get(key) if isinstance(entry, dict) else None
        if isinstance(entry, dict) and entry.get("not_measurable"):
            return str(entry["not_measurable"])
    if entry is None and quantity.optional:
        return None
    value = entry.get("value") if isinstance(entry, dict) else None
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not math.isfinite(value)
        or entry.get("unit") != quantity.unit
    ):
        raise DataError(
            f"result: {name} is {entry!r}, expected a finite value in {quantity.unit}, or not_measurable with the "
            "reason. Fix: pass <subject>_result.json as this version wrote it."
        )
    return float(value)


def remarks(result: dict) -> list[str]:
    """Lines above the numbers: what they were measured on, whether a reader has to look, the quality flags."""
    answers: dict[object, str] = {True: "yes", False: "no"}
    review = answers.get(result.get("review_needed"), "not assessed")
    flags = [f"{flag['flag']}: {flag['message']}" for flag in result.get("qc") or ()]
    return [f"{DISCLAIMER} Measured on a virtual LGE.", f"Review needed before use: {review}.", *flags]


def texts(result: dict) -> list[str]:
    """Remarks and reasons, the free texts that come from the result."""
    found = [(quantity, measured(result, quantity)) for finding in FINDINGS for quantity in finding.quantities]
    return [*remarks(result), *(_note(quantity, reason) for quantity, reason in found if isinstance(reason, str))]


def measurement_report(
    result: dict,
    segmentation: Dataset,
    numbers: dict[int, int],
    images: tuple[Sequence[Dataset], Sequence[Dataset]],
    identity: ObjectIdentity,
) -> Dataset:
    """Enhanced SR of TID 1500 with one measurement group per structure.

    What is not measurable becomes (concept) = (114006, DCM, "Measurement failure") and a comment with the reason, never
    a number.

    Args:
        result: as in <subject>_result.json.
        segmentation: the SEG that the groups refer to; ``numbers``: label code -> its segment number.
        images: virtual LGE and headers of the source cine.
    Raises:
        DataError: a number is missing, has another unit or is not finite.
    """
    virtual_lge, sources = images
    groups: list[Measured] = [_remarks_group(result, virtual_lge, identity)]
    groups += [_group(finding, result, segmentation, numbers, (sources, identity)) for finding in FINDINGS]
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=_observer()),
        procedure_reported=codes.cid100.MRIUnspecifiedBodyRegion,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    report = sr.EnhancedSR(
        evidence=[*virtual_lge, segmentation, *sources],
        content=content[0],
        series_description=SERIES_DESCRIPTION,
        **identity.options(),
        is_complete=True,
        content_date=identity.content_at.date(),
        content_time=identity.content_at.time(),
        coding_schemes=[coding_scheme()],
    )
    return settled(report, identity, sources[0])


def _observer() -> sr.ObserverContext:
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=f"2.25.{UID_NAMESPACE.int}",
        name=MANUFACTURER,
        manufacturer_name=MANUFACTURER,
        model_name=BUNDLE_NAME,
        serial_number=BUNDLE_VERSION,
    )
    return sr.ObserverContext(codes.DCM.Device, device)


def _tracking(title: str, identity: ObjectIdentity) -> sr.TrackingIdentifier:
    return sr.TrackingIdentifier(uid=identity.uid("group", title), identifier=title)


def _remarks_group(
    result: dict, images: Sequence[Dataset], identity: ObjectIdentity
) -> sr.MeasurementsAndQualitativeEvaluations:
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(REMARKS_TITLE, identity),
        source_images=[sr.SourceImageForMeasurementGroup.from_source_image(image) for image in images],
    )
    group[0].ContentSequence.extend(_comment(text) for text in remarks(result))
    return group


def _group(
    finding: Finding,
    result: dict,
    segmentation: Dataset,
    numbers: dict[int, int],
    origin: tuple[Sequence[Dataset], ObjectIdentity],
) -> Measured:
    """TID 1411 on a structure that is one segment; TID 1501, which may name several, on a union of them."""
    sources, identity = origin
    found = {quantity: measured(result, quantity) for quantity in finding.quantities}
    failed = {quantity: reason for quantity, reason in found.items() if isinstance(reason, str)}
    shared: dict[str, Any] = {
        "tracking_identifier": _tracking(finding.title, identity),
        "finding_type": finding.kind,
        "finding_sites": [sr.FindingSite(finding.site)],
        "algorithm_id": sr.AlgorithmIdentification(BUNDLE_NAME, BUNDLE_VERSION, family=ALGORITHM_FAMILY),
        "measurements": [
            sr.Measurement(quantity.name, value, UNITS[quantity.unit])
            for quantity, value in found.items()
            if isinstance(value, float)
        ],
        "qualitative_evaluations": [
            sr.QualitativeEvaluation(quantity.name, codes.DCM.MeasurementFailure) for quantity in failed
        ],
    }
    segments = [numbers[code] for code in map(LABEL_NAMES.index, finding.label_names) if code in numbers]
    seg_class, seg_uid = segmentation.SOPClassUID, segmentation.SOPInstanceUID
    group: Measured
    if len(segments) == 1:
        images = [sr.SourceImageForSegmentation.from_source_image(source) for source in sources]
        segment = sr.ReferencedSegment(seg_class, seg_uid, segments[0], source_images=images)
        group = sr.VolumetricROIMeasurementsAndQualitativeEvaluations(referenced_segment=segment, **shared)
    else:
        union = sr.SourceImageForMeasurementGroup(seg_class, seg_uid)
        union.ReferencedSOPSequence[0].ReferencedSegmentNumber = segments
        group = sr.MeasurementsAndQualitativeEvaluations(source_images=[union], **shared)
    group[0].ContentSequence.extend(_comment(_note(quantity, reason)) for quantity, reason in failed.items())
    return group


def _note(quantity: Quantity, reason: str) -> str:
    return f"{' '.join(quantity.path)}: not measurable: {reason}"


def _comment(text: str) -> sr.TextContentItem:
    return sr.TextContentItem(codes.DCM.Comment, text, sr.RelationshipTypeValues.CONTAINS)
