"""The check lists every subject and every problem, and its exit code tells them apart."""

import json
import logging

import nibabel as nib
import numpy as np
import pytest
from helpers.bundle_run import BUNDLE, run_bundle
from scripts import conventions
from scripts.datasets.dataset_check import DatasetCheck
from scripts.datasets.layouts import read_layout


def test_sound_folder(cohort, caplog, tmp_path):
    with caplog.at_level(logging.INFO):
        report = DatasetCheck(str(cohort), output_dir=str(tmp_path / "out")).run()
    assert "layout 1 (subject folders): 6 subjects" in caplog.text
    assert "64 x 64 x 3 x 4" in caplog.text and "1.4 x 1.4 x 8 mm, same grid" in caplog.text
    assert "phase    no trigger times" in caplog.text and "subjects with problems: 0 of 6" in caplog.text
    assert json.loads((tmp_path / "out" / "check_dataset.json").read_text()) == json.loads(json.dumps(report))
    assert report["files"] == {"cine": 6, "t2_stir": 6, "lge": 6, "label": 6}
    assert set(report["subjects"][0]["files"]["label"]["values"]) == {"0", "1", "2", "3"}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["check_dataset.json"]


def test_trigger_times_in_another_unit_are_warned_of_and_impossible_ones_a_problem(cohort, make):
    make.json(cohort / "p0" / "meta.json", {"cine_trigger_times_ms": [0, 0.2, 0.4, 0.6], "lge_trigger_time_ms": 0.61})
    make.json(cohort / "p1" / "meta.json", {"cine_trigger_times_ms": [0, 1, 2, 3e5], "lge_trigger_time_ms": 600})
    make.json(cohort / "p2" / "meta.json", {"cine_trigger_times_ms": [0, 9, 18, 27], "lge_trigger_time_ms": 20})
    check = DatasetCheck(str(cohort))
    seconds, microseconds, short = (check.check_subject(entry) for entry in read_layout(str(cohort)).entries[:3])
    assert "phase 3 at 600 ms" in seconds["phase_rule"] and "taken as s" in seconds["warnings"][0]
    assert any("taken as microseconds" in text for text in microseconds["warnings"])
    assert "p2/meta.json: cine_trigger_times_ms found to cover 36" in short["problems"][0]


def test_every_problem_of_every_subject_is_listed(cohort, caplog, make, tmp_path):
    far = make.affine((64, 64, 3), centre=(200, 200, 200))
    picture = np.random.default_rng(0).normal(size=(64, 64, 3)).astype(np.float32)
    make.write(cohort / "p1" / "t2_stir.nii.gz", picture, far)
    make.write(cohort / "p1" / "label.nii.gz", np.full((64, 64, 3), 9, np.uint8), make.affine((64, 64, 3)))
    (cohort / "p2" / "t2_stir.nii.gz").unlink()
    (cohort / "p3" / "cine.nii.gz").write_bytes(b"")
    (cohort / "p4" / "cine.nii.gz").unlink()
    with caplog.at_level(logging.INFO), pytest.raises(SystemExit) as stop:
        DatasetCheck(str(cohort), output_dir=str(tmp_path / "out")).run()
    assert stop.value.code == 2
    report = json.loads((tmp_path / "out" / "check_dataset.json").read_text())
    problems = {subject["subject"]: subject["problems"] for subject in report["subjects"]}
    assert report["subjects_with_problems"] == ["p1", "p3", "p4"]
    assert len(problems["p1"]) == 2 and "p1/t2_stir.nii.gz" in problems["p1"][0] and "9 (12288" in problems["p1"][1]
    assert report["subjects"][2]["missing"] == ["t2_stir"] and problems["p2"] == []
    assert "no cine to compare" in caplog.text and "cannot be read as NIfTI" in caplog.text


def test_resampled_sequence_and_label_table(cohort, make, caplog):
    matrix = make.affine((32, 32, 3), spacing=(2.8, 2.8, 8))
    for n in range(6):
        make.write(cohort / f"p{n}" / "label.nii.gz", np.full((32, 32, 3), 500, np.int16), matrix)
    with caplog.at_level(logging.INFO):
        report = DatasetCheck(str(cohort), label_table="myops").run()
    assert report["subjects"][0]["files"]["label"]["geometry"] == "same space, resampled"
    with pytest.raises(conventions.ConfigError, match="label_table"):
        DatasetCheck(str(cohort), label_table="nope").run()


