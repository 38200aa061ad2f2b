"""A study that cannot be imported leaves the table of its series, apart from the subjects."""

import json
import shutil

import pydicom
import pytest
from helpers.dicom_canaries import plant, traces
from helpers.dicom_phantom import files
from helpers.study_jobs import IMPORT, INFER, failed_cases, only_folder, run
from scripts.datasets.layouts import read_layout

pytestmark = pytest.mark.slow

KEYS = {"series_number", "images", "slices", "phases", "tried", "reason"}


def without_cine(folder):
    for path in files(folder):
        if "retro_sax" in pydicom.dcmread(path, stop_before_pixels=True).SeriesDescription:
            path.unlink()
    return folder


@pytest.fixture(scope="module")
def refused(study_folder, tmp_path_factory):
    return without_cine(shutil.copytree(study_folder, tmp_path_factory.mktemp("refused") / "in"))


def report_in(folder):
    (path,) = (folder / "_not_imported").glob("*/import.json")
    return json.loads(path.read_text())


def test_a_refusal_has_the_keys_of_a_success_and_a_row_for_every_series(study_folder, refused, tmp_path, capfd, caplog):
    assert run(IMPORT, study_folder, tmp_path / "good", tmp_path) == 0
    good = json.loads((only_folder(tmp_path / "good") / "import.json").read_text())
    capfd.readouterr()
    with caplog.at_level("INFO"):
        assert run(IMPORT, refused, tmp_path / "out", tmp_path) == 1
    report = report_in(tmp_path / "out")
    assert set(report) - {"refused"} <= set(good) and report["used"] == {}
    assert all(set(row) == KEYS for row in [*good["not_used"], *report["not_used"]])
    numbers = {pydicom.dcmread(path).SeriesNumber for path in files(refused)}
    assert {row["series_number"] for row in report["not_used"]} == numbers
    tried = {row["tried"]: row for row in report["not_used"]}
    assert tried["t2_stir"]["slices"] == 5 and "fits" in tried["t2_stir"]["reason"]
    said = capfd.readouterr().err
    assert "no short-axis cine" in report["refused"] and "_not_imported" in said and "Fix: " in said
    assert len([line for line in said.splitlines() if line.strip()]) <= 10
    logged = " ".join(record.getMessage() for record in caplog.records)
    assert all(f"{row['images']} images" in logged for row in report["not_used"])


def test_a_refused_study_looks_like_no_subject(study_folder, refused, tmp_path):
    both = tmp_path / "both"
    shutil.copytree(study_folder, both / "good")
    for number, path in enumerate(files(shutil.copytree(refused, both / "bad"))):
        image = pydicom.dcmread(path)
        image.StudyInstanceUID = "1.2.3"
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        image.save_as(path)
    assert run(IMPORT, both, tmp_path / "out", tmp_path) == 2
    layout = read_layout(tmp_path / "out")
    assert [entry["subject"] for entry in layout.entries] == [only_folder(tmp_path / "out").name]
    assert layout.skipped == ()
    (row,) = failed_cases(tmp_path / "out")
    assert report_in(tmp_path / "out")["study"] in row["subject"] and str(tmp_path) not in row["reason"]


def test_the_table_of_a_refusal_goes_when_the_study_is_imported(study_folder, refused, tmp_path):
    assert run(IMPORT, refused, tmp_path / "out", tmp_path) == 1
    assert report_in(tmp_path / "out")
    assert run(IMPORT, study_folder, tmp_path / "out", tmp_path) == 0
    assert not (tmp_path / "out/_not_imported").exists()


def test_no_text_of_the_source_is_in_the_table_or_the_log(refused, tmp_path, capfd, caplog):
    folder = plant(shutil.copytree(refused, tmp_path / "in"))
    with caplog.at_level("DEBUG"):
        assert run(IMPORT, folder, tmp_path / "out", tmp_path) == 1
    assert traces(tmp_path / "out") == []
    said = "".join(capfd.readouterr()) + caplog.text
    assert "Canaria" not in said and "19340506" not in said


def test_the_whole_job_reports_the_refusal_below_its_nifti_folder(refused, tmp_path, weights):
    assert run(INFER, refused, tmp_path / "out", tmp_path, ckpt_dir=weights, export_dicom=False) == 1
    assert report_in(tmp_path / "out/nifti")["not_used"]


def test_a_name_that_leads_out_of_the_folder_writes_no_table_there(refused, tmp_path):
    assert run(IMPORT, refused, tmp_path / "out", tmp_path, subject="../escape") == 1
    assert not list(tmp_path.rglob("escape"))


def test_picks_from_a_table_are_a_request_of_their_own(study_folder, tmp_path, capfd):
    images = [pydicom.dcmread(path) for path in files(study_folder)]
    number = next(image.SeriesNumber for image in images if "t2_tirm" in image.SeriesDescription)
    table = tmp_path / "picks.csv"
    table.write_text(f"study,role,series\n{study_folder.name},t2_stir,{number}\n")
    shutil.copytree(study_folder, tmp_path / "in" / study_folder.name)
    assert run(IMPORT, tmp_path / "in", tmp_path / "out", tmp_path, picks=table) == 0
    report = json.loads((only_folder(tmp_path / "out") / "import.json").read_text())
    assert report["used"]["t2_stir"]["why"] == "chosen on the command line"
    assert report["request"]["series"] == {"cine": None, "t2_stir": str(number), "lge": None}
    assert run(IMPORT, tmp_path / "in", tmp_path / "out", tmp_path) == 1
    assert "other series picked" in capfd.readouterr().err
