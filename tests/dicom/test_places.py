"""FrameOfReferenceUIDs that were made up do not tear a study apart; those that may be true are believed and said."""

import numpy as np
import pydicom
import pytest
from helpers.dicom_phantom import files
from helpers.dicom_study import edit, read, write_study
from pydicom.uid import generate_uid
from scripts.dicom.study import StudyReader, UnreadableStudy


def new_place(key):
    """A new FrameOfReferenceUID for each value of ``key``."""
    places = {}

    def change(image):
        image.FrameOfReferenceUID = places.setdefault(key(image), generate_uid())

    return change


@pytest.mark.slow
@pytest.mark.parametrize("vendor", ["siemens", "philips"])
@pytest.mark.parametrize(
    ("key", "said"),
    [("SeriesInstanceUID", "series has its own"), ("SOPInstanceUID", "differs between the images of series")],
)
def test_one_per_series_or_per_image_changes_no_voxel_and_is_said(tmp_path, vendor, key, said):
    folder = write_study(tmp_path, vendor)
    wanted = read(folder)
    edit(folder, new_place(lambda image: str(image[key].value)))
    study = read(folder)
    assert set(study.volumes) == {"cine", "t2_stir", "lge"}
    for role, voxels in study.volumes.items():
        np.testing.assert_array_equal(voxels.array, wanted.volumes[role].array)
    (note,) = (note for note in study.report["notes"] if "FrameOfReferenceUID" in note)
    assert said in note and study.report["flags"] == ["frame_of_reference_made_up"]
    assert "flags" not in wanted.meta and study.meta["flags"][0]["message"] == note


def test_an_lge_in_another_place_is_there_but_not_used_and_the_note_says_why(tmp_path):
    folder = write_study(tmp_path, "philips")

    def elsewhere(image):
        if "IR_TFE" in image.SeriesDescription or "PSIR" in image.SeriesDescription:
            image.FrameOfReferenceUID = "1.2.9"

    edit(folder, elsewhere)
    study = read(folder)
    (note,) = (note for note in study.report["notes"] if note.startswith("lge"))
    assert "there, but not used" in note and "another frame of reference" in note and "--lge_series" in note
    assert "lge" not in study.volumes


def test_breath_holds_in_two_places_are_one_stack_when_they_are_picked(tmp_path):
    folder = write_study(tmp_path, "siemens")
    wanted = read(folder).volumes["cine"].array
    images = [pydicom.dcmread(path) for path in files(folder)]
    numbers = sorted({image.SeriesNumber for image in images if "retro_sax" in image.SeriesDescription})

    def elsewhere(image):
        if image.SeriesNumber == numbers[-1]:
            image.FrameOfReferenceUID = "1.2.9"

    edit(folder, elsewhere)
    (found,) = StudyReader(folder).studies()
    pick = ",".join(map(str, numbers))
    assert isinstance(found, UnreadableStudy) and f'Fix: --cine_series "{pick}" takes them as one' in str(found.error)
    assert not any("long axis" in row["reason"] for row in found.report["not_used"] if row["series_number"] in numbers)
    study = read(folder, series={"cine": pick})
    np.testing.assert_array_equal(study.volumes["cine"].array, wanted)
    assert set(study.volumes) == {"cine", "t2_stir", "lge"}
