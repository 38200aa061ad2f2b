"""Header values that the import needs: one Frame per image, classic or enhanced."""

from __future__ import annotations

import re
import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage, MRImageStorage

from ..volumes.volume import PIXEL_MM
from .files import read_file

CLASSIC, ENHANCED = (MRImageStorage,), (EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage)
# What reading a damaged header raises: pydicom parses values when they are asked for.
DAMAGED = (
    InvalidDicomError, BytesLengthException, struct.error, ValueError, TypeError, KeyError, IndexError, AttributeError,
    NotImplementedError, OverflowError, EOFError, LookupError, RecursionError, MemoryError, OSError, RuntimeError,
    zlib.error,
)  # fmt: skip
_LARGEST_SIDE = 4096
_FARTHEST_MM = 5000.0
_THICKEST_MM = 100.0
# GE's component of an image: GEMS_PARM_01 (0043,xx2F), as its conformance statements give it; ImageType says OTHER.
_GE_GROUP, _GE_CREATOR, _GE_COMPONENT = 0x0043, "GEMS_PARM_01", 0x2F
_GE_COMPONENTS = {0: "M", 1: "P", 2: "R", 3: "I"}
_DRAWN = re.compile(r"contour|overlay|screen.?(?:save|shot|cap)|argus")


@dataclass(frozen=True)
class Frame:
    """One image of a series. Times in ms, lengths in mm; None where the header says nothing.

    ``path``, ``index``: its file and place in it. ``description``, ``protocol`` and ``sequence``: names that people or
    vendors chose: may hold PHI, never written; nor is ``patient``: PatientID, and PatientName with the birth date.
    ``flavours``: contrasts and techniques of an enhanced image. ``trigger_ms``: after the R wave. ``temporal``: place
    in time, as TemporalPositionIndex counts. ``drawn``: named as an image with contours or other lines in it.
    """

    path: Path
    index: int
    patient: tuple[str, str]
    study: str
    series: str
    instance: str
    frame_of_reference: str
    series_number: int | None
    instance_number: int | None
    description: str
    protocol: str
    sequence: str
    image_type: tuple[str, ...]
    scanning: tuple[str, ...]
    manufacturer: str
    field_strength_t: float | None
    shape: tuple[int, int]
    orientation: np.ndarray | None
    position_mm: np.ndarray | None
    spacing_mm: tuple[float, float] | None
    thickness_mm: float | None
    echo_ms: float | None
    inversion_ms: float | None
    trigger_ms: float | None
    temporal: float | None
    drawn: bool
    echo_train: int | None
    rr_ms: float | None
    cardiac_images: int | None
    acquired_s: float | None
    diffusion: bool
    synthetic: bool
    flavours: tuple[str, ...] = ()

    @property
    def derived(self) -> bool:
        """Computed from other images, by value 1 of ImageType or FrameType."""
        return self.image_type[:1] == ("DERIVED",)


@dataclass(frozen=True)
class NoImage:
    """A DICOM file that is no MR image, or whose header cannot be read. ``reason`` holds no text of the file."""

    reason: str


