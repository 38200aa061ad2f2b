"""Headers that an export inherits: one classic header per slice of the imported cine."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Sequence

from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import MRImageStorage

from ..conventions import DataError
from .files import read_file
from .headers import DAMAGED, Frame
from .voxels import Voxels

_LISTS = ("ReferencedInstanceSequence",)


def source_headers(voxels: Voxels) -> list[Dataset]:
    """The header of each slice's first phase, without pixels; of an enhanced image with the frame's own geometry.

    Slices that the import put into one stack have one size and one frame of reference, that of the first.

    Raises:
        DataError: a file of the import is gone or cannot be read.
    """
    headers = [_header(frame) for frame in voxels.frames]
    if len({str(header.get("FrameOfReferenceUID", "")) for header in headers}) > 1:
        for header in headers:
            header.FrameOfReferenceUID = headers[0].get("FrameOfReferenceUID", "")
    return headers


def _header(frame: Frame) -> Dataset:
    try:
        with disable_value_validation(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's quote values, which may be PHI
            dataset = read_file(frame.path, stop_before_pixels=True)
    except DAMAGED as error:
        raise DataError(
            f"cine, series {frame.series_number}: a file that was read before cannot be read ({type(error).__name__}). "
            "Fix: keep dicom_dir in place until the results are written."
        ) from error
    if "PerFrameFunctionalGroupsSequence" in dataset:
        _as_classic(dataset, frame)
    dataset.ImagePositionPatient = [float(value) for value in frame.position_mm]
    dataset.ImageOrientationPatient = [float(value) for value in frame.orientation]
    dataset.PixelSpacing = [frame.spacing_mm[1], frame.spacing_mm[0]]
    dataset.Columns, dataset.Rows = frame.shape
    if frame.thickness_mm is not None:
        dataset.SliceThickness = frame.thickness_mm
    return dataset


def _as_classic(dataset: Dataset, frame: Frame) -> None:
    """One frame of an enhanced image as a header of its own; SourceImageSequence says which image and frame it is."""
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    reference.ReferencedFrameNumber = frame.index + 1
    for keyword in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence", "NumberOfFrames"):
        if keyword in dataset:
            del dataset[keyword]
    dataset.SOPClassUID = MRImageStorage
    # of its own: libraries tell slices apart by it; export_results puts the reference back in its place
    dataset.SOPInstanceUID = f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{frame.instance} {frame.index}').int}"
    dataset.SourceImageSequence = [reference]


def settle_frames(objects: Sequence[Dataset], sources: Sequence[Dataset]) -> None:
    """Puts class, UID and frame of an enhanced source in the place of its frames' own headers, in every reference."""
    places = {
        str(source.SOPInstanceUID): source.SourceImageSequence[0]
        for source in sources
        if source.get("SourceImageSequence") and "ReferencedFrameNumber" in source.SourceImageSequence[0]
    }
    if places:
        for one in objects:
            _settle(one, places, "")


def _settle(dataset: Dataset, places: dict[str, Dataset], inside: str) -> None:
    found = places.get(str(dataset.get("ReferencedSOPInstanceUID", "")))
    if found is not None:
        dataset.ReferencedSOPClassUID = found.ReferencedSOPClassUID
        dataset.ReferencedSOPInstanceUID = found.ReferencedSOPInstanceUID
        if inside not in _LISTS:
            dataset.ReferencedFrameNumber = found.ReferencedFrameNumber
    for element in list(dataset):
        if element.VR != "SQ":
            continue
        # an image is listed as evidence once, whatever the number of its frames; its references elsewhere name a frame
        within = element.keyword
        if within == "ReferencedSOPSequence" and inside == "ReferencedSeriesSequence":
            within = _LISTS[0]
        for item in element.value:
            _settle(item, places, within)
        if within in _LISTS:
            once = {str(item.get("ReferencedSOPInstanceUID")): item for item in element.value}
            element.value = DicomSequence(once.values())
