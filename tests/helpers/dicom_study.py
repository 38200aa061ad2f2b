"""Phantom studies as files, and what hospitals do to them: edited tags, enhanced images, distractor series."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedMRImageStorage, MRImageStorage, generate_uid
from scripts.dicom.study import Study, StudyReader
from scripts.phantom.dicom.writer import write_dicom_subject

from helpers.dicom_phantom import DESCRIPTIONS, files, stack, subject


def write_study(folder: Path, vendor: str = "siemens", geometry: str = "oblique", **changes) -> Path:
    """A study of dicom_phantom's subject; with an axial short axis without the views, which lie in the same planes."""
    one = subject(vendor, geometry, **changes)
    return write_dicom_subject(replace(one, views=()) if geometry == "axial" else one, folder)


def read(folder: Path, **picks) -> Study:
    (study,) = StudyReader(folder, **picks).studies()
    return study


def edit(folder: Path, change: Callable[[Dataset], object], sequence: str = "", vendor: str = "siemens") -> None:
    """Rewrites the files of a sequence ("cine", "t2_stir", "lge"; all: ""); a file whose change returns False goes."""
    for path in files(folder):
        image = pydicom.dcmread(path)
        if sequence and image.SeriesDescription != DESCRIPTIONS[vendor][("cine", "t2_stir", "lge").index(sequence)]:
            continue
        if change(image) is False:
            path.unlink()
        else:
            image.save_as(path)


def copy_series(folder: Path, sequence: str, change: Callable[[Dataset], object], vendor: str = "siemens") -> None:
    """A further series: copies with new UIDs and ``change`` applied, 100 added to the series number."""
    series: dict[str, str] = {}
    for path in files(folder):
        image = pydicom.dcmread(path)
        if image.SeriesDescription != DESCRIPTIONS[vendor][("cine", "t2_stir", "lge").index(sequence)]:
            continue
        image.SeriesInstanceUID = series.setdefault(image.SeriesInstanceUID, generate_uid())
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        image.SeriesNumber += 100
        if change(image) is not False:
            image.save_as(path.with_name(f"copy_{image.SeriesNumber}_{path.name}"))


def make_enhanced(folder: Path, sequence: str, vendor: str) -> None:
    """Replaces the files of a sequence by one Enhanced MR image; frames in a scrambled order, slope and offset kept."""
    images = [(path, pydicom.dcmread(path)) for path in files(folder)]
    name = DESCRIPTIONS[vendor][("cine", "t2_stir", "lge").index(sequence)]
    chosen = [(path, image) for path, image in images if image.SeriesDescription == name]
    order = np.random.default_rng(2).permutation(len(chosen))
    frames = [chosen[k][1] for k in order]
    whole = pydicom.dcmread(chosen[0][0])
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "TriggerTime", "EchoTime"):
        del whole[keyword]
    for keyword in ("InversionTime", "ScanningSequence", "ImageType", "EchoTrainLength", "InstanceNumber"):
        if keyword in whole:
            del whole[keyword]
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    whole.ImageType = ["ORIGINAL", "PRIMARY", "CARDIAC", "NONE"]
    whole.BitsStored, whole.HighBit = 16, 15
    whole.InstanceNumber, whole.NumberOfFrames = 1, len(frames)
    whole.EchoPulseSequence = "SPIN" if "SE" in str(frames[0].ScanningSequence) else "GRADIENT"
    whole.SharedFunctionalGroupsSequence = [_shared(frames[0])]
    whole.PerFrameFunctionalGroupsSequence = [_per_frame(frame) for frame in frames]
    whole.PixelData = b"".join((frame.pixel_array * 2 + 7).astype("<u2").tobytes() for frame in frames)
    for path, _ in chosen:
        path.unlink()
    whole.save_as(chosen[0][0])


def cine_headers(shape: tuple[int, int, int], geometry: str = "oblique") -> list[Dataset]:
    """Hand-made headers with what an export cannot do without, one per slice of an array of ``shape`` (x, y, slice)."""
    place, headers = stack(geometry), []
    for index in range(shape[2]):
        header = Dataset()
        header.SOPClassUID, header.SOPInstanceUID = MRImageStorage, f"2.25.10{index}"
        header.StudyInstanceUID, header.SeriesInstanceUID, header.FrameOfReferenceUID = "2.25.1", "2.25.2", "2.25.3"
        header.ImagePositionPatient = [f"{v:.8g}" for v in place.position_mm + index * place.slice_step_mm]
        header.ImageOrientationPatient = [f"{v:.8f}" for v in (*place.row_cosines, *place.column_cosines)]
        header.PixelSpacing, header.Columns, header.Rows = [place.spacing_mm[1], place.spacing_mm[0]], *shape[:2]
        headers.append(header)
    return headers


def _item(**values) -> Sequence:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return Sequence([item])


def _shared(frame: Dataset) -> Dataset:
    shared = Dataset()
    shared.PlaneOrientationSequence = _item(ImageOrientationPatient=frame.ImageOrientationPatient)
    shared.PixelMeasuresSequence = _item(PixelSpacing=frame.PixelSpacing, SliceThickness=frame.SliceThickness)
    shared.MREchoSequence = _item(EffectiveEchoTime=float(frame.EchoTime))
    shared.MRTimingAndRelatedParametersSequence = _item(RFEchoTrainLength=int(frame.EchoTrainLength))
    inverted = "InversionTime" in frame
    shared.MRModifierSequence = _item(InversionRecovery="YES" if inverted else "NO")
    if inverted:
        shared.MRModifierSequence[0].InversionTimes = [float(frame.InversionTime)]
    shared.PixelValueTransformationSequence = _item(RescaleSlope="0.5", RescaleIntercept="-3.5", RescaleType="US")
    real = "R" in frame.ImageType or "PS:" in frame.SeriesDescription
    kind = _item(
        FrameType=["ORIGINAL", "PRIMARY", "CARDIAC", "NONE"], ComplexImageComponent="REAL" if real else "MAGNITUDE"
    )
    shared.MRImageFrameTypeSequence = kind
    return shared


def _per_frame(frame: Dataset) -> Dataset:
    group = Dataset()
    group.PlanePositionSequence = _item(ImagePositionPatient=frame.ImagePositionPatient)
    group.CardiacSynchronizationSequence = _item(NominalCardiacTriggerDelayTime=float(frame.TriggerTime))
    return group
