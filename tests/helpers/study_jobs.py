"""The jobs from DICOM to results, run through the configs, and what they left."""

import csv
import shutil

import pydicom
from pydicom.uid import generate_uid

from helpers.dicom_phantom import files
from helpers.tiny_inference import run_here

IMPORT, INFER = ("import_study.json",), ("inference.json", "study.json")


def run(configs, dicom_dir, output_dir, tmp_path, **settings):
    settings = {"key_file": tmp_path / "site.key"} | settings
    return run_here(*configs, dicom_dir=dicom_dir, output_dir=output_dir, **settings)


def only_folder(folder):
    (one,) = (path for path in folder.iterdir() if path.is_dir() and path.name.startswith("study_"))
    return one


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def failed_cases(folder):
    return rows(folder / "failed_cases.csv")


def summary(folder):
    return rows(folder / "summary.csv")


def exported(folder):
    return {pydicom.dcmread(path).PatientID for path in files(folder)}


def another_patient(study_folder, place):
    """The study as if of another heart on the same grid: other pixels, numbers and name."""
    shutil.copytree(study_folder, place)
    uids = {}
    for path in files(place):
        image = pydicom.dcmread(path)
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID"):
            setattr(image, keyword, uids.setdefault(getattr(image, keyword), generate_uid()))
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        image.PatientID, image.PatientName = "BOB", "BOB^B"
        image.PixelData = image.pixel_array[::-1, ::-1].copy().tobytes()
        image.save_as(path)
    return place
