"""Slices that go on with a stack in another matrix: joined pixel on pixel, or named as what they are."""

import numpy as np
import pydicom
import pytest
from helpers.dicom_phantom import COLUMNS, PHASES, ROWS, SLICES, files, subject
from helpers.dicom_study import edit, read, write_study
from scripts.dicom.matrix import on_grid
from scripts.dicom.source_headers import source_headers
from scripts.dicom.study import StudyReader, UnreadableStudy


def enlarged(left, top, *, aside=0.0, spacing=None, which=1):
    """Images of slice ``which`` with a border of 9: ``left`` columns, ``top`` rows, moved ``aside`` pixels in x."""

    def change(image):
        if image.AcquisitionNumber != which and image.SeriesNumber != which:
            return
        image.PixelData = np.pad(image.pixel_array, ((top, top), (left, left)), constant_values=9).tobytes()
        image.Rows, image.Columns = ROWS + 2 * top, COLUMNS + 2 * left
        row, column = np.array(image.ImageOrientationPatient, float).reshape(2, 3)
        between_rows, between_columns = map(float, image.PixelSpacing)
        corner = np.array(image.ImagePositionPatient, float) - top * between_rows * column
        image.ImagePositionPatient = (corner - (left + aside) * between_columns * row).tolist()
        image.PixelSpacing = spacing or image.PixelSpacing

    return change


def slice_series(folder):
    images = [pydicom.dcmread(path) for path in files(folder)]
    return sorted({image.SeriesNumber for image in images if "retro_sax" in image.SeriesDescription})


def error_of(folder, **picks):
    (found,) = StudyReader(folder, **picks).studies()
    assert isinstance(found, UnreadableStudy) and len(str(found.error).splitlines()) <= 10
    return str(found.error)


@pytest.mark.slow
@pytest.mark.parametrize("vendor", ["siemens", "ge"])
@pytest.mark.parametrize(("left", "top"), [(2, 0), (3, 4)])
def test_a_slice_of_a_larger_matrix_is_cut_to_the_others_at_its_place(tmp_path, vendor, left, top):
    folder = write_study(tmp_path, vendor)
    wanted = read(folder).volumes["cine"]
    which = slice_series(folder)[-1] if vendor == "siemens" else SLICES
    edit(folder, enlarged(left, top, which=which), "cine", vendor)
    study = read(folder)
    found = study.volumes["cine"]
    np.testing.assert_array_equal(found.array, wanted.array)
    np.testing.assert_allclose(found.affine("cine"), wanted.affine("cine"), atol=1e-4)
    (note,) = (note for note in study.report["notes"] if "another matrix" in note)
    assert f"1 of {SLICES} slices" in note and f"{COLUMNS + 2 * left}x{ROWS + 2 * top}" in note
    headers = source_headers(found)
    assert {(header.Columns, header.Rows) for header in headers} == {(COLUMNS, ROWS)}


def test_a_slice_of_a_smaller_matrix_is_filled(tmp_path):
    folder = write_study(tmp_path, "ge")
    for which in range(1, SLICES):
        edit(folder, enlarged(2, 1, which=which), "cine", "ge")
    array = read(folder).volumes["cine"].array
    assert array.shape[:2] == (COLUMNS + 4, ROWS + 2)
    expected = np.sort(subject("ge").volumes["cine"], axis=None)
    np.testing.assert_array_equal(np.sort(array[2:-2, 1:-1], axis=None), expected)
    border = np.concatenate([array[:2].ravel(), array[-2:].ravel()])
    assert set(np.unique(border)) == {0, 9}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"aside": 0.5}, "another matrix, between its pixels"),
        ({"spacing": [1.6, 1.6]}, "another pixel size"),
    ],
)
def test_a_slice_that_does_not_fit_the_grid_is_named_and_never_called_long_axis(tmp_path, change, said):
    folder = write_study(tmp_path, "siemens")
    numbers = slice_series(folder)
    edit(folder, enlarged(2, 2, which=numbers[-1], **change))
    text = error_of(folder)
    assert "1 parallel slice goes on with the stack of series" in text and said in text and "long axis" not in text
    pick = ",".join(map(str, numbers[:-1]))
    assert f'--cine_series "{pick}"' in text
    assert read(folder, series={"cine": pick}).volumes["cine"].array.shape[2:] == (SLICES - 1, PHASES)


def test_pixels_are_placed_cut_and_filled_on_a_grid():
    plane = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(on_grid(plane, (0, 0), (2, 3)), plane)
    np.testing.assert_array_equal(on_grid(plane, (-1, 1), (2, 3)), [[0, 3, 4], [0, 0, 0]])
    np.testing.assert_array_equal(on_grid(plane, (5, 5), (2, 3)), np.zeros((2, 3)))
    np.testing.assert_array_equal(on_grid(plane - 9, (1, 0), (2, 3)), [[-9] * 3, [-9, -8, -7]])


def test_lge_slices_that_cannot_be_joined_are_left_out_with_a_note(tmp_path):
    folder = write_study(tmp_path, "ge")
    edit(folder, enlarged(2, 2, aside=0.5, which=SLICES), "lge", "ge")
    study = read(folder)
    assert study.volumes["lge"].array.shape[2] == SLICES - 1
    assert any(note.startswith("lge: series") and "parallel slice" in note for note in study.report["notes"])
