"""De-identification of exported DICOM objects: what is copied from the source, pseudonyms (PS3.15 annex E)."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import uuid
from collections.abc import Collection, Sequence
from copy import deepcopy
from dataclasses import dataclass

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from ..conventions import DataError
from .segmentation import UID_NAMESPACE

_logger = logging.getLogger(__name__)

# Copied on purpose, with type 2 attributes empty where the source has none: PS3.3 C.7.1.1, C.7.2.1, C.7.2.2, and what
# an already de-identified or phantom source says of itself.
TYPE_2 = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "ReferringPhysicianName"),
    *("StudyID", "AccessionNumber", "PatientPosition"),
)
COPIED = (
    *("IssuerOfPatientID", "StudyDescription", "PatientAge", "PatientSize", "PatientWeight"),
    *("PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence"),
    *("LongitudinalTemporalInformationModified", "QualityControlImage"),
    *("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
)
REQUIRED = (
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns"),
)

MINIMUM_KEY_BYTES = 16
METHOD = "DICOM PS3.15 Basic Profile, keyed pseudonyms (HMAC-SHA256)"
# PS3.16 CID 7050. Descriptors and report texts of our own are kept (clean options), nothing of the site's is.
METHOD_CODES = tuple(
    getattr(codes.cid7050, name)
    for name in ("BasicApplicationConfidentialityProfile", "CleanDescriptorsOption", "CleanStructuredContentOption")
)
# Values for attributes the object must hold (PS3.15 table E.1-1, actions Z and D).
EMPTIED = {
    *("PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate", "StudyTime"),
    *("ReferringPhysicianName", "PositionReferenceIndicator", "ContentCreatorName"),
}
REPLACED = {"ContentDate": "19000101", "ContentTime": "000000", "DeviceSerialNumber": "REMOVED"}
DICOM_UID_ROOT = "1.2.840.10008."
# Patient, procedure, visit and step: whole groups of attributes that say nothing about pixels.
PERSONAL_GROUPS = {0x0010, 0x0012, 0x0032, 0x0038}
TEXT_VRS = {"AE", "AS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
DATE_VRS = {"DA", "DT", "TM"}
BYTE_VRS = {"OB", "OD", "OF", "OL", "OV", "OW", "UN"}
# Written by this software or a code of a public dictionary; SpecificCharacterSet is CS.
KEPT_TEXTS = {
    *("Manufacturer", "SoftwareVersions", "RescaleType"),
    *("CodeValue", "LongCodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning"),
    *("CodingSchemeName", "CodingSchemeResponsibleOrganization", "DimensionDescriptionLabel"),
    *("AlgorithmName", "AlgorithmVersion", "AlgorithmSource", "SegmentAlgorithmName"),
}
# Free text: stays only where it equals one of the texts the caller declares as its own.
DECLARED_TEXTS = {
    *("SeriesDescription", "ImageComments", "DerivationDescription", "ContributionDescription"),
    *("ManufacturerModelName", "ContentDescription", "SegmentLabel", "SegmentDescription", "TrackingID", "TextValue"),
}
KEPT_SEQUENCES = {
    *("SourceImageSequence", "PurposeOfReferenceCodeSequence", "ContributingEquipmentSequence"),
    *("CodingSchemeIdentificationSequence", "ReferencedSeriesSequence", "ReferencedInstanceSequence"),
    *("ReferencedSOPSequence", "StudiesContainingOtherReferencedInstancesSequence", "DerivationImageSequence"),
    *("DerivationCodeSequence", "SegmentSequence", "SegmentedPropertyCategoryCodeSequence"),
    *("SegmentedPropertyTypeCodeSequence", "AnatomicRegionSequence", "SegmentationAlgorithmIdentificationSequence"),
    *("AlgorithmFamilyCodeSequence", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("PixelMeasuresSequence", "PlaneOrientationSequence", "PlanePositionSequence", "FrameContentSequence"),
    *("SegmentIdentificationSequence", "DimensionOrganizationSequence", "DimensionIndexSequence"),
    *("ContentSequence", "ConceptNameCodeSequence", "ConceptCodeSequence", "ContentTemplateSequence"),
    *("MeasuredValueSequence", "MeasurementUnitsCodeSequence", "NumericValueQualifierCodeSequence"),
    *("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence"),
    *("PerformedProcedureCodeSequence", "ReferencedPerformedProcedureStepSequence"),
}
REMOVED_TEXT = "removed"
_FORMATS = {
    "DA": r"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])",
    "TM": r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?",
    "AS": r"\d{3}[DWMY]",
}


def inherited_headers(sources: Sequence[Dataset]) -> list[Dataset]:
    """The attributes an export takes from the cine headers, complete for type 2; the sources stay as they are.

    Raises:
        DataError: no single-frame images with a place in space, or not of one examination.
    """
    for number, source in enumerate(sources, start=1):
        missing = [keyword for keyword in REQUIRED if not source.get(keyword)]
        if missing:
            raise DataError(
                f"source of slice {number}: {', '.join(missing)} missing, expected a single-frame MR image. "
                "Fix: export the cine again as classic MR images."
            )
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID"):
        found = {str(source.get(keyword) or "") for source in sources}
        if len(found) > 1:
            raise DataError(
                f"sources: found {len(found)} values of {keyword}, expected one. Fix: pass slices of one examination."
            )
    headers = [_header(source) for source in sources]
    if "FrameOfReferenceUID" not in headers[0]:
        # Where a series has none, its series UID is what says that slices share a frame.
        frame = f"2.25.{uuid.uuid5(UID_NAMESPACE, f'frame of reference {headers[0].SeriesInstanceUID}').int}"
        _logger.warning(
            "sources: FrameOfReferenceUID missing, one derived from the series is used: no viewer will link it"
        )
        for header in headers:
            header.FrameOfReferenceUID = frame
    return headers


def _header(source: Dataset) -> Dataset:
    header = Dataset()
    keywords = [*REQUIRED, "FrameOfReferenceUID", *TYPE_2, *COPIED, "SeriesNumber", "ContentDate", "ContentTime"]
    keywords += ["SliceThickness", "Manufacturer", "ManufacturerModelName"]
    if source.get("SpecificCharacterSet"):
        header.SpecificCharacterSet = source.SpecificCharacterSet
    for keyword in keywords:
        if source.get(keyword) not in (None, "") and _is_valid(source[keyword]):
            header[keyword] = deepcopy(source[keyword])
        elif keyword in TYPE_2:
            setattr(header, keyword, "")
    header.Modality = "MR"
    if header.PatientSex not in ("M", "F", "O", ""):
        _logger.warning("sources: PatientSex is none of M, F, O and is left empty")
        header.PatientSex = ""
    if "SpecificCharacterSet" not in header and not str(header).isascii():
        _logger.warning("sources: SpecificCharacterSet missing, texts are written as UTF-8 as they were read")
        header.SpecificCharacterSet = "ISO_IR 192"
    return header


def _is_valid(element: DataElement) -> bool:
    """Whether a date, time or age is one; a damaged one stays out, with its name but not its value in the log."""
    pattern = _FORMATS.get(element.VR)
    valid = pattern is None or bool(re.fullmatch(pattern, str(element.value).strip()))
    if not valid:
        _logger.warning("sources: %s is no valid %s and is left out", element.keyword, element.VR)
    return valid


@dataclass(frozen=True)
class Pseudonyms:
    """Keyed one-way names: the same value under the same key gives the same name in every object."""

    key: bytes
    own_texts: frozenset[str]
    result_texts: frozenset[str]
    identifying: tuple[str, ...]

    def digest(self, purpose: str, value: str) -> bytes:
        return hmac.new(self.key, f"{purpose}\0{value}".encode(), hashlib.sha256).digest()

    def uid(self, uid: str) -> str:
        """2.25.<128 bits of the keyed hash>; UIDs of the DICOM standard itself stay."""
        if not uid or uid.startswith(DICOM_UID_ROOT):
            return uid
        return f"2.25.{int.from_bytes(self.digest('uid', uid)[:16], 'big')}"

    def allows(self, text: str) -> bool:
        """Whether a declared text may stay: a constant of ours, or a result's without this patient's name or number."""
        return text in self.own_texts or (text in self.result_texts and not self._names_patient(text.casefold()))

    def _names_patient(self, text: str) -> bool:
        words = set(re.findall(r"\w+", text))
        # Short names only as whole words: "Lee" is in "sleep".
        return any(
            word in words or (word in text and (len(word) > 4 or not word.isascii())) for word in self.identifying
        )


def basic_profile(
    dataset: Dataset, key: bytes | None, own_texts: Collection[str] = (), result_texts: Collection[str] = ()
) -> Dataset:
    """A copy, without file meta, of all but what identifies patient, staff, site, device or time.

    Names and IDs become pseudonyms, UIDs are remapped with HMAC-SHA256 of ``key``, dates are removed or 1900-01-01;
    private attributes, and every text, sequence or byte attribute that is not on the allow lists above, are removed.
    Pixels are not looked at: they must hold no burned-in text.

    Args:
        dataset: an object of this folder; it stays as it is.
        key: secret of the site, at least 16 bytes; the same key maps the same patient to the same pseudonym.
        own_texts: descriptions and comments that are constants of the caller and may stay.
        result_texts: texts the caller made from a result; they stay unless they hold a name or number of the patient.
    Raises:
        DataError: there is no key, or it is too short.
    Source: PS3.15 2024c table E.1-1; Clean Descriptors and Clean Structured Content options for the kept texts.
    """
    if not isinstance(key, bytes) or len(key) < MINIMUM_KEY_BYTES:
        found = f"{len(key)} bytes" if isinstance(key, bytes) else type(key).__name__
        raise DataError(
            f"key: found {found}, expected at least {MINIMUM_KEY_BYTES} bytes. Fix: make one with "
            "`secrets.token_bytes(32)`, keep it secret and use the same one for the whole project."
        )
    own, made = frozenset(own_texts), frozenset(result_texts)
    names = Pseudonyms(key, own, made, _identifying(dataset, own))
    patient = "\0".join(str(dataset.get(keyword, "")) for keyword in ("IssuerOfPatientID", "PatientID")).strip("\0")
    # Without an ID the name; without either, patients must not become one: the study.
    person = patient or str(dataset.get("PatientName", "")) or str(dataset.get("StudyInstanceUID", ""))
    pseudonym = f"P{names.digest('patient', person).hex()[:16]}"
    result = _cleaned(dataset, names)
    result.PatientID, result.PatientName = pseudonym, f"{pseudonym}^PSEUDONYM"
    result.PatientIdentityRemoved = "YES"
    result.DeidentificationMethod = METHOD
    result.DeidentificationMethodCodeSequence = [_code_item(code) for code in METHOD_CODES]
    result.LongitudinalTemporalInformationModified = "REMOVED"
    return result


def _cleaned(dataset: Dataset, names: Pseudonyms) -> Dataset:
    """Built anew: highdicom shares items between sequences; changed in place, their UIDs would be remapped twice."""
    result = Dataset()
    value: object
    for element in dataset:
        if element.keyword in EMPTIED:
            value = ""
        elif element.keyword in REPLACED:
            value = REPLACED[element.keyword]
        elif element.tag.is_private:
            continue
        elif element.VR == "UI":
            value = _remapped(element, names)
        elif _stays(element, names):
            value = [_cleaned(item, names) for item in element.value] if element.VR == "SQ" else deepcopy(element.value)
        elif element.keyword == "TextValue":  # type 1 in its content item
            value = REMOVED_TEXT
        else:
            continue
        result.add_new(element.tag, element.VR, value)
    return result


def _stays(element: DataElement, names: Pseudonyms) -> bool:
    if element.tag.group in PERSONAL_GROUPS or element.VR in DATE_VRS:
        return False
    if element.VR == "SQ":
        return element.keyword in KEPT_SEQUENCES
    if element.VR in BYTE_VRS:
        return element.keyword == "PixelData"
    if element.VR in TEXT_VRS:
        return element.keyword in KEPT_TEXTS or (element.keyword in DECLARED_TEXTS and names.allows(str(element.value)))
    # Coded strings and numbers: type of scan, geometry, pixels, measured values.
    return True


def _remapped(element: DataElement, names: Pseudonyms) -> str | list[str]:
    if element.VM > 1:
        return [names.uid(str(uid)) for uid in element.value]
    return names.uid(str(element.value or ""))


def _identifying(dataset: Dataset, own_texts: Collection[str]) -> tuple[str, ...]:
    """Parts of names and numbers of this patient, case folded; without initials and words that our own texts use."""
    keywords = ("PatientName", "PatientID", "AccessionNumber", "StudyID", "ReferringPhysicianName")
    words = [word for name in keywords for word in re.split(r"[\^=\s]+", str(dataset.get(name, "") or "").casefold())]
    ours = {word for text in own_texts for word in re.findall(r"\w+", text.casefold())}
    return tuple(sorted({word for word in words if len(word) > 2 or (word and not word.isascii())} - ours))


def _code_item(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item