def test_labels_of_another_data_set_are_a_problem_that_names_the_table(cohort, make, caplog):
    ours = np.asarray(nib.load(cohort / "p1" / "label.nii.gz").dataobj)
    acdc = np.array([0, 3, 2, 2], np.float32)[ours] + 0.0004
    make.write(cohort / "p1" / "label.nii.gz", acdc, make.affine((64, 64, 3)))
    with caplog.at_level(logging.INFO), pytest.raises(SystemExit) as stop:
        DatasetCheck(str(cohort)).run()
    assert stop.value.code == 2 and "set label_table to acdc" in caplog.text and "problems: 1 of 6" in caplog.text
    caplog.clear()
    with pytest.raises(SystemExit):
        DatasetCheck(str(cohort), label_table="acdc").run()
    assert "no infarct class" in caplog.text


def test_a_label_beside_its_image_is_warned_of_with_the_distance(cohort, make, caplog):
    label = np.asarray(nib.load(cohort / "p1" / "label.nii.gz").dataobj)
    make.write(cohort / "p1" / "label.nii.gz", label, make.affine((64, 64, 3), centre=(10.0, 24.0, -30.0)))
    report = DatasetCheck(str(cohort)).run()
    text = report["subjects"][1]["warnings"][0]
    assert "p1/label.nii.gz has the shape of" in text and "4.0 mm" in text


def test_a_listed_reference_that_is_not_there_is_a_problem(cohort, make):
    make.json(cohort / "dataset.json", {"testing": [{"subject": "p0", "cine": "p0/cine.nii.gz", "lge": "p0/no.nii"}]})
    with pytest.raises(SystemExit) as stop:
        DatasetCheck(str(cohort)).run()
    assert stop.value.code == 2
    (found,) = DatasetCheck(str(cohort)).check_subject(read_layout(cohort).entries[0])["problems"]
    assert "lge file p0/no.nii of dataset.json:testing[0] not found" in found


def test_sizes_that_no_heart_or_stack_has_end_with_code_2(cohort, make):
    """The slice distance of one subject is lost, the axes of another, the header's size of a third is only odd."""
    wrong, unit = make.affine((64, 64, 3), (1.4, 1.4, 1.0)), make.affine((64, 64, 3), (1, 1, 1))
    for key in ("cine", "label"):
        image = nib.load(cohort / f"p0/{key}.nii.gz")
        array = np.asarray(image.dataobj)
        make.write(cohort / f"p0/{key}.nii.gz", array, wrong)
        make.write(cohort / f"p1/{key}.nii.gz", np.ascontiguousarray(array.swapaxes(0, 2)), np.eye(4))
        make.write(cohort / f"p2/{key}.nii.gz", array, unit, sform_code=2, qform=image.affine)
    check = DatasetCheck(str(cohort))
    with pytest.raises(SystemExit) as stop:
        check.run()
    assert stop.value.code == 2
    distance, axes, size = (check.check_subject(entry) for entry in read_layout(cohort).entries[:3])
    assert "p0/cine.nii.gz: 3 slices 1 mm apart" in distance["implausible"][0]
    assert "the first axis" in axes["problems"][0] and size["problems"] == size["implausible"] == []
    assert any("1.4 x 1.4 x 8 mm in pixdim" in text for text in size["warnings"])


def test_what_an_import_doubted_is_warned_of(cohort, make):
    doubt = {"flag": "lge_in_doubt", "message": "lge: left out: two stacks fit", "review": True}
    make.json(cohort / "p0" / "meta.json", {"flags": [doubt]})
    make.json(cohort / "p1" / "meta.json", {"flags": "lge"})
    check = DatasetCheck(str(cohort))
    first, second, third = (check.check_subject(entry) for entry in read_layout(str(cohort)).entries[:3])
    assert [text for text in first["implausible"] if "two stacks fit" in text] and not first["problems"]
    assert "p1/meta.json: found flags" in second["problems"][0] and not third["implausible"]


def test_report_folder_that_cannot_be_written(cohort, make, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(conventions.DataError) as error:
        DatasetCheck(str(cohort), output_dir=str(tmp_path / "file")).run()
    assert "check_dataset.json: could not be written" in make.readable(error)


@pytest.mark.slow
def test_bundle_command_from_the_repository_root_ends_with_code_2(cohort, tmp_path):
    (cohort / "p4" / "cine.nii.gz").unlink()
    done = run_bundle(
        "--config_file", "bundle/configs/check_dataset.json", "--bundle_root", "bundle",
        "--dataset_dir", cohort, "--output_dir", tmp_path / "out", cwd=BUNDLE.parent,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    assert json.loads((tmp_path / "out" / "check_dataset.json").read_text())["subjects_with_problems"] == ["p4"]
