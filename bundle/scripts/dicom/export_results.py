"""Export of a result as DICOM: virtual LGE as MR series, label map as SEG, numbers as SR."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage
from pydicom.valuerep import format_number_as_ds

from ..conventions import BUNDLE_NAME, BUNDLE_VERSION, DISCLAIMER, INTENSITY_RANGE, DataError
from ..files import output_error, scratch_folder
from . import report
from . import segmentation as seg
from .deidentify import COPIED, TYPE_2, basic_profile, inherited_headers
from .geometry import StackGeometry, stack_from_affine
from .source_headers import settle_frames

IMAGE_FOLDER, SEG_FILE, SR_FILE = "virtual_lge", "label_seg.dcm", "measurements_sr.dcm"
SERIES_DESCRIPTION = "VIRTUAL LGE - not acquired - research use only"  # LO: at most 64 characters
COMMENT = f"{SERIES_DESCRIPTION}. {DISCLAIMER}"
DERIVATION = (
    "Virtual late gadolinium enhancement computed by a diffusion network from cine and T2-STIR; no contrast agent."
)
POSITION_TOLERANCE_MM = 0.25  # the import lets slices deviate by 0.2 from even spacing
RANGE_TOLERANCE = 1e-3
STORED_MAX = 65535
# What every slice says; (RM) research mode is the only scanning sequence that claims none, PS3.3 C.8.3.1.
IMAGE_CONSTANTS: dict[str, Any] = {
    "ImageType": ["DERIVED", "SECONDARY", "OTHER"],
    "Modality": "MR",
    "Manufacturer": seg.MANUFACTURER,
    "ManufacturerModelName": BUNDLE_NAME,
    "SoftwareVersions": seg.SOFTWARE,
    "ScanningSequence": "RM",
    "SequenceVariant": "NONE",
    **dict.fromkeys(("ScanOptions", "MRAcquisitionType", "RepetitionTime", "EchoTime", "EchoTrainLength"), ""),
    "PositionReferenceIndicator": "",
    "BodyPartExamined": "HEART",
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    **{"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 0},
    **{"RescaleIntercept": "0", "RescaleSlope": f"{1 / STORED_MAX:.9e}", "RescaleType": "US"},
    **{"WindowCenter": "0.5", "WindowWidth": "1"},
    "BurnedInAnnotation": "NO",
}


class Results(NamedTuple):
    """What inference found for one subject.

    lge: (x, y, slice), 0..1; stored in 16 bits, off by at most 8e-6.
    label: (x, y, slice), integer, disk codes.
    affine: (4, 4), voxel to RAS mm, of the cine grid.
    result: the dict of <subject>_result.json.
    """

    lge: np.ndarray
    label: np.ndarray
    affine: np.ndarray
    result: dict


def export_results(
    results: Results,
    sources: Sequence[Dataset],
    output_dir: str | Path,
    deidentify: bool = False,
    key: bytes | None = None,
) -> list[Path]:
    """Writes <output_dir>/virtual_lge/IM_0001.dcm ..., label_seg.dcm and measurements_sr.dcm.

    Written aside and renamed when all are complete; an older export is replaced, anything else is not. The same input
    gives the same bytes: UIDs are name-based, and the content date is that of the source.

    Args:
        results: volumes, their place and the measurements.
        sources: header of one cine image per slice, in slice order; patient, study and frame of reference come from it.
        deidentify: whether names, dates and UIDs are replaced, with ``key`` (see deidentify.basic_profile).
    Returns:
        The files, in the order above.
    Raises:
        DataError: arrays, sources and affine do not fit together, a number is missing, or the key protects nobody.
        OutputError: the disk cannot be written.
    """
    lge, label, affine, result = results
    _check_arrays(lge, label, sources)
    headers = inherited_headers(sources)
    stack = stack_from_affine(affine)
    _check_geometry(stack, headers, lge.shape)
    label = label.astype(np.uint8)
    content = _digest(lge, label, np.asarray(affine, dtype=np.float64), json.dumps(result, sort_keys=True, default=str))
    identities = seg.identities(headers, content, (IMAGE_FOLDER, SEG_FILE, SR_FILE))
    images = [_image(lge, index, stack, headers, identities[0]) for index in range(len(headers))]
    objects = [*images, *_seg_and_report(label, result, (images, headers), identities[1:])]
    settle_frames(objects, sources)
    if deidentify:
        objects = [basic_profile(dataset, key, _own_texts(), report.texts(result)) for dataset in objects]
    names = [f"{IMAGE_FOLDER}/IM_{index:04d}.dcm" for index in range(1, len(images) + 1)]
    files = dict(zip([*names, SEG_FILE, SR_FILE], map(_file_bytes, objects), strict=True))
    return _write(Path(output_dir), files)


def _seg_and_report(
    label: np.ndarray,
    result: dict,
    images: tuple[Sequence[Dataset], Sequence[Dataset]],
    identities: Sequence[seg.ObjectIdentity],
) -> list[Dataset]:
    try:
        segmentation = seg.label_segmentation(label, *images, identities[0])
        numbers = seg.segment_numbers(label)
        return [segmentation, report.measurement_report(result, segmentation, numbers, images, identities[1])]
    except (ValueError, TypeError, AttributeError) as error:
        # its text may quote a value of the patient's
        raise DataError(
            f"sources: patient or study attributes cannot be carried over ({type(error).__name__}). Expected valid "
            "DICOM. Fix: repair the headers of the cine, or export it again."
        ) from None


def _check_arrays(lge: np.ndarray, label: np.ndarray, sources: Sequence[Dataset]) -> None:
    if lge.ndim != 3 or lge.shape != label.shape or lge.size == 0:
        raise DataError(
            f"virtual LGE and label: found shapes {lge.shape} and {label.shape}, expected one shape (x, y, slice). "
            "Fix: pass both of the same result."
        )
    bad = int((~np.isfinite(lge)).sum())
    low, high = INTENSITY_RANGE
    if bad or lge.min() < low - RANGE_TOLERANCE or lge.max() > high + RANGE_TOLERANCE:
        found = f"{bad} NaN or infinite voxels" if bad else f"{lge.min():.4g}..{lge.max():.4g}"
        raise DataError(f"virtual LGE: found {found}, expected {low:g}..{high:g}. Fix: pass the volume of the result.")
    if label.dtype.kind not in "ui":
        raise DataError(f"label: found type {label.dtype}, expected integer codes. Fix: pass the label map, uint8.")
    seg.segment_numbers(label)
    if len(sources) != lge.shape[2]:
        raise DataError(
            f"sources: found {len(sources)} cine headers, expected {lge.shape[2]}, one per slice of the virtual LGE. "
            "Fix: pass one image of each slice, in slice order."
        )


def _check_geometry(stack: StackGeometry, headers: Sequence[Dataset], shape: tuple[int, ...]) -> None:
    """First and last pixel of every slice lie where the source has them."""
    columns, rows, _ = shape
    for index, header in enumerate(headers):
        size = (header.Columns, header.Rows)
        if size != (columns, rows):
            raise DataError(
                f"source of slice {index + 1}: found {size[0]} x {size[1]} pixels, expected {columns} x {rows} as in "
                "the virtual LGE. Fix: pass the cine the result was computed from."
            )
        between = [float(value) for value in header.PixelSpacing]
        cosines = np.array(header.ImageOrientationPatient, dtype=float).reshape(2, 3)
        first = np.array(header.ImagePositionPatient, dtype=float)
        theirs = np.array(
            [first, first + (columns - 1) * between[1] * cosines[0], first + (rows - 1) * between[0] * cosines[1]]
        )
        ours = _position(stack, index) + np.outer((0, columns - 1, 0), stack.row_cosines * stack.spacing_mm[0])
        ours = ours + np.outer((0, 0, rows - 1), stack.column_cosines * stack.spacing_mm[1])
        off_mm = float(np.linalg.norm(ours - theirs, axis=1).max())
        if not off_mm <= POSITION_TOLERANCE_MM:
            raise DataError(
                f"source of slice {index + 1}: its corners lie {off_mm:.3f} mm from those of the affine, expected at "
                f"most {POSITION_TOLERANCE_MM} mm. Fix: pass the sources in slice order, of the cine the result was "
                "computed from."
            )


def _position(stack: StackGeometry, index: int) -> np.ndarray:
    return np.asarray(stack.position_mm) + index * np.asarray(stack.slice_step_mm)


def _digest(*parts: np.ndarray | str) -> str:
    content = hashlib.sha256()
    for part in parts:
        content.update(part.encode() if isinstance(part, str) else np.ascontiguousarray(part).tobytes())
    return content.hexdigest()


def _image(
    lge: np.ndarray, index: int, stack: StackGeometry, headers: Sequence[Dataset], identity: seg.ObjectIdentity
) -> Dataset:
    """One slice as classic MR image, PS3.3 A.4: scanner attributes of type 2 are empty, since no scanner made it."""
    header, image = headers[index], Dataset()
    for keyword in (*TYPE_2, *COPIED, "SpecificCharacterSet", "StudyInstanceUID", "FrameOfReferenceUID"):
        if keyword in header:
            image[keyword] = deepcopy(header[keyword])
    row, column = np.asarray(stack.row_cosines, dtype=float), np.asarray(stack.column_cosines, dtype=float)
    normal, position = np.cross(row, column), _position(stack, index)
    between_slices = format_number_as_ds(abs(float(normal @ stack.slice_step_mm)))
    stored = np.rint(np.clip(lge[:, :, index].T.astype(np.float64), *INTENSITY_RANGE) * STORED_MAX)
    attributes = {
        "SOPClassUID": MRImageStorage,
        "SOPInstanceUID": identity.uid("image", index),
        "SeriesInstanceUID": identity.series_uid,
        "SeriesNumber": identity.series_number,
        "InstanceNumber": index + 1,
        "SeriesDescription": SERIES_DESCRIPTION,
        "ImageComments": COMMENT,
        "DerivationDescription": DERIVATION,
        "ContentDate": identity.content_at.strftime("%Y%m%d"),
        "ContentTime": identity.content_at.strftime("%H%M%S"),
        "SourceImageSequence": [_source_image(header)],
        "ImagePositionPatient": [format_number_as_ds(float(value)) for value in position],
        "ImageOrientationPatient": [format_number_as_ds(float(value)) for value in (*row, *column)],
        "PixelSpacing": [format_number_as_ds(float(value)) for value in stack.spacing_mm[::-1]],  # DICOM: rows, columns
        "SliceLocation": format_number_as_ds(float(normal @ position)),
        "SliceThickness": header.get("SliceThickness") or between_slices,
        "SpacingBetweenSlices": between_slices,
        "Rows": stored.shape[0],
        "Columns": stored.shape[1],
        "PixelData": stored.astype("<u2").tobytes(),
    }
    for keyword, value in (IMAGE_CONSTANTS | attributes).items():
        setattr(image, keyword, value)
    image["PixelData"].VR = "OW"
    return seg.settled(image, identity, header)


def _source_image(header: Dataset) -> Dataset:
    item, purpose, code = Dataset(), Dataset(), codes.DCM.SourceImageForImageProcessingOperation  # CID 7202
    purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning = code[:3]
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    item.PurposeOfReferenceCodeSequence = [purpose]
    return item


def _own_texts() -> list[str]:
    descriptions = (SERIES_DESCRIPTION, seg.SERIES_DESCRIPTION, report.SERIES_DESCRIPTION, COMMENT, DERIVATION)
    titles = [segment.title for segment in seg.SEGMENTS.values()]
    names = (BUNDLE_NAME, BUNDLE_VERSION, seg.MANUFACTURER)
    return [*descriptions, *names, seg.ACQUIRED_BY, seg.MADE_BY, *titles, *report.TITLES]


def _file_bytes(dataset: Dataset) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    # Our own, so that the bytes do not depend on the version of a library.
    dataset.file_meta.ImplementationClassUID = UID(f"2.25.{seg.UID_NAMESPACE.int}")
    dataset.file_meta.ImplementationVersionName = "SSDIFF_EXPORT"
    stream = BytesIO()
    pydicom.dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def _write(output_dir: Path, files: dict[str, bytes]) -> list[Path]:
    _refuse_foreign(output_dir / IMAGE_FOLDER)
    try:
        with scratch_folder(output_dir / ".dicom_export.part") as aside:
            for name, content in files.items():
                path = aside / name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
            # The report goes first and comes back last: where it stands, the other two are complete.
            (output_dir / SR_FILE).unlink(missing_ok=True)
            if (output_dir / IMAGE_FOLDER).exists():
                shutil.rmtree(output_dir / IMAGE_FOLDER)
            for name in (IMAGE_FOLDER, SEG_FILE, SR_FILE):
                (aside / name).replace(output_dir / name)
    except OSError as error:
        raise output_error(output_dir, error) from error
    return [output_dir / name for name in files]


def _refuse_foreign(folder: Path) -> None:
    foreign = [path.name for path in folder.glob("*") if not path.match("IM_*.dcm")] if folder.is_dir() else []
    if foreign:
        raise DataError(
            f"{folder.name}: found {sorted(foreign)[:3]}, expected nothing but an older export, which is replaced. "
            "Fix: move the files away or choose another --output_dir."
        )
