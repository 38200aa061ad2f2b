"""Choice of series in awkward exports: two different things are neither merged nor guessed between."""

import numpy as np
import pydicom
import pytest
from helpers.dicom_phantom import COLUMNS, DESCRIPTIONS, PHASES, ROWS, SLICES, files, subject
from helpers.dicom_study import copy_series, edit, read, write_study
from scripts.dicom.study import StudyReader, UnreadableStudy


@pytest.fixture
def folder(tmp_path):
    return write_study(tmp_path, "ge")


def error_of(folder, **picks):
    (found,) = StudyReader(folder, **picks).studies()
    assert isinstance(found, UnreadableStudy) and "Fix: " in str(found.error)
    assert len(str(found.error).splitlines()) <= 10
    return str(found.error)


def moved(mm, along="normal", **more):
    """Moves an image along its normal or its rows, and sets tags."""

    def change(image):
        row, column = np.array(image.ImageOrientationPatient, float).reshape(2, 3)
        step = np.cross(row, column) if along == "normal" else row
        image.ImagePositionPatient = (np.array(image.ImagePositionPatient, float) + mm * step).tolist()
        for keyword, value in more.items():
            setattr(image, keyword, value)

    return change


def test_a_second_cine_between_the_slices_of_the_first_is_not_merged_with_it(folder):
    copy_series(folder, "cine", moved(4.8), "ge")
    assert "cine: found 2 stacks that fit" in error_of(folder)


@pytest.mark.slow
@pytest.mark.parametrize("sequence", ["t2_stir", "lge"])
def test_an_optional_role_in_doubt_is_left_out_with_a_flag_and_a_pick_decides(folder, sequence):
    copy_series(folder, sequence, moved(4.8), "ge")
    study = read(folder)
    assert sequence not in study.volumes and study.report["flags"] == [f"{sequence}_in_doubt"]
    (note,) = (note for note in study.report["notes"] if "in doubt" in note)
    assert "found 2 stacks that fit" in note and "Fix: pick one by number, UID or hashed UID" in note
    rows = [row for row in study.report["not_used"] if row["tried"] == sequence and "stacks that fit" in row["reason"]]
    numbers = sorted(row["series_number"] for row in rows)
    assert len(numbers) == 2 and numbers[1] == numbers[0] + 100
    picked = read(folder, series={sequence: numbers[1]})
    assert picked.volumes[sequence].array.shape[2] == SLICES and picked.report["flags"] == []
    assert f"{sequence}: found 2 stacks that fit" in error_of(folder, series={sequence: f"{numbers[0]},{numbers[1]}"})


def test_another_frame_of_reference_is_another_place_unless_the_user_says_otherwise(folder):
    edit(folder, moved(9.6, FrameOfReferenceUID="1.2.9"), "lge", "ge")
    edit(folder, lambda image: image.SeriesDescription != "SAX 2D MDE")
    study = read(folder)
    assert "lge" not in study.volumes
    assert "the patient was moved in between" in " ".join(one["reason"] for one in study.report["not_used"])
    number = next(i.SeriesNumber for i in map(pydicom.dcmread, files(folder)) if "PS:" in i.SeriesDescription)
    assert "lge" in read(folder, series={"lge": number}).volumes


def again(folder, sequence, slices, factor=1):
    """The images of some slices once more in their own series, 77 in every pixel, taken later."""
    name = DESCRIPTIONS["ge"][("cine", "t2_stir", "lge").index(sequence)]
    for path in files(folder):
        image = pydicom.dcmread(path)
        if image.SeriesDescription == name and image.AcquisitionNumber in slices:
            image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"{image.SOPInstanceUID}.9"
            image.InstanceNumber += 1000
            image.AcquisitionTime = "235900"
            image.PixelData = np.full((ROWS, COLUMNS), 77, "<u2").tobytes()
            if "TriggerTime" in image:
                image.TriggerTime = float(image.TriggerTime) + 3
            image.save_as(path.with_name(f"again_{path.name}"))


@pytest.mark.slow
@pytest.mark.parametrize("sequence", ["cine", "t2_stir", "lge"])
def test_a_slice_taken_again_in_its_series_is_used_in_its_later_form(folder, sequence):
    again(folder, sequence, {2})
    study = read(folder)
    array = study.volumes[sequence].array
    assert array.shape == (COLUMNS, ROWS, SLICES, PHASES if sequence == "cine" else 1)
    assert [set(np.unique(array[:, :, k])) == {77} for k in range(SLICES)] == [False, True, False]
    assert f"{sequence}: 1 slices were taken again" in " ".join(study.report["notes"])


@pytest.mark.slow
@pytest.mark.parametrize("sequence", ["cine", "t2_stir"])
def test_a_slice_taken_again_as_a_series_of_its_own_replaces_no_other_slice(folder, sequence):
    def second(image):
        image.PixelData = np.full((ROWS, COLUMNS), 77, "<u2").tobytes()
        return image.AcquisitionNumber == 2

    copy_series(folder, sequence, second, "ge")
    study = read(folder, series={sequence: ",".join(numbers_of(folder, sequence))})
    array = study.volumes[sequence].array
    assert [set(np.unique(array[:, :, k])) == {77} for k in range(SLICES)] == [False, True, False]


