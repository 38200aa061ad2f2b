"""Owns the headers that an exported result inherits from: one classic header per slice of the imported cine."""

from __future__ import annotations

import warnings

import pydicom
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset

from ..conventions import DataError
from .headers import DAMAGED, Frame
from .voxels import Voxels


def source_headers(voxels: Voxels) -> list[Dataset]:
    """The header of each slice's first phase, without pixels; of an enhanced image with the frame's own geometry.

    Raises:
        DataError: a file cannot be read any more.
    """
    return [_header(frame) for frame in voxels.frames]


def _header(frame: Frame) -> Dataset:
    try:
        with disable_value_validation(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's quote values, which may be PHI
            dataset = pydicom.dcmread(frame.path, stop_before_pixels=True, force=True)
    except DAMAGED as error:
        raise DataError(
            f"cine, series {frame.series_number}: a file of it cannot be read any more ({type(error).__name__}). "
            "Fix: keep dicom_dir in place until the results are written."
        ) from error
    for keyword in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        if keyword in dataset:
            del dataset[keyword]
    dataset.ImagePositionPatient = [float(value) for value in frame.position_mm]
    dataset.ImageOrientationPatient = [float(value) for value in frame.orientation]
    dataset.PixelSpacing = [frame.spacing_mm[1], frame.spacing_mm[0]]
    if frame.thickness_mm is not None:
        dataset.SliceThickness = frame.thickness_mm
    return dataset
