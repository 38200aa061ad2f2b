"""From a folder of DICOM to subject folders, to results and back to DICOM, through the configs; no PHI on the way."""

import csv
import json
import re
import shutil

import nibabel as nib
import numpy as np
import pydicom
import pytest
from helpers.dicom_canaries import traces
from helpers.dicom_phantom import DESCRIPTIONS, files, stacks_in
from helpers.dicom_study import make_enhanced
from helpers.study_jobs import IMPORT, INFER, another_patient, failed_cases, only_folder, run, summary
from helpers.tiny_inference import run_here
from scripts.conventions import DataError
from scripts.datasets.datalist import find_subjects
from scripts.dicom.study import StudyReader, UnreadableStudy
from scripts.phantom.dicom.writer import write_dicom_subject
from scripts.registration.study_alignment import StudyAlignment
from scripts.study.import_job import StudyImport

pytestmark = pytest.mark.slow


def test_an_import_is_layout_1_on_the_cine_grid_with_its_reasons(study_folder, phantom, tmp_path):
    assert run(IMPORT, study_folder, tmp_path / "out", tmp_path) == 0
    folder = only_folder(tmp_path / "out")
    assert {path.name for path in folder.iterdir()} == {
        "cine.nii.gz", "t2_stir.nii.gz", "lge.nii.gz", "meta.json", "import.json"
    }  # fmt: skip
    (entry,) = find_subjects(tmp_path / "out")
    assert entry["subject"] == folder.name and entry.get("t2_stir")
    volumes = {name: nib.load(folder / f"{name}.nii.gz") for name in ("cine", "t2_stir", "lge")}
    for image in volumes.values():
        assert image.shape[:3] == volumes["cine"].shape[:3]
        np.testing.assert_allclose(image.affine, volumes["cine"].affine)
    # the cine is the phantom's, voxel for voxel, at its place in the patient
    to_index = np.linalg.inv(volumes["cine"].affine) @ phantom.affine
    corner = np.rint(to_index @ [3, 4, 0, 1]).astype(int)
    np.testing.assert_array_equal(volumes["cine"].dataobj[tuple(corner[:3])], phantom.volumes["cine"][3, 4, 0])
    report, meta = (json.loads((folder / name).read_text()) for name in ("import.json", "meta.json"))
    assert set(report["alignment"]) == {"t2_stir", "lge"} and len(report["alignment"]["lge"]["slices"]) == 5
    assert len(meta["cine_trigger_times_ms"]) == 5 and meta["vendor"] == "siemens"


def test_the_lge_is_compared_with_the_t2_stir_aligned_before(study_folder, tmp_path, monkeypatch):
    calls, align = [], StudyAlignment.__call__

    def recorded(self, cine, moving, role, before=None):
        found = align(self, cine, moving, role, before)
        calls.append((role, before, found))
        return found

    monkeypatch.setattr(StudyAlignment, "__call__", recorded)
    assert run(IMPORT, study_folder, tmp_path / "out", tmp_path) == 0
    (first, none, stir), (second, before, _) = calls
    assert (first, second) == ("t2_stir", "lge") and none is None and before is stir
    report = json.loads((only_folder(tmp_path / "out") / "import.json").read_text())
    used = [record["compared_with"] for record in report["alignment"]["lge"]["slices"]]
    assert ["cine", "t2_stir"] in used


def test_a_second_import_skips_what_is_there_and_leaves_foreign_folders_alone(study_folder, tmp_path, caplog):
    assert run(IMPORT, study_folder, tmp_path / "out", tmp_path) == 0
    folder = only_folder(tmp_path / "out")
    (folder / "cine.nii.gz").unlink()
    with caplog.at_level("INFO"):
        assert run(IMPORT, study_folder, tmp_path / "out", tmp_path) == 0
    assert "imported before" in caplog.text and not (folder / "cine.nii.gz").exists()
    assert run(IMPORT, study_folder, tmp_path / "out", tmp_path, overwrite=True) == 0
    assert (folder / "cine.nii.gz").exists()
    (tmp_path / "out/mine").mkdir()
    (tmp_path / "out/mine/thesis.txt").write_text("x")
    assert run(IMPORT, study_folder, tmp_path / "out", tmp_path, subject="mine", overwrite=True) == 1
    assert (tmp_path / "out/mine/thesis.txt").exists()


