"""The label map as DICOM SEG, and how every exported object names this software."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import highdicom
import numpy as np
from highdicom.color import CIELabColor
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from ..conventions import BUNDLE_NAME, BUNDLE_VERSION, DISCLAIMER, LABEL_NAMES, DataError

_logger = logging.getLogger(__name__)

MANUFACTURER = "SSDiff-MONAI"
SOFTWARE = f"{BUNDLE_NAME} {BUNDLE_VERSION}"
SERIES_DESCRIPTION = "LABEL MAP of virtual LGE - synthetic - research use only"
ACQUIRED_BY = "Equipment of the source images"
MADE_BY = f"Virtual LGE, label map and measurements by a network. {DISCLAIMER}"
ALGORITHM_FAMILY = codes.DCM.ArtificialIntelligence
# Only what no public scheme in pydicom's dictionaries has a code for.
PRIVATE_SCHEME = "99SSDIFF"
SERIES_OFFSET = 1000
UID_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, f"https://{BUNDLE_NAME}.invalid/dicom_export")


@dataclass(frozen=True)
class ObjectIdentity:
    """What one exported series is called. ``name_uid``: root of further UIDs; ``content_at``: date of its content."""

    series_uid: str
    series_number: int
    name_uid: uuid.UUID
    content_at: datetime

    def uid(self, *parts: object) -> str:
        """Name-based UUID below 2.25 (PS3.5 annex B.2): the same export always gets the same ones."""
        return f"2.25.{uuid.uuid5(self.name_uid, ' '.join(map(str, (self.series_uid, *parts)))).int}"

    def options(self) -> dict[str, Any]:
        """What highdicom is told of a series and its maker, whatever the object."""
        return {
            "series_instance_uid": self.series_uid,
            "series_number": self.series_number,
            "sop_instance_uid": self.uid("instance"),
            "instance_number": 1,
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": BUNDLE_NAME,
            "software_versions": SOFTWARE,
            "device_serial_number": BUNDLE_VERSION,
            "specific_character_set": None,  # settled(): highdicom refuses the empty first value of Japanese names
        }


def identities(headers: Sequence[Dataset], content: str, kinds: Sequence[str]) -> list[ObjectIdentity]:
    """One per kind of object, named after the sources and a digest of the content, numbered after the source series."""
    sources = " ".join(str(header.SOPInstanceUID) for header in headers)
    name = uuid.uuid5(UID_NAMESPACE, f"{sources} {content} {BUNDLE_VERSION}")
    first = int(headers[0].get("SeriesNumber") or 0) + SERIES_OFFSET
    moment = _content_at(headers[0])
    return [
        ObjectIdentity(f"2.25.{uuid.uuid5(name, kind).int}", first + number, name, moment)
        for number, kind in enumerate(kinds)
    ]


def _content_at(header: Dataset) -> datetime:
    """Date and time of the source, since a clock would make every export differ; 1900 where they have been removed."""
    for event in ("Content", "Study"):
        time = str(header.get(f"{event}Time", "")).split(".")[0]
        try:
            return datetime.strptime(f"{header.get(f'{event}Date', '')} {time:0<6}", "%Y%m%d %H%M%S")
        except ValueError:
            continue
    _logger.warning("sources: no date, the content date of the export is 1900-01-01")
    return datetime(1900, 1, 1)


@dataclass(frozen=True)
class SegmentKind:
    """One label code as DICOM describes it; the codes are those of pydicom.sr.codedict (DICOM 2024c) unless private."""

    title: str
    category: Code
    kind: Code
    region: Code
    rgb: tuple[int, int, int]


# SCT 49848007 is CID 12305, the others CID 7150 (categories) and CID 7151 or 3121 (types). The pools are blood inside a
# ventricle, since "left ventricle" would be cavity and wall. Microvascular obstruction has no code there.
_WALL = codes.SCT.LeftVentricleMyocardium
_LESION = codes.SCT.MorphologicallyAbnormalStructure
NO_REFLOW = Code("NO_REFLOW", PRIVATE_SCHEME, "No-reflow (microvascular obstruction)")
SEGMENTS = {
    1: SegmentKind("LV blood pool", codes.SCT.BodySubstance, codes.SCT.Blood, codes.SCT.LeftVentricle, (220, 50, 47)),
    2: SegmentKind(
        "LV myocardium outside lesions", codes.SCT.AnatomicalStructure, _WALL, codes.SCT.LeftVentricle, (38, 139, 210)
    ),
    3: SegmentKind("Myocardial infarct", _LESION, codes.SCT.MyocardialInfarction, _WALL, (255, 215, 0)),
    4: SegmentKind("No-reflow", _LESION, NO_REFLOW, _WALL, (120, 60, 0)),
    5: SegmentKind("Myocardial oedema", _LESION, codes.SCT.Edema, _WALL, (42, 161, 152)),
    6: SegmentKind(
        "RV blood pool", codes.SCT.BodySubstance, codes.SCT.Blood, codes.SCT.RightVentricle, (108, 113, 196)
    ),
}
ALWAYS_DESCRIBED = (1, 2, 3)


def segment_numbers(label: np.ndarray) -> dict[int, int]:
    """Label code -> segment number from 1 (PS3.3 C.8.20.4: no gaps): the network's classes, then what else is there.

    Raises:
        DataError: a code that conventions.LABEL_NAMES does not have.
    """
    present = [int(code) for code in np.unique(label)]
    unknown = [code for code in present if not 0 <= code < len(LABEL_NAMES)]
    if unknown:
        raise DataError(
            f"label: found codes {unknown}, expected 0..{len(LABEL_NAMES) - 1} ({', '.join(LABEL_NAMES)}). "
            "Fix: pass the label map of the result, in disk codes."
        )
    described = [code for code in SEGMENTS if code in ALWAYS_DESCRIBED or code in present]
    return {code: number for number, code in enumerate(described, start=1)}


def label_segmentation(
    label: np.ndarray, images: Sequence[Dataset], sources: Sequence[Dataset], identity: ObjectIdentity
) -> Dataset:
    """Binary SEG on the grid of ``images``: one segment per class, described even where no pixel has it.

    Args:
        label: (x, y, slice), uint8, disk codes.
        images: the virtual LGE, one per slice, from which position, orientation and spacing come.
        sources: headers of the cine, named as further sources.
    Returns:
        A dataset with file meta; frames without a pixel are left out.
    Raises:
        DataError: an unknown code.
    """
    numbers = segment_numbers(label)
    frames = np.zeros(label.shape[::-1], dtype=np.uint8)  # (slice, row, column): DICOM rows are the array's y
    for code, number in numbers.items():
        frames[np.isin(label.T, code)] = number
    algorithm = highdicom.AlgorithmIdentificationSequence(
        BUNDLE_NAME, ALGORITHM_FAMILY, BUNDLE_VERSION, source=MANUFACTURER
    )
    segmentation = Segmentation(
        source_images=list(images),
        pixel_array=frames,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[
            _description(SEGMENTS[code], number, algorithm, identity) for code, number in numbers.items()
        ],
        content_label="VIRTUAL_LGE_SEG",
        content_description=SERIES_DESCRIPTION,
        series_description=SERIES_DESCRIPTION,
        **identity.options(),
        further_source_images=list(sources),
        content_date=identity.content_at.date(),
        content_time=identity.content_at.time(),
        # Always: dciodvfy and readers of old exports find the private code explained whether or not it is used.
        coding_schemes=[coding_scheme()],
    )
    return settled(segmentation, identity, sources[0])


def _description(
    segment: SegmentKind,
    number: int,
    algorithm: highdicom.AlgorithmIdentificationSequence,
    identity: ObjectIdentity,
) -> SegmentDescription:
    return SegmentDescription(
        segment_number=number,
        segment_label=segment.title,
        segmented_property_category=segment.category,
        segmented_property_type=segment.kind,
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        tracking_uid=identity.uid("segment", segment.title),
        tracking_id=segment.title,
        anatomic_regions=[segment.region],
        display_color=CIELabColor.from_rgb(*segment.rgb),
    )


def coding_scheme() -> highdicom.coding_schemes.CodingSchemeIdentificationItem:
    """What the private scheme is, for a reader who meets one of its codes."""
    return highdicom.coding_schemes.CodingSchemeIdentificationItem(
        PRIVATE_SCHEME, name=f"{MANUFACTURER} codes", responsible_organization=MANUFACTURER
    )


def equipment(source: Dataset) -> list[Dataset]:
    """ContributingEquipmentSequence: the scanner of the source (no serial number, no place), then this software.

    Purposes of reference from CID 7005: (109101, DCM, "Acquisition Equipment") and, for what makes images that were
    never acquired, (109100, DCM, "Synthesizing Equipment").
    """
    ours = highdicom.ContributingEquipment(
        MANUFACTURER,
        codes.DCM.SynthesizingEquipment,
        manufacturer_model_name=BUNDLE_NAME,
        software_versions=SOFTWARE,
        contribution_description=MADE_BY,
    )
    if not source.get("Manufacturer"):
        return [ours]
    scanner = highdicom.ContributingEquipment(
        source.Manufacturer,
        codes.DCM.AcquisitionEquipment,
        manufacturer_model_name=source.get("ManufacturerModelName") or None,
        contribution_description=ACQUIRED_BY,
    )
    return [scanner, ours]


def settled(dataset: Dataset, identity: ObjectIdentity, source: Dataset) -> Dataset:
    """Marks the object as synthetic and replaces what highdicom draws from the clock or at random; in place."""
    dataset.SyntheticData = "YES"
    if "SpecificCharacterSet" in source:
        dataset.SpecificCharacterSet = source.SpecificCharacterSet
    dataset.ContributingEquipmentSequence = equipment(source)
    for keyword in ("InstanceCreationDate", "InstanceCreationTime"):
        if keyword in dataset:
            delattr(dataset, keyword)
    organization = identity.uid("dimension organization")
    for item in (*dataset.get("DimensionOrganizationSequence", ()), *dataset.get("DimensionIndexSequence", ())):
        item.DimensionOrganizationUID = organization
    return dataset
