"""A patient's name in every text of a DICOM study, and the search for it in what a job has written."""

import nibabel as nib
import pydicom

from helpers.dicom_phantom import files

CANARY = "Canaria^Vogel"
BIRTH_DATE, STUDY_DATE = "19340506", "20190807"
TRACES = (CANARY, "Canaria", BIRTH_DATE, STUDY_DATE)
_TEXTS = {"LO", "SH", "LT", "ST", "UT", "PN", "UC"}
# What says what a series is keeps its text, with the canary behind it; what decides how the rest is read keeps all.
_KEPT, _LEFT = ("SeriesDescription", "ProtocolName"), ("SpecificCharacterSet", "Manufacturer")
_ABSENT = ("InstitutionName", "InstitutionAddress", "OperatorsName", "PerformingPhysicianName", "AccessionNumber",
           "OtherPatientIDs", "PatientAddress", "StationName", "StudyDescription", "RequestedProcedureDescription",
           "AdditionalPatientHistory", "PatientBirthName", "DeviceSerialNumber", "IssuerOfPatientID")  # fmt: skip


def plant(folder, study_uid=None):
    """A canary in every text element below ``folder``, those that were absent and a private one included; dates that
    are nobody's; another StudyInstanceUID where one is given. Returns the folder."""
    for path in files(folder):
        image = pydicom.dcmread(path)
        for keyword in _ABSENT:
            setattr(image, keyword, "")
        for element in image:
            if element.VR in _TEXTS and element.keyword not in _LEFT:
                kept = f"{str(element.value)[:40]} " if element.keyword in _KEPT else ""
                element.value = (kept + CANARY)[: 16 if element.VR == "SH" else 60]
        image.PatientBirthDate = BIRTH_DATE
        image.StudyDate = image.SeriesDate = image.AcquisitionDate = image.ContentDate = STUDY_DATE
        image.private_block(0x0029, "CANARY VENDOR", create=True).add_new(0x10, "LO", CANARY)
        if study_uid is not None:
            image.StudyInstanceUID = study_uid
        image.save_as(path)
    return folder


def traces(folder, words=TRACES):
    """Where the words are below a folder: in bytes (those of NIfTI uncompressed), and in names."""
    found = []
    for path in files(folder):
        content = bytes(nib.load(path).to_bytes()) if path.suffix == ".gz" else path.read_bytes()
        name = path.relative_to(folder).as_posix()
        found += [f"{name}: {word}" for word in words if word.encode() in content or word in name]
    return found
