"""Headers of cardiac series without pixels, for what is decided from tags and names alone."""

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from scripts.dicom.headers import Frame, read_frames
from scripts.dicom.recognition import Group, recognise_groups

# Usual directions in the patient, LPS: the long axis of the heart, and the normals of planes through it.
HEART = (0.66, -0.54, -0.52)
FOUR_CHAMBERS, TWO_CHAMBERS = (0.35, -0.35, 0.87), (0.63, 0.77, 0.0)
TRANSVERSAL, CORONAL, SAGITTAL = (0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)
CINE = {"ScanningSequence": "GR", "EchoTime": 1.4, "EchoTrainLength": 1}
T2_STIR = {"ScanningSequence": ["SE", "IR"], "EchoTime": 70.0, "InversionTime": 170.0, "EchoTrainLength": 25}
LGE = {"ScanningSequence": ["GR", "IR"], "EchoTime": 3.2, "InversionTime": 300.0, "EchoTrainLength": 1}
STRIPPED = {"ScanningSequence": None, "EchoTime": None, "InversionTime": None, "EchoTrainLength": None}


def series(folder: Path, number: int, tags: dict, phases: int = 1, slices: int = 3, normal=HEART) -> list[Frame]:
    """Frames of one series as they are read back. Tags of value None are left out; cines have trigger times."""
    normal = np.array(normal) / np.linalg.norm(normal)
    row = np.cross(normal, (0.2, 0.9, 0.3))
    row /= np.linalg.norm(row)
    column = np.cross(normal, row)
    frames = []
    for index in range(slices * phases):
        at, phase = divmod(index, phases)
        image = Dataset()
        image.SOPClassUID, image.SOPInstanceUID = MRImageStorage, f"1.2.{number}.{index + 1}"
        image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = "1.2.9", f"1.3.{number}", "1.4"
        image.SeriesNumber, image.InstanceNumber, image.Modality = number, index + 1, "MR"
        image.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
        image.Rows, image.Columns, image.PixelSpacing, image.SliceThickness = 20, 24, [1.5, 1.5], 8
        image.ImageOrientationPatient = [f"{value:.9f}" for value in (*row, *column)]
        image.ImagePositionPatient = [f"{value:.6f}" for value in 10.0 * at * normal]
        if phases > 1:
            image.TriggerTime, image.NominalInterval = 800.0 * phase / phases, 800
        for keyword, value in tags.items():
            if value is not None:
                setattr(image, keyword, value)
            elif keyword in image:
                delattr(image, keyword)
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = folder / f"{number}_{index}"
        pydicom.dcmwrite(path, image, enforce_file_format=True)
        frames += read_frames(path)
    return frames


def group(folder: Path, tags: dict, **shape) -> Group:
    """The one group of one series."""
    (found,) = recognise_groups(series(folder, 1, tags, **shape))
    return found
