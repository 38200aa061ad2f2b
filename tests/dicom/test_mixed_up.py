"""Two patients or two takes of one stack are never mixed up, and one bad file does not hide the others."""

import numpy as np
import pydicom
import pytest
from helpers.bundle_run import run_bundle
from helpers.dicom_phantom import PHASES, SLICES, files
from helpers.dicom_study import copy_series, edit, read, write_study
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless, generate_uid
from scripts.conventions import ConfigError
from scripts.dicom.study import Study, StudyReader, UnreadableStudy


@pytest.fixture
def folder(tmp_path):
    return write_study(tmp_path / "in", "ge")


def tagged(**values):
    def change(image):
        for keyword, value in values.items():
            setattr(image, keyword, value)

    return change


def error_of(folder):
    (found,) = StudyReader(folder).studies()
    assert isinstance(found, UnreadableStudy) and "Fix: " in str(found.error)
    return str(found.error)


def cine_files(folder):
    return [path for path in files(folder) if pydicom.dcmread(path).SeriesDescription == "SAX FIESTA CINE"]


@pytest.mark.parametrize("tags", [{"PatientID": "BOB"}, {"PatientID": "", "PatientName": "BOB^B"}])
def test_two_patients_under_one_study_number_are_not_one_study(folder, tags):
    edit(folder, tagged(PatientID="ALICE" if tags["PatientID"] else "", PatientName="ALICE^A"))
    edit(folder, tagged(**tags), "t2_stir", "ge")
    text = error_of(folder)
    assert "images of 2 patients under one StudyInstanceUID" in text and "BOB" not in text and "ALICE" not in text


def test_a_name_written_in_two_ways_under_one_number_is_one_patient(folder):
    edit(folder, tagged(PatientID="7", PatientName="ALICE^A"))
    edit(folder, tagged(PatientName="Alice^A^^^"), "t2_stir", "ge")
    edit(folder, tagged(PatientID=""), "lge", "ge")
    assert set(read(folder).volumes) == {"cine", "t2_stir", "lge"}


def test_images_without_a_study_number_are_kept_apart_by_patient(tmp_path):
    for name in ("ALICE", "BOB"):
        one = write_study(tmp_path / "in" / name, "ge")
        edit(one, tagged(PatientID=name, StudyInstanceUID="", FrameOfReferenceUID=""))
    studies = list(StudyReader(tmp_path / "in").studies())
    assert len({study.name for study in studies}) == 2 and all(isinstance(study, Study) for study in studies)
    assert all(set(study.volumes) == {"cine", "t2_stir", "lge"} for study in studies)


def test_a_second_patient_with_the_same_image_numbers_is_no_copy(tmp_path):
    for name in ("ALICE", "BOB"):
        one = write_study(tmp_path / "in" / name, "ge")
        edit(one, tagged(PatientID=name, StudyInstanceUID=f"1.2.{len(name)}"))
    studies = list(StudyReader(tmp_path / "in").studies())
    assert len(studies) == 2 and not any("copy of an image" in str(study.report["other_files"]) for study in studies)


def taken_again(folder, **changes):
    """Each image of the cine once more in its own series, ``later`` ms after and ``aside`` mm along x."""
    for path in cine_files(folder):
        image = pydicom.dcmread(path)
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        image.TriggerTime = float(image.TriggerTime) + changes.get("later", 0)
        x, y, z = map(float, image.ImagePositionPatient)
        row = np.array(image.ImageOrientationPatient[:3], float) * changes.get("aside", 0)
        image.ImagePositionPatient = [x + row[0], y + row[1], z + row[2]]
        image.save_as(path.with_name(f"again_{path.name}"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"aside": 12, "later": 40}, "images of one slice 12.0 mm apart"),
        ({"later": 0.5}, "two images of nearly every phase"),
        ({}, "two images of nearly every phase"),
    ],
)
def test_two_takes_of_a_cine_in_one_series_are_not_read_as_one_of_twice_the_phases(folder, changes, text):
    taken_again(folder, **changes)
    assert f"cine: {text}; the stack was taken twice in one series" in error_of(folder)


def test_a_cine_slice_in_another_frame_of_reference_is_not_merged_until_its_series_is_picked(folder):
    wanted = read(folder).volumes["cine"].array
    last = max(pydicom.dcmread(path).AcquisitionNumber for path in cine_files(folder))

    def elsewhere(image):
        if image.AcquisitionNumber == last:
            image.FrameOfReferenceUID = "1.2.9"

    edit(folder, elsewhere, "cine", "ge")
    text = error_of(folder)
    assert "found 2 stacks that fit" in text and "1 parallel slice goes on with the stack" in text
    assert "another FrameOfReferenceUID" in text and 'Fix: --cine_series "4" takes them as one stack' in text
    assert f"{SLICES - 1} slices, {(SLICES - 1) * PHASES} images" in text and f"1 slices, {PHASES} images" in text
    np.testing.assert_array_equal(read(folder, series={"cine": "4"}).volumes["cine"].array, wanted)


