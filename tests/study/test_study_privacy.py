"""No name reaches a screen, a log or another patient's folder on the way from DICOM to results and back."""

import shutil

import pydicom
import pytest
from helpers.dicom_canaries import plant, traces
from helpers.dicom_phantom import files
from helpers.study_jobs import IMPORT, INFER, another_patient, exported, only_folder, run

pytestmark = pytest.mark.slow


def test_a_second_patient_under_the_same_name_never_gets_the_first_one_s_result(study_folder, tmp_path, weights, capfd):
    out, other = tmp_path / "out", another_patient(study_folder, tmp_path / "bob")
    assert run(INFER, study_folder, out, tmp_path, ckpt_dir=weights, subject="P1") == 0
    before, first = (out / "P1/P1_virtual_lge.nii.gz").read_bytes(), exported(out / "P1/dicom")
    assert run(INFER, other, out, tmp_path, ckpt_dir=weights, subject="P1") == 1
    assert "P1: was imported before from other images" in capfd.readouterr().err
    assert exported(out / "P1/dicom") == first != {"BOB"}
    assert run(INFER, other, out, tmp_path, ckpt_dir=weights, subject="P1", overwrite=True) == 0
    assert exported(out / "P1/dicom") == {"BOB"} and (out / "P1/P1_virtual_lge.nii.gz").read_bytes() != before


def test_a_name_without_separators_stays_off_the_screen(study_folder, tmp_path, weights, recwarn, capfd):
    shutil.copytree(study_folder, tmp_path / "in")
    for path in files(tmp_path / "in"):
        image = pydicom.dcmread(path)
        image.PatientName = "CANARIA VOGEL"
        image.save_as(path)
    assert run(INFER, tmp_path / "in", tmp_path / "out", tmp_path, ckpt_dir=weights) == 0
    assert "CANARIA" not in "".join([*capfd.readouterr(), *(str(warning.message) for warning in recwarn)])


def test_a_name_that_leads_out_of_the_folder_is_refused(study_folder, tmp_path):
    assert run(IMPORT, study_folder, tmp_path / "out", tmp_path, subject="../escape") == 1
    assert not (tmp_path / "escape").exists()


def test_a_damaged_birth_date_stays_out_of_the_log_and_does_not_stop_the_export(
    study_folder, tmp_path, weights, capfd, caplog
):
    shutil.copytree(study_folder, tmp_path / "in")
    for path in files(tmp_path / "in"):
        image = pydicom.dcmread(path)
        image.PatientBirthDate = "19340506"
        image.save_as(path)
        path.write_bytes(path.read_bytes().replace(b"19340506", b"19349906"))
    with caplog.at_level("DEBUG"):
        assert run(INFER, tmp_path / "in", tmp_path / "out", tmp_path, ckpt_dir=weights) == 0
    said = "".join(capfd.readouterr()) + caplog.text
    assert "PatientBirthDate is no valid DA" in said and "19349906" not in said


@pytest.mark.parametrize("deidentify", [False, True])
def test_no_text_of_the_source_is_in_any_output_but_the_exported_objects(
    study_folder, tmp_path, weights, capfd, caplog, deidentify
):
    folder = plant(shutil.copytree(study_folder, tmp_path / "in"))
    with caplog.at_level("DEBUG"):
        assert run(INFER, folder, tmp_path / "out", tmp_path, ckpt_dir=weights, deidentify=deidentify) == 0
    exported = only_folder(tmp_path / "out") / "dicom"
    assert bool(traces(exported)) is not deidentify
    shutil.rmtree(exported)
    assert traces(tmp_path / "out") == []
    said = "".join(capfd.readouterr()) + caplog.text
    assert "Canaria" not in said and "19340506" not in said
    uid = pydicom.dcmread(files(folder)[0]).StudyInstanceUID
    assert traces(tmp_path / "out", (uid,)) == [] and uid not in said