@pytest.fixture(scope="module")
def one_of_two_broken(study_folder, tmp_path_factory):
    """A good study, and one without a cine."""
    folder = tmp_path_factory.mktemp("two")
    shutil.copytree(study_folder, folder / "good")
    shutil.copytree(study_folder, folder / "bad")
    for path in files(folder / "bad"):
        image = pydicom.dcmread(path)
        image.StudyInstanceUID = "1.2.3"
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"{image.SOPInstanceUID[:-2]}77"
        if "cine_tf2d_retro_sax" in image.SeriesDescription:
            path.unlink()
        else:
            image.save_as(path)
    return folder


def test_why_a_study_failed_is_said_without_the_folders_it_lay_in(tmp_path):
    class Unreadable(StudyReader):
        def studies(self):
            yield UnreadableStudy("study_1", DataError(f"{self.dicom_dir}/a.dcm: no such file"))

    with pytest.raises(DataError, match="no such file"):
        StudyImport(Unreadable(tmp_path / "Canaria Vogel"), str(tmp_path / "out"), StudyAlignment()).run()
    (row,) = failed_cases(tmp_path / "out")
    assert row["subject"] == "study_1" and "no such file" in row["reason"] and "Canaria" not in str(row)


def test_one_broken_study_of_two_gives_exit_code_2_and_the_other_s_folder(one_of_two_broken, tmp_path):
    assert run(IMPORT, one_of_two_broken, tmp_path / "out", tmp_path) == 2
    folder = only_folder(tmp_path / "out")
    (row,) = failed_cases(tmp_path / "out")
    assert row["stage"] == "import" and "cine" in row["reason"] and row["next_step"]
    assert row["subject"] != folder.name
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.endswith(".part")]


def test_a_study_that_cannot_be_imported_is_in_the_report_of_the_whole_job(one_of_two_broken, tmp_path, weights):
    out = tmp_path / "out"
    assert run(INFER, one_of_two_broken, out, tmp_path, ckpt_dir=weights, export_dicom=False) == 2
    (row,) = failed_cases(out)
    assert row["stage"] == "import" and row["subject"] in (out / "index.html").read_text()
    assert json.loads((out / "run.json").read_text())["subjects"] == {"written": 1, "written_earlier": 0, "failed": 1}


def test_a_subject_that_cannot_be_exported_keeps_its_results_and_is_in_the_report(
    study_folder, tmp_path, weights, monkeypatch
):
    def refuse(volume):
        raise DataError("no frame of reference. Fix: ask the scanner")

    monkeypatch.setattr("scripts.study.export_job.source_headers", refuse)
    assert run(INFER, study_folder, tmp_path / "out", tmp_path, ckpt_dir=weights) == 2
    folder = only_folder(tmp_path / "out")
    (row,) = failed_cases(tmp_path / "out")
    expected = {"stage": "DICOM export", "reason": "no frame of reference.", "next_step": "ask the scanner"}
    assert row == {"subject": folder.name} | expected
    assert (folder / f"{folder.name}_virtual_lge.nii.gz").is_file()
    (line,) = summary(tmp_path / "out")
    assert (line["subject"], line["status"]) == (folder.name, "written") and line["infarct_percent_lv"]
    # a second run infers nothing, and the result of the first stays in the summary
    assert run(INFER, study_folder, tmp_path / "out", tmp_path, ckpt_dir=weights) == 2
    (again,) = summary(tmp_path / "out")
    assert again["status"] == "written earlier" and again["infarct_percent_lv"] == line["infarct_percent_lv"]


