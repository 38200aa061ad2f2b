"""A phantom subject on disk as a DICOM export: classic MR images, or an enhanced one per series."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

from ...conventions import BUNDLE_NAME, BUNDLE_VERSION
from ...files import folder_aside
from ..foreign_files import refuse_foreign_files
from ..subject import PhantomSubject
from .enhanced import enhanced_image
from .scans import meta_value, model_of, vendor_of
from .series import PROTON_MHZ_PER_T, DicomSeries, SeriesImage, series_of

COMMENT = "Digital phantom. Research use only. No patient, no acquired image."
_ROOM = "room for about 50 MB per subject"
# Fictitious: nobody was examined.
STUDY_START = datetime(2000, 1, 1, 9, 0, 0)
# UIDs are name-based UUIDs below 2.25 (PS3.5 annex B.2), so that the same subject always gets the same ones.
_UID_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, f"https://{BUNDLE_NAME}.invalid/phantom")


def write_dicom_subject(subject: PhantomSubject, output_dir: Path) -> Path:
    """Writes the study to <output_dir>/<name>/ with the folders and file names of the vendor's export.

    Written aside and renamed when complete; the same subject gives the same bytes. An older DICOM export of that name
    is replaced, a folder with anything else in it is not.

    Returns:
        The folder of the study.
    Raises:
        DataError: the subject does not fit DICOM (see ``series_of``), or the folder holds other files.
        OutputError: the disk is full or not writable; nothing half-written stays.
    """
    vendor, series = vendor_of(subject), series_of(subject)
    identity = _identity(subject)
    study = _study_attributes(subject, identity)
    final, count = output_dir / subject.name, 0
    with folder_aside(final, _ROOM) as aside:
        refuse_foreign_files(final, beside_dicom=())
        for one in series:
            folder_name = re.sub(r"\W+", "_", one.description)
            images = list(_datasets(identity, study, one))
            if vendor.enhanced:
                uids = (_uid(identity, what, one.number) for what in ("enhanced", "dimensions"))
                images = [(1, enhanced_image([image for _, image in images], *uids))]
            for instance, dataset in images:
                count += 1
                names = {"number": one.number, "description": folder_name, "instance": instance, "count": count}
                path = aside / vendor.file_name.format(**names)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(_file_bytes(dataset))
    return final


def _datasets(identity: uuid.UUID, study: dict[str, Any], series: DicomSeries) -> Iterator[tuple[int, Dataset]]:
    """(InstanceNumber, image) of one series, from 1."""
    start = STUDY_START + timedelta(seconds=series.start_s)
    shared = study | {
        "SeriesInstanceUID": _uid(identity, "series", series.number),
        "SeriesNumber": series.number,
        "SeriesDescription": series.description,
        "ProtocolName": series.protocol,
        **_date_and_time("Series", start),
    }
    for instance, image in enumerate(series.images, start=1):
        acquired = STUDY_START + timedelta(seconds=image.acquired_s)
        own = {
            "SOPInstanceUID": _uid(identity, "image", series.number, instance),
            "InstanceNumber": instance,
            **_date_and_time("Acquisition", acquired),
            **_date_and_time("Content", acquired),
        }
        yield instance, _dataset(shared | own | image.attributes | _geometry(image) | _pixels(image))


def _study_attributes(subject: PhantomSubject, identity: uuid.UUID) -> dict[str, Any]:
    """Patient, study, equipment: what all images share. Everything about a person is fictitious and says so."""
    seed, index = (int(meta_value(subject, f"phantom.{key}")) for key in ("seed", "index"))
    field_strength_t = float(meta_value(subject, "field_strength_t"))
    sex = {"female": "F", "male": "M"}.get(meta_value(subject, "sex"), "O")
    return {
        "SpecificCharacterSet": "ISO_IR 100",
        "SOPClassUID": MRImageStorage,
        # SyntheticData (0008,001C) would say it too, but the dciodvfy of Debian 12 predates it and calls it an error.
        "QualityControlImage": "YES",
        "PatientName": f"PHANTOM^{index:04d}^NOT A PATIENT",
        "PatientID": f"PHANTOM-{seed}-{index:04d}",
        "PatientBirthDate": "",
        "PatientSex": sex,
        "PatientComments": COMMENT,
        "ImageComments": COMMENT,
        "StudyInstanceUID": _uid(identity, "study"),
        "FrameOfReferenceUID": _uid(identity, "frame of reference"),
        "PositionReferenceIndicator": "",
        "StudyID": "1",
        "StudyDescription": "PHANTOM CARDIAC MR",
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        **_date_and_time("Study", STUDY_START),
        "Modality": "MR",
        "Manufacturer": vendor_of(subject).manufacturer,
        "ManufacturerModelName": model_of(subject),
        "InstitutionName": "PHANTOM, no hospital",
        "StationName": "PHANTOM",
        "DeviceSerialNumber": "PHANTOM",
        "SoftwareVersions": f"{BUNDLE_NAME} {BUNDLE_VERSION}",
        "BodyPartExamined": "HEART",
        "PatientPosition": "HFS",
        "MRAcquisitionType": "2D",
        "AngioFlag": "N",
        "NumberOfAverages": 1.0,
        "EchoNumbers": 1,
        "MagneticFieldStrength": field_strength_t,
        "ImagingFrequency": field_strength_t * PROTON_MHZ_PER_T,
        "ImagedNucleus": "1H",
    }


def _geometry(image: SeriesImage) -> dict[str, Any]:
    """Image plane module, PS3.3 C.7.6.2: the array's y counts DICOM rows, x counts columns; PixelSpacing is (y, x)."""
    stack = image.stack
    row, column = np.asarray(stack.row_cosines, dtype=float), np.asarray(stack.column_cosines, dtype=float)
    position = np.asarray(stack.position_mm, dtype=float) + image.slice_index * np.asarray(stack.slice_step_mm)
    return {
        "ImagePositionPatient": position.tolist(),
        "ImageOrientationPatient": [*row.tolist(), *column.tolist()],
        "PixelSpacing": [stack.spacing_mm[1], stack.spacing_mm[0]],
        "SliceLocation": float(np.cross(row, column) @ position),
    }