def test_a_link_to_itself_hides_no_other_file(folder):
    wanted = read(folder).volumes["cine"].array
    for place in {path.parent for path in files(folder)}:
        for name in ("A", "M", "Z"):
            (place / name).symlink_to(name)
    study = read(folder)
    np.testing.assert_array_equal(study.volumes["cine"].array, wanted)
    assert any("leads nowhere" in reason for reason in study.report["other_files"])


def test_of_a_copy_cut_short_and_a_whole_one_the_whole_one_is_read(folder):
    wanted = read(folder).volumes["cine"].array
    path = cine_files(folder)[2]
    path.with_name(f"0_{path.name}").write_bytes(path.read_bytes()[:-200])
    np.testing.assert_array_equal(read(folder).volumes["cine"].array, wanted)


@pytest.mark.slow
def test_a_damaged_compressed_image_is_a_study_that_cannot_be_read(folder):
    path = cine_files(folder)[1]
    image = pydicom.dcmread(path)
    image.compress(RLELossless, encoding_plugin="pydicom")
    image.save_as(path)
    whole = path.read_bytes()
    assert read(folder).volumes["cine"].array.shape[3] == PHASES
    rng = np.random.default_rng(5)
    for _ in range(30):
        broken = bytearray(whole[: len(whole) - int(rng.integers(0, 400))])
        for place in rng.integers(len(broken) - 600, len(broken), 8):
            broken[place] = rng.integers(256)
        path.write_bytes(broken)
        (found,) = StudyReader(folder).studies()
        assert isinstance(found, Study) or "pixel" in str(found.error)
    path.write_bytes(whole[:-150])
    assert "cine, series 4, image 2: " in error_of(folder) and "export the series again" in error_of(folder)


def test_a_deflated_file_cut_short_is_left_out(folder):
    path = next(path for path in files(folder) if path not in cine_files(folder))
    image = pydicom.dcmread(path)
    image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    image.save_as(path)
    path.write_bytes(path.read_bytes()[:-60])
    assert read(folder).report["other_files"]["DICOM with a damaged header"] == 1


def test_a_rescale_without_value_changes_nothing(folder):
    wanted = read(folder).volumes["cine"].array
    edit(folder, tagged(RescaleSlope=None, RescaleIntercept=None), "cine", "ge")
    np.testing.assert_array_equal(read(folder).volumes["cine"].array, wanted)
    edit(folder, tagged(RescaleSlope="2", RescaleIntercept=None), "cine", "ge")
    np.testing.assert_array_equal(read(folder).volumes["cine"].array, 2 * wanted)


def test_what_this_software_made_cannot_be_picked_as_acquired(folder):
    number = next(i.SeriesNumber for i in map(pydicom.dcmread, files(folder)) if "PS:" in i.SeriesDescription)
    edit(folder, lambda image: image.SeriesNumber == number and setattr(image, "SeriesDescription", "VIRTUAL LGE"))
    with pytest.raises(ConfigError, match="this software"):
        read(folder, series={"lge": str(number)})


def test_candidates_without_numbers_are_named_by_hashes_that_pick_them_and_no_uid_is_said(folder, tmp_path):
    copy_series(folder, "cine", lambda image: None, "ge")
    edit(folder, tagged(SeriesNumber=None), "cine", "ge")
    key = {"key_file": tmp_path / "site.key"}
    (found,) = StudyReader(folder, **key).studies()
    text = str(found.error)
    uids = {pydicom.dcmread(path).SeriesInstanceUID for path in cine_files(folder)}
    assert len(uids) == 2 and not any(uid in text for uid in uids) and "magnitude" not in text
    pick = text.rpartition('--cine_series "')[2].rstrip('"')
    assert read(folder, series={"cine": pick}, **key).volumes["cine"].array.shape[3] == PHASES


@pytest.mark.slow
def test_the_flag_of_the_table_works_as_it_is_typed(folder, tmp_path):
    numbers = iter(range(50, 50 + SLICES * PHASES))
    series = {}

    def own_series(image):
        image.SeriesNumber, image.SeriesInstanceUID = series.setdefault(
            image.AcquisitionNumber, (next(numbers), generate_uid())
        )

    edit(folder, own_series, "cine", "ge")
    pick = ",".join(str(number) for number, _ in series.values())
    done = run_bundle(
        "--config_file", "configs/import_study.json", "--dicom_dir", folder, "--output_dir", tmp_path / "out",
        "--key_file", "none", "--cine_series", pick,
    )  # fmt: skip
    assert "," in pick and done.returncode == 0, done.stderr
