"""Of an acquisition that is stored twice the better one is used; what is drawn upon or derived loses."""

import numpy as np
import pytest
from helpers.dicom_phantom import PHASES
from helpers.dicom_study import copy_series, edit, read, write_study

ND = ["ORIGINAL", "PRIMARY", "M", "RETRO", "ND"]


def changed(**tags):
    """Every pixel 1 more, so that it shows which series is used, and other tags."""

    def change(image):
        image.PixelData = (image.pixel_array + 1).astype("<u2").tobytes()
        for keyword, one in tags.items():
            setattr(image, keyword, one)

    return change


@pytest.mark.slow
@pytest.mark.parametrize("vendor", ["siemens", "ge"])
def test_the_corrected_one_of_twins_is_used_whether_slices_are_series_or_not(tmp_path, vendor):
    folder = write_study(tmp_path, vendor)
    kind = ["ORIGINAL", "PRIMARY", "M", "RETRO", "NORM", "DIS2D"]
    edit(folder, lambda image: setattr(image, "ImageType", kind), "cine", vendor)
    wanted = read(folder).volumes["cine"].array
    copy_series(folder, "cine", changed(ImageType=ND), vendor)
    study = read(folder)
    np.testing.assert_array_equal(study.volumes["cine"].array, wanted)
    rows = [row for row in study.report["not_used"] if row["series_number"] > 100]
    assert rows and all("without the scanner's corrections" in row["reason"] for row in rows)
    number = ",".join(str(row["series_number"]) for row in rows)
    np.testing.assert_array_equal(read(folder, series={"cine": number}).volumes["cine"].array, wanted + 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "tags",
    [
        {"ImageType": ["DERIVED", "SECONDARY", "OTHER"]},
        {"ImageType": ["DERIVED", "PRIMARY", "M"]},
        {"SeriesDescription": "SAX FIESTA CINE contours"},
    ],
)
def test_a_derived_copy_loses_against_the_acquired_series(tmp_path, tags):
    folder = write_study(tmp_path, "ge")
    wanted = read(folder).volumes["cine"].array
    copy_series(folder, "cine", changed(AcquisitionTime="235900", **tags), "ge")
    study = read(folder)
    np.testing.assert_array_equal(study.volumes["cine"].array, wanted)
    (row,) = (row for row in study.report["not_used"] if row["series_number"] > 100)
    assert "a derived copy" in row["reason"] and (row["tried"], row["phases"]) == ("cine", PHASES)


def test_derived_images_alone_are_used_and_it_is_said(tmp_path):
    folder = write_study(tmp_path, "ge")
    edit(folder, lambda image: setattr(image, "ImageType", ["DERIVED", "SECONDARY", "OTHER"]), "cine", "ge")
    study = read(folder)
    assert "cine: called derived by ImageType or name" in " ".join(study.report["notes"])
    assert study.report["flags"] == ["cine_derived"]


def test_a_second_acquisition_at_another_time_is_no_twin(tmp_path):
    folder = write_study(tmp_path, "ge")
    copy_series(folder, "lge", changed(AcquisitionTime="235900", ImageType=[*ND, "PSIR"]), "ge")
    assert read(folder).report["flags"] == ["lge_in_doubt"]