def _pixels(image: SeriesImage) -> dict[str, Any]:
    columns, rows = image.pixels.shape
    return {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": 16,
        "HighBit": image.attributes["BitsStored"] - 1,
        "PixelRepresentation": 0,
        "BurnedInAnnotation": "NO",
        "LossyImageCompression": "00",
        "PixelData": np.ascontiguousarray(image.pixels.T).astype("<u2").tobytes(),
    }


def _dataset(attributes: dict[str, Any]) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, _decimals(value) if dictionary_VR(keyword) == "DS" else value)
    dataset["PixelData"].VR = "OW"
    return dataset


def _decimals(value: Any) -> Any:
    """Decimal strings of at most 16 characters (PS3.5 6.2): 1e-8 for direction cosines, 1e-7 mm for positions."""
    if isinstance(value, list):
        return [_decimals(one) for one in value]
    return f"{round(float(value), 8) + 0.0:.10g}"


def _file_bytes(dataset: Dataset) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    # Our own, so that the bytes do not depend on the version of pydicom.
    dataset.file_meta.ImplementationClassUID = UID(f"2.25.{_UID_NAMESPACE.int}")
    dataset.file_meta.ImplementationVersionName = "SSDIFF_PHANTOM"
    stream = BytesIO()
    pydicom.dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def _date_and_time(event: str, moment: datetime) -> dict[str, str]:
    return {f"{event}Date": moment.strftime("%Y%m%d"), f"{event}Time": moment.strftime("%H%M%S.%f")}


def _identity(subject: PhantomSubject) -> uuid.UUID:
    """From all of the meta: a subject made with other parameters is another study."""
    return uuid.uuid5(_UID_NAMESPACE, json.dumps([subject.name, subject.meta], sort_keys=True, default=repr))


def _uid(identity: uuid.UUID, *parts: object) -> str:
    return f"2.25.{uuid.uuid5(identity, ' '.join(map(str, parts))).int}"