def test_a_study_without_stir_is_imported_and_inferred(study_folder, tmp_path, weights):
    shutil.copytree(study_folder, tmp_path / "in")
    for path in files(tmp_path / "in"):
        if "t2_tirm" in str(path):
            path.unlink()
    assert run(INFER, tmp_path / "in", tmp_path / "out", tmp_path, ckpt_dir=weights, export_dicom=False) == 0
    folder = only_folder(tmp_path / "out")
    result = json.loads((folder / f"{folder.name}_result.json").read_text())
    assert result["sequences"]["missing"] == ["t2_stir"]
    assert not (folder / "dicom").exists()


def test_a_study_goes_in_as_dicom_and_comes_out_as_dicom_in_its_place(study_folder, tmp_path, weights):
    assert run(INFER, study_folder, tmp_path / "out", tmp_path, ckpt_dir=weights) == 0
    folder = only_folder(tmp_path / "out")
    lge = nib.load(folder / f"{folder.name}_virtual_lge.nii.gz")
    ((voxels, affine),) = stacks_in(folder / "dicom/virtual_lge").values()
    np.testing.assert_allclose(affine, lge.affine, atol=1e-3)
    assert np.abs(voxels[..., 0] / 65535 - np.asarray(lge.dataobj)).max() < 1e-3
    # the page leads to the DICOM and to how the study was read
    links = re.findall(r'href="([^"#]+)"', (tmp_path / "out/index.html").read_text())
    assert f"{folder.name}/dicom/" in links and f"nifti/{folder.name}/import.json" in links
    assert all((tmp_path / "out" / link).exists() for link in links)
    # the list of the results lets quantify.json measure and draw them
    measured = {"dataset_dir": tmp_path / "out", "output_dir": tmp_path / "measured", "rv_insertion_degrees": 120.0}
    assert run_here("quantify.json", **measured) == 0
    (row,) = csv.DictReader((tmp_path / "measured/quantification.csv").open())
    assert row["subject"] == folder.name and float(row["lv_myocardium_volume_ml"]) > 0
    source = pydicom.dcmread(files(study_folder)[0], stop_before_pixels=True)
    for path in files(folder / "dicom"):
        image = pydicom.dcmread(path, stop_before_pixels=True)
        assert image.PatientID == source.PatientID and image.StudyInstanceUID == source.StudyInstanceUID
        assert image.SyntheticData == "YES" and "research use only" in image.SeriesDescription
    # our own results in the folder are never taken for acquired images
    shutil.copytree(study_folder, tmp_path / "both/in")
    shutil.copytree(folder / "dicom", tmp_path / "both/out")
    assert run(IMPORT, tmp_path / "both", tmp_path / "again", tmp_path) == 0
    report = json.loads((only_folder(tmp_path / "again") / "import.json").read_text())
    assert "made by this software" in json.dumps(report["not_used"])


def references(dataset):
    """Every ReferencedSOPInstanceUID of an object, at any depth."""
    return [str(element.value) for element in dataset.iterall() if element.keyword == "ReferencedSOPInstanceUID"]


def test_an_enhanced_cine_goes_all_the_way_and_is_named_with_its_frames(phantom, tmp_path, weights):
    folder = write_dicom_subject(phantom, tmp_path / "in")
    for path in files(folder):  # one series for the whole cine, as an enhanced image has it
        image = pydicom.dcmread(path)
        if image.SeriesDescription == DESCRIPTIONS["siemens"][0]:
            image.SeriesInstanceUID, image.SeriesNumber = "1.2.44", 44
            image.save_as(path)
    make_enhanced(folder, "cine", "siemens")
    assert run(INFER, folder, tmp_path / "out", tmp_path, ckpt_dir=weights) == 0
    source = next(i for i in map(pydicom.dcmread, files(folder)) if "NumberOfFrames" in i)
    exported = only_folder(tmp_path / "out") / "dicom"
    frames = set()
    for path in files(exported / "virtual_lge"):
        (reference,) = pydicom.dcmread(path).SourceImageSequence
        assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert reference.ReferencedSOPClassUID == source.SOPClassUID
        frames.add(int(reference.ReferencedFrameNumber))
    assert len(frames) == 5 and max(frames) <= int(source.NumberOfFrames)
    known = {str(pydicom.dcmread(path).SOPInstanceUID) for path in files(exported)} | {str(source.SOPInstanceUID)}
    for name in ("label_seg.dcm", "measurements_sr.dcm"):
        referenced = set(references(pydicom.dcmread(exported / name)))
        assert str(source.SOPInstanceUID) in referenced and referenced <= known