def numbers_of(folder, sequence):
    name = DESCRIPTIONS["ge"][("cine", "t2_stir", "lge").index(sequence)]
    return sorted({str(i.SeriesNumber) for i in map(pydicom.dcmread, files(folder)) if i.SeriesDescription == name})


def test_two_images_in_every_slice_of_an_lge_are_not_guessed_between(folder):
    again(folder, "lge", {1, 2, 3})
    study = read(folder)
    assert "lge" not in study.volumes
    assert "several images that the tags do not tell apart" in " ".join(study.report["notes"])


@pytest.mark.slow
def test_ge_s_private_component_tells_magnitude_from_psir_in_one_series(folder):
    def as_one_series(image):
        component = {"SAX PS:MDE": 2, "SAX 2D MDE": 0}.get(image.SeriesDescription)
        if component is not None:
            image.SeriesInstanceUID, image.SeriesNumber, image.SeriesDescription = "1.2.7", 7, "SAX PSMDE"
            block = image.private_block(0x0043, "GEMS_PARM_01", create=True)
            block.add_new(0x2F, "SS", component)

    edit(folder, as_one_series)
    study = read(folder)
    assert study.report["used"]["lge"]["kind"] == "psir"
    found, expected = study.volumes["lge"].array, subject("ge").volumes["lge"]
    np.testing.assert_array_equal(np.sort(found, axis=None), np.sort(expected, axis=None))


def test_corrected_real_images_are_phase_sensitive(folder):
    edit(folder, lambda image: setattr(image, "ImageType", ["ORIGINAL", "PRIMARY", "CR_IR", "CR", "IR"]), "lge", "ge")
    assert read(folder).report["used"]["lge"]["kind"] == "psir"


def test_a_long_axis_alone_is_no_short_axis(folder):
    edit(folder, lambda image: "SAX FIESTA" not in image.SeriesDescription)
    text = error_of(folder)
    assert "no short-axis cine" in text and text.count("a long axis by its name") == 2 and "UID " in text


def test_triggers_that_hardly_move_make_no_cine(folder):
    def jitter(image):
        image.TriggerTime = 300.0 + 0.02 * float(image.TriggerTime)

    edit(folder, jitter, "cine", "ge")
    assert "SAX" not in error_of(folder)


def test_a_lost_phase_does_not_shift_the_others_in_time(folder):
    last = max(float(i.TriggerTime) for i in map(pydicom.dcmread, files(folder)) if "SAX FIESTA" in i.SeriesDescription)
    edit(folder, lambda i: not (i.AcquisitionNumber == 2 and float(i.TriggerTime) == last), "cine", "ge")
    study = read(folder)
    assert study.volumes["cine"].times_ms == pytest.approx((0.0, 214.3, 428.6), abs=0.1)
    expected = np.sort(subject("ge").volumes["cine"][..., :3], axis=None)
    np.testing.assert_array_equal(np.sort(study.volumes["cine"].array, axis=None), expected)
    assert "differ by up to 0 % of a heartbeat" in " ".join(study.report["notes"])


def test_one_missing_trigger_time_does_not_reorder_the_phases(folder):
    before = read(folder).volumes["cine"].array

    def forget(image):
        if image.AcquisitionNumber == 2 and 400 < float(image.TriggerTime) < 450:
            image.TriggerTime = None

    edit(folder, forget, "cine", "ge")
    np.testing.assert_array_equal(read(folder).volumes["cine"].array, before)


@pytest.mark.slow
def test_a_slightly_tilted_slice_is_not_taken_for_parallel(folder):
    def tilt(image):
        if image.AcquisitionNumber == 3:
            row, column = np.array(image.ImageOrientationPatient, float).reshape(2, 3)
            turned = np.cos(0.04) * column + np.sin(0.04) * np.cross(row, column)
            image.ImageOrientationPatient = [*row, *turned]

    edit(folder, tilt, "cine", "ge")
    assert "found 2 stacks that fit" in error_of(folder)


def test_one_lge_slice_of_another_matrix_does_not_stop_the_study(folder):
    def cropped(image):
        image.Rows = ROWS - 4
        image.PixelData = image.pixel_array[: ROWS - 4].tobytes()
        return image.AcquisitionNumber == 2

    copy_series(folder, "lge", cropped, "ge")
    study = read(folder)
    assert study.volumes["lge"].array.shape[2] == SLICES
    assert "far fewer slices" in " ".join(one["reason"] for one in study.report["not_used"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Stress_CMR cine sax", "cine_sax_workflow", "cine sax PCI follow up"])
def test_parts_of_words_do_not_reject_a_cine(folder, name):
    edit(folder, lambda image: setattr(image, "ProtocolName", name), "cine", "ge")
    assert read(folder).volumes["cine"].array.shape[2] == SLICES


def test_a_triple_inversion_that_gives_the_time_of_blood_is_known_by_its_name(folder):
    edit(folder, lambda image: setattr(image, "InversionTime", 600.0), "t2_stir", "ge")
    assert "named as STIR" in read(folder).report["used"]["t2_stir"]["why"]