def read_frames(path: Path) -> list[Frame] | NoImage:
    """The frames of a file, without their pixels."""
    try:
        with disable_value_validation(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's quote values, which may be PHI
            return _read(path)
    except DAMAGED:
        return NoImage("DICOM with a damaged header")


def _read(path: Path) -> list[Frame] | NoImage:
    dataset = read_file(path, stop_before_pixels=True)
    sop_class = str(dataset.get("SOPClassUID", ""))
    if sop_class not in CLASSIC + ENHANCED:
        return NoImage("not DICOM" if not sop_class and "Modality" not in dataset else "DICOM, but no MR image")
    if sop_class in CLASSIC and int(dataset.get("NumberOfFrames") or 1) > 1:
        return NoImage("classic MR image with several frames")
    groups = _frame_groups(dataset) if sop_class in ENHANCED else [None]
    return [_frame(path, index, dataset, group) for index, group in enumerate(groups)]


def _frame_groups(dataset: Dataset) -> list[tuple[Dataset, Dataset]]:
    """(per-frame, shared) functional groups of each frame."""
    shared = dataset.SharedFunctionalGroupsSequence[0] if dataset.get("SharedFunctionalGroupsSequence") else Dataset()
    frames = list(dataset.PerFrameFunctionalGroupsSequence)
    if len(frames) != int(dataset.NumberOfFrames):
        raise ValueError("number of frames")
    return [(frame, shared) for frame in frames]


class _Values:
    """Looks a keyword up in the dataset, or in the functional groups of one frame of an enhanced image."""

    def __init__(self, dataset: Dataset, groups: tuple[Dataset, Dataset] | None) -> None:
        self.dataset, self.groups = dataset, groups

    def get(self, keyword: str, sequence: str | None = None) -> Any:
        """``sequence``: functional group that holds the keyword in an enhanced image; the top level comes second."""
        if self.groups and sequence:
            for group in self.groups:
                items = group.get(sequence)
                if items and items[0].get(keyword) not in (None, ""):
                    return items[0].get(keyword)
        return self.dataset.get(keyword)

    def number(self, keyword: str, sequence: str | None = None) -> float | None:
        value = self.get(keyword, sequence)
        value = value[0] if isinstance(value, Sequence) and not isinstance(value, str) and len(value) else value
        try:
            number = float(value)
        except (TypeError, ValueError):
            return None
        return number if np.isfinite(number) else None

    def whole(self, keyword: str, sequence: str | None = None) -> int | None:
        number = self.number(keyword, sequence)
        return None if number is None or abs(number) > 2**31 else round(number)

    def vector(self, keyword: str, size: int, sequence: str | None = None) -> np.ndarray | None:
        value = self.get(keyword, sequence)
        if value is None or isinstance(value, str) or np.size(value) != size:
            return None
        numbers = np.asarray([float(one) for one in value], dtype=np.float64)
        return numbers if np.isfinite(numbers).all() else None

    def text(self, keyword: str, sequence: str | None = None) -> str:
        return str(self.get(keyword, sequence) or "").strip()

    def codes(self, keyword: str, sequence: str | None = None) -> tuple[str, ...]:
        value = self.get(keyword, sequence)
        values = [value] if isinstance(value, str) else value or []
        return tuple(str(one).strip().upper() for one in values if str(one).strip())


def _frame(path: Path, index: int, dataset: Dataset, groups: tuple[Dataset, Dataset] | None) -> Frame:
    values = _Values(dataset, groups)
    shape = (int(dataset.Columns), int(dataset.Rows))
    if not 1 <= min(shape) <= max(shape) <= _LARGEST_SIDE:
        raise ValueError("image size")
    return Frame(
        path=path,
        index=index,
        patient=_patient(values),
        study=values.text("StudyInstanceUID"),
        series=values.text("SeriesInstanceUID"),
        instance=values.text("SOPInstanceUID"),
        frame_of_reference=values.text("FrameOfReferenceUID"),
        series_number=values.whole("SeriesNumber"),
        instance_number=values.whole("InstanceNumber"),
        description=values.text("SeriesDescription"),
        protocol=values.text("ProtocolName"),
        sequence=f"{values.text('SequenceName')} {values.text('PulseSequenceName')}".strip(),
        image_type=_image_type(values),
        scanning=_scanning(values),
        manufacturer=values.text("Manufacturer").lower(),
        field_strength_t=_tesla(values.number("MagneticFieldStrength")),
        shape=shape,
        orientation=values.vector("ImageOrientationPatient", 6, "PlaneOrientationSequence"),
        position_mm=_position(values),
        spacing_mm=_spacing(values),
        thickness_mm=_thickness(values),
        echo_ms=_first(values.number("EffectiveEchoTime", "MREchoSequence"), values.number("EchoTime")),
        inversion_ms=_first(values.number("InversionTimes", "MRModifierSequence"), values.number("InversionTime")),
        trigger_ms=_first(
            values.number("NominalCardiacTriggerDelayTime", "CardiacSynchronizationSequence"),
            values.number("TriggerTime"),
        ),
        temporal=_first(
            values.number("TemporalPositionIndex", "FrameContentSequence"), values.number("TemporalPositionIdentifier")
        ),
        drawn=bool(_DRAWN.search(values.text("SeriesDescription").lower())),
        echo_train=_echo_train(values),
        rr_ms=_first(
            values.number("RRIntervalTimeNominal", "CardiacSynchronizationSequence"), values.number("NominalInterval")
        ),
        cardiac_images=values.whole("CardiacNumberOfImages"),
        acquired_s=_seconds(values),
        diffusion=bool(values.number("DiffusionBValue", "MRDiffusionSequence")),
        synthetic=values.text("SyntheticData").upper() == "YES"
        or "virtual lge" in values.text("SeriesDescription").lower(),
        flavours=_flavours(values),
    )


def _patient(values: _Values) -> tuple[str, str]:
    """Trailing separators of a name differ between senders."""
    name = values.text("PatientName").upper().rstrip("^= ")
    return values.text("PatientID"), f"{name} {values.text('PatientBirthDate')}".strip() if name else ""


def _first(*numbers: float | None) -> float | None:
    return next((number for number in numbers if number is not None), None)


def _position(values: _Values) -> np.ndarray | None:
    """None where it cannot be in a scanner: damaged."""
    found = values.vector("ImagePositionPatient", 3, "PlanePositionSequence")
    return None if found is None or np.abs(found).max() > _FARTHEST_MM else found


def _spacing(values: _Values) -> tuple[float, float] | None:
    """By array axis (x, y), where PixelSpacing is (between rows, between columns); None where no scanner has it."""
    found = values.vector("PixelSpacing", 2, "PixelMeasuresSequence")
    if found is None or not PIXEL_MM[0] <= found.min() <= found.max() <= PIXEL_MM[1]:
        return None
    return float(found[1]), float(found[0])


def _thickness(values: _Values) -> float | None:
    """None where no slice has it: damaged."""
    found = values.number("SliceThickness", "PixelMeasuresSequence")
    return found if found is not None and 0 < found <= _THICKEST_MM else None


def _tesla(value: float | None) -> float | None:
    """Some scanners give the field in gauss."""
    return value / 1e4 if value is not None and value > 100 else value


def _echo_train(values: _Values) -> int | None:
    found = values.whole("EchoTrainLength", "MRTimingAndRelatedParametersSequence")
    enhanced = values.whole("RFEchoTrainLength", "MRTimingAndRelatedParametersSequence")
    return enhanced if enhanced is not None else found


def _image_type(values: _Values) -> tuple[str, ...]:
    """ImageType, or FrameType with the complex component of an enhanced frame."""
    frame_type = values.codes("FrameType", "MRImageFrameTypeSequence")
    component = values.codes("ComplexImageComponent", "MRImageFrameTypeSequence")
    found = (frame_type or values.codes("ImageType")) + component
    try:
        code = int(values.dataset.private_block(_GE_GROUP, _GE_CREATOR)[_GE_COMPONENT].value)
    except (KeyError, TypeError, ValueError):
        return found
    return (*found, _GE_COMPONENTS[code]) if code in _GE_COMPONENTS and len(found) >= 2 else found


def _flavours(values: _Values) -> tuple[str, ...]:
    """AcquisitionContrast (PS3.3 C.8.13.3.1), and what the attributes of an enhanced pulse sequence switch on."""
    found = list(values.codes("AcquisitionContrast", "MRImageFrameTypeSequence"))
    found += ["FLOW_ENCODED"] if values.text("PhaseContrast").upper() == "YES" else []
    found += ["TAGGING"] if values.text("Tagging").upper() in ("GRID", "LINE") else []
    return tuple(found)


def _scanning(values: _Values) -> tuple[str, ...]:
    """ScanningSequence ("GR", "IR"); of an enhanced image the same codes from its own attributes."""
    codes = list(values.codes("ScanningSequence"))
    echo = values.text("EchoPulseSequence").upper()
    codes += {"GRADIENT": ["GR"], "SPIN": ["SE"], "BOTH": ["SE", "GR"]}.get(echo, [])
    if values.text("InversionRecovery", "MRModifierSequence").upper() == "YES":
        codes.append("IR")
    return tuple(dict.fromkeys(codes))


def _seconds(values: _Values) -> float | None:
    """Seconds since midnight of the acquisition; for the order of events, never written."""
    frame_text = values.text("FrameAcquisitionDateTime", "FrameContentSequence")[8:]
    text = values.text("AcquisitionTime") or frame_text or values.text("SeriesTime")
    try:
        return int(text[:2]) * 3600 + int(text[2:4]) * 60 + float(text[4:] or 0)
    except ValueError:
        return None