def test_importing_again_keeps_a_label_drawn_by_hand_and_asks_when_the_pick_changed(study_folder, tmp_path, capfd):
    assert run(IMPORT, study_folder, tmp_path / "out", tmp_path) == 0
    folder = only_folder(tmp_path / "out")
    (folder / "label.nii.gz").write_bytes(b"drawn by hand")
    assert run(IMPORT, study_folder, tmp_path / "out", tmp_path, overwrite=True) == 0
    assert (folder / "label.nii.gz").read_bytes() == b"drawn by hand"
    number, uid = next(
        (i.SeriesNumber, i.SeriesInstanceUID)
        for i in map(pydicom.dcmread, files(study_folder))
        if "PSIR" in i.SeriesDescription
    )
    assert run(IMPORT, study_folder, tmp_path / "out", tmp_path, lge_series=number) == 1
    assert "was imported before with other series picked" in capfd.readouterr().err
    assert run(IMPORT, study_folder, tmp_path / "out", tmp_path, lge_series=uid, overwrite=True) == 0
    (folder / "label.nii.gz").unlink()
    assert traces(tmp_path / "out", (uid,)) == []


def test_results_of_other_images_are_gone_when_a_study_takes_their_place(study_folder, tmp_path):
    results = tmp_path / "results/P1"
    (results / "dicom").mkdir(parents=True)
    for name in ("P1_result.json", "P1_label.nii.gz", "dicom/a.dcm", "notes.txt"):
        (results / name).write_text("of the first study")

    def imported(folder):
        reader = StudyReader(folder, subject="P1")
        StudyImport(reader, str(tmp_path / "in"), Unaligned(), overwrite=True, results_dir=str(results.parent)).run()

    class Unaligned(StudyAlignment):
        def __call__(self, *parts):
            raise DataError("not asked for")

    imported(study_folder)
    (results / "P1_result.json").write_text("of this study")
    imported(study_folder)
    assert (results / "P1_result.json").exists()
    imported(another_patient(study_folder, tmp_path / "bob"))
    assert sorted(path.name for path in results.iterdir()) == ["dicom", "notes.txt"]
    assert [path.name for path in (results / "dicom").iterdir()] == ["a.dcm"]


def test_what_the_import_doubts_asks_for_a_review_of_the_result(study_folder, tmp_path, weights):
    folder, again = shutil.copytree(study_folder, tmp_path / "in"), []
    for path in files(folder):
        image = pydicom.dcmread(path)
        image.FrameOfReferenceUID = f"1.2.{image.SeriesNumber}"
        image.save_as(path)
        if DESCRIPTIONS["siemens"][1] in image.SeriesDescription:
            image.SeriesNumber, image.SeriesInstanceUID, image.AcquisitionTime = 99, "1.2.99.1", "235959"
            image.FrameOfReferenceUID = "1.2.99"
            image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"{image.SOPInstanceUID[:50]}.9"
            again.append(image)
    for number, image in enumerate(again):
        image.save_as(folder / f"again{number}.dcm")
    out = tmp_path / "out"
    assert run(INFER, folder, out, tmp_path, ckpt_dir=weights, export_dicom=False) == 0
    subject = only_folder(out / "nifti").name
    result = json.loads((out / subject / f"{subject}_result.json").read_text())
    messages = {flag["flag"]: flag["message"] for flag in result["qc"]}
    assert {"frame_of_reference_made_up", "t2_stir_in_doubt"} <= set(messages) and result["review_needed"]
    assert "2 stacks that fit" in messages["t2_stir_in_doubt"] and len(messages["t2_stir_in_doubt"].splitlines()) == 1
