"""Images with one SOPInstanceUID: copies are read once, others are kept and said."""

import numpy as np
import pydicom
import pytest
from helpers.dicom_phantom import PHASES, SLICES, files
from helpers.dicom_study import edit, read, write_study
from pydicom.uid import RLELossless
from scripts.dicom.copies import same_pixels

COPY = "copy of an image that was read"


@pytest.fixture
def folder(tmp_path):
    return write_study(tmp_path, "ge")


def cine_files(folder):
    return [path for path in files(folder) if pydicom.dcmread(path).SeriesDescription == "SAX FIESTA CINE"]


def test_one_number_for_all_images_of_a_series_loses_none(folder):
    wanted = read(folder).volumes["cine"].array

    def one_number(image):
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = "1.2.5"

    edit(folder, one_number, "cine", "ge")
    study = read(folder)
    np.testing.assert_array_equal(study.volumes["cine"].array, wanted)
    assert COPY not in study.report["other_files"]
    assert f"{SLICES * PHASES - 1} images have the SOPInstanceUID of another image" in " ".join(study.report["notes"])


def test_other_pixels_under_the_number_and_place_of_an_image_are_no_copy(folder):
    path = cine_files(folder)[0]
    image = pydicom.dcmread(path)
    image.PixelData = (image.pixel_array + 1).astype("<u2").tobytes()
    image.save_as(path.with_name("other"))
    study = read(folder)
    assert COPY not in study.report["other_files"]
    assert "1 images have the SOPInstanceUID of another image" in " ".join(study.report["notes"])


def test_a_copy_in_another_series_with_other_words_is_still_a_copy(folder):
    path = cine_files(folder)[0]
    image = pydicom.dcmread(path)
    image.SeriesInstanceUID, image.SeriesNumber, image.SeriesDescription = "1.2.6", 99, "COPY"
    image.save_as(path.with_name("other"))
    study = read(folder)
    assert study.report["other_files"][COPY] == 1
    assert not any("SOPInstanceUID" in note for note in study.report["notes"])


def test_pixels_are_the_same_whatever_their_encoding_and_when_one_file_is_cut_short(folder, tmp_path):
    first, second = cine_files(folder)[:2]
    packed, short = tmp_path / "packed", tmp_path / "short"
    image = pydicom.dcmread(first)
    image.compress(RLELossless, encoding_plugin="pydicom")
    image.save_as(packed)
    short.write_bytes(first.read_bytes()[:-200])
    assert same_pixels(first, packed) and same_pixels(first, short) and same_pixels(first, first)
    assert not same_pixels(first, second) and not same_pixels(packed, second)
