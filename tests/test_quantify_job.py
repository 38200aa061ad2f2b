"""Measuring a folder of LGE and label maps: numbers, segments, what is missing, what cannot be read."""

import csv
import json
import shutil

import nibabel as nib
import numpy as np
import pytest
from helpers.bundle_run import run_bundle
from helpers.cone_heart import Sector, heart
from scripts.clinical.quantification import quantify, segment_values, table_row
from scripts.conventions import ConfigError
from scripts.quantify_job import QuantifyJob
from scripts.volumes.nifti_writing import nifti_bytes, nifti_image, says_synthetic

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def measured(phantom_folder, tmp_path_factory):
    """A folder of two phantoms, one of them with a broken label, and what the command wrote."""
    folder, out = tmp_path_factory.mktemp("in"), tmp_path_factory.mktemp("out")
    names = sorted(path.name for path in phantom_folder.glob("phantom_*"))[:2]
    for name in names:
        shutil.copytree(phantom_folder / name, folder / name)
    (folder / names[1] / "label.nii.gz").write_bytes(b"broken")
    done = run_bundle(
        "--config_file", "configs/quantify.json", "--dataset_dir", str(folder), "--output_dir", str(out)
    )  # fmt: skip
    return folder, out, names, done


def test_the_command_writes_numbers_and_a_row_per_subject_and_names_who_failed(measured):
    folder, out, names, done = measured
    assert done.returncode == 2 and f"{names[1]} failed" in done.stdout + done.stderr
    rows = list(csv.DictReader((out / "quantification.csv").open()))
    assert [row["subject"] for row in rows] == names and rows[1]["failure"]
    record = json.loads((out / names[0] / f"{names[0]}_quantification.json").read_text())
    label = np.asarray(nib.load(folder / names[0] / "label.nii.gz").dataobj)
    expected = 100 * np.isin(label, (3, 4)).sum() / np.isin(label, (2, 3, 4, 5)).sum()
    assert record["infarct_percent_lv"]["value"] == pytest.approx(expected, abs=1e-3)
    assert float(rows[0]["infarct_percent_lv"]) == pytest.approx(expected, abs=1e-3)
    assert len(record["aha17"]) == 17 and "Research use only" in record["disclaimer"]
    assert (out / names[0] / f"{names[0]}_bullseye.png").read_bytes().startswith(b"\x89PNG")


def test_thresholds_follow_the_picture_and_a_ratio_wants_the_zero_level():
    label, affine = heart([Sector(20, 110, 1.0)], pixel_mm=(1.0, 1.0))
    wall, dead = np.isin(label, (2, 3, 4, 5)), np.isin(label, (3, 4))
    noise = np.random.default_rng(0).normal(0, 4, label.shape)
    lge = np.where(dead, 300.0, np.where(label == 1, 250.0, np.where(wall, 50.0, 20.0))) + noise
    numbers = quantify(label, lge, affine, zero_level=0.0)
    size = numbers["infarct_percent_lv"]["value"]
    assert size > 15
    assert numbers["thresholds"]["fwhm"]["value"] == pytest.approx(size, abs=0.5)
    assert numbers["thresholds"]["6_sd"]["value"] == pytest.approx(size, abs=0.5)
    assert numbers["contrast"]["ratio_blood_over_myocardium"]["value"] == pytest.approx(5.0, rel=0.05)
    unknown = quantify(label, lge, affine)
    assert "zero_level is not known" in unknown["contrast"]["ratio_blood_over_myocardium"]["not_measurable"]
    assert unknown["contrast"]["cnr_blood_over_myocardium"]["value"] > 20
    assert table_row(numbers)["fwhm_percent_lv"] == pytest.approx(size, abs=0.5)


def test_no_reflow_is_left_out_only_where_the_label_map_marks_it():
    label, affine = heart([Sector(20, 110, 1.0)], pixel_mm=(1.0, 1.0))
    silent, marked = quantify(label, None, affine), quantify(label, None, affine, no_reflow_marked=True)
    assert "marks no no-reflow" in silent["infarct_percent_lv_without_no_reflow"]["not_measurable"]
    assert marked["infarct_percent_lv_without_no_reflow"] == marked["infarct_percent_lv"]


def test_without_a_picture_and_without_a_heart_there_are_reasons_and_no_zeros():
    numbers = quantify(np.zeros((64, 64, 3), np.uint8), None, np.diag([1.4, 1.4, 8.0, 1.0]))
    assert "no LGE" in numbers["thresholds"]["not_measurable"]
    assert np.isnan(segment_values(numbers)).all() and table_row(numbers) == {
        "review_needed": "yes", "qc_flags": "no_myocardium",
    }  # fmt: skip


def test_the_flags_of_a_label_map_stand_in_json_and_table():
    label, affine = heart([Sector(20, 110, 1.0)], pixel_mm=(1.0, 1.0))
    assert table_row(quantify(label, None, affine))["qc_flags"] == ""
    label[:8, :8, 2] = 3
    numbers = quantify(label, None, affine)
    assert [flag["flag"] for flag in numbers["qc"]] == ["infarct_outside_myocardium"]
    assert table_row(numbers)["qc_flags"] == "infarct_outside_myocardium"


def bright_heart(values=range(7)):
    """Label map as a file holds it, its grid, and an LGE with a bright infarct."""
    label, affine = heart([Sector(20, 110, 1.0)], pixel_mm=(1.5, 1.5))
    levels = np.array([20.0, 250, 50, 300, 60, 80, 240], np.float32)
    lge = levels[label] + np.random.default_rng(0).normal(0, 4, label.shape).astype(np.float32)
    return np.array(list(values), np.uint8)[label], affine, lge


def write_acquired(folder, label, affine, lge=None):
    folder.mkdir(parents=True)
    nib.save(nifti_image(label, affine, "by a reader"), folder / "label.nii.gz")
    if lge is not None:
        nib.save(nifti_image(lge, affine, "by a scanner"), folder / "lge.nii.gz")


def write_result(folder, label, affine, lge, **result):
    """As inference leaves a subject; ``result``: parts of its result.json."""
    folder.mkdir(parents=True)
    (folder / f"{folder.name}_label.nii.gz").write_bytes(nifti_bytes(label, affine))
    (folder / f"{folder.name}_virtual_lge.nii.gz").write_bytes(nifti_bytes(lge / 400, affine))
    if result:
        content = {"subject": folder.name, "structures": {}} | result
        (folder / f"{folder.name}_result.json").write_text(json.dumps(content))


def record_of(out, name):
    return json.loads((out / name / f"{name}_quantification.json").read_text())


def rows_of(out, table="quantification.csv"):
    return {row["subject"]: row for row in csv.DictReader((out / table).open())}


def test_label_and_lge_are_enough_and_an_acquired_image_is_called_acquired(tmp_path):
    label, affine, lge = bright_heart()
    write_acquired(tmp_path / "in" / "a", label, affine, lge)
    write_acquired(tmp_path / "in" / "b", label, affine)
    QuantifyJob(str(tmp_path / "in"), str(tmp_path / "out")).run()
    record, rows = record_of(tmp_path / "out", "a"), rows_of(tmp_path / "out")
    size = 100 * (label == 3).sum() / np.isin(label, (2, 3)).sum()
    assert record["lge"] == "acquired" and "Acquired image" in record["disclaimer"]
    assert record["infarct_percent_lv"]["value"] == pytest.approx(size, abs=1e-3)
    assert record["thresholds"]["6_sd"]["value"] == pytest.approx(size, abs=0.5)
    assert (rows["a"]["lge"], rows["b"]["lge"]) == ("acquired", "none")
    assert "ynthetic" not in json.dumps(record) + json.dumps(record_of(tmp_path / "out", "b"))
    assert rows_of(tmp_path / "out", "failed_cases.csv") == {}


def test_the_output_of_inference_is_measured_and_called_synthetic(tmp_path):
    label, affine, lge = bright_heart([0, 1, 2, 3, 3, 2, 0])
    write_result(tmp_path / "run" / "a", label, affine, lge, qc=[])
    write_result(tmp_path / "run" / "odd", bright_heart([0, 3, 2, 2, 2, 2, 1])[0], affine, lge, qc=[])
    QuantifyJob(str(tmp_path / "run"), str(tmp_path / "out")).run()
    assert "failure" not in rows_of(tmp_path / "out")["odd"], "a label map of inference is measured as it is"
    record = record_of(tmp_path / "out", "a")
    assert record["lge"] == "synthetic" and record["disclaimer"].startswith("Synthetic image")
    assert record["files"] == {"label": "a_label.nii.gz", "lge": "a_virtual_lge.nii.gz"}
    assert record["thresholds"]["6_sd"]["value"] > 15 and rows_of(tmp_path / "out")["a"]["lge"] == "synthetic"


def test_what_inference_could_not_measure_stays_unmeasured_and_its_flags_stay(tmp_path):
    label, affine, lge = bright_heart([0, 1, 2, 3, 3, 2, 0])
    static = {"flag": "cine_static", "message": "the cine shows no motion", "review": True}
    size = {"not_measurable": "the cine shows no motion"}
    write_result(tmp_path / "run" / "a", label, affine, lge, qc=[static], review_needed=True, infarct_percent_lv=size)
    doubt = {"flag": "cine_phase_uncertain", "message": "by the motion alone", "review": True}
    size = {"value": 20.0, "unit": "%"}
    write_result(tmp_path / "run" / "b", label, affine, lge, qc=[doubt], review_needed=True, infarct_percent_lv=size)
    QuantifyJob(str(tmp_path / "run"), str(tmp_path / "out")).run()
    record, rows = record_of(tmp_path / "out", "a"), rows_of(tmp_path / "out")
    for one in ("infarct_percent_lv", "transmurality", "aha17", "thresholds", "contrast"):
        assert record[one] == {"not_measurable": "the cine shows no motion"}
    assert record["structures"]["lv_myocardium"]["mass"]["value"] > 0
    assert (rows["a"]["review_needed"], rows["b"]["review_needed"]) == ("yes", "yes")
    assert "cine_static" in rows["a"]["qc_flags"] and "cine_phase_uncertain" in rows["b"]["qc_flags"]
    assert not rows["a"]["infarct_percent_lv"] and float(rows["b"]["infarct_percent_lv"]) > 15


def test_a_list_goes_before_the_names_of_files(tmp_path):
    label, affine, lge = bright_heart()
    write_acquired(tmp_path / "in" / "a", label, affine, lge)
    for key in ("label", "lge"):
        (tmp_path / "in" / "a" / f"{key}.nii.gz").rename(tmp_path / "in" / "a" / f"a_{key}.nii.gz")
    write_result(tmp_path / "in" / "b", label, affine, lge)
    listed = [{"subject": "s1", "label": "a/a_label.nii.gz", "lge": "a/a_lge.nii.gz"}]
    (tmp_path / "in" / "dataset.json").write_text(json.dumps({"testing": listed}))
    QuantifyJob(str(tmp_path / "in"), str(tmp_path / "out")).run()
    assert set(rows_of(tmp_path / "out")) == {"s1"} and record_of(tmp_path / "out", "s1")["lge"] == "acquired"


def test_a_virtual_lge_that_was_copied_into_a_dataset_is_still_synthetic(tmp_path):
    label, affine, lge = bright_heart()
    write_acquired(tmp_path / "in" / "a", label, affine)
    virtual = tmp_path / "in" / "a" / "lge.nii.gz"
    virtual.write_bytes(nifti_bytes(lge / 400, affine))
    assert says_synthetic(virtual) and not says_synthetic(tmp_path / "in" / "a" / "label.nii.gz")
    assert not says_synthetic(tmp_path / "nothing.nii.gz")
    QuantifyJob(str(tmp_path / "in"), str(tmp_path / "out")).run()
    assert record_of(tmp_path / "out", "a")["lge"] == "synthetic"


def test_the_lge_of_a_phantom_is_not_called_acquired(tmp_path):
    label, affine, lge = bright_heart()
    write_acquired(tmp_path / "in" / "a", label, affine, lge)
    (tmp_path / "in" / "a" / "meta.json").write_text(json.dumps({"phantom": {"seed": 0, "parameters": {}}}))
    QuantifyJob(str(tmp_path / "in"), str(tmp_path / "out")).run()
    record = record_of(tmp_path / "out", "a")
    assert record["lge"] == "phantom" and "Acquired" not in record["disclaimer"]


def test_the_bulls_eye_says_what_was_measured(tmp_path, monkeypatch):
    notes = []
    monkeypatch.setattr("scripts.quantify_job.bullseye_png", lambda *_, role: notes.append(role.note) or b"png")
    label, affine, lge = bright_heart()
    write_acquired(tmp_path / "in" / "a", label, affine, lge)
    write_acquired(tmp_path / "in" / "b", label, affine)
    write_result(tmp_path / "run" / "c", label, affine, lge)
    for folder in ("in", "run"):
        QuantifyJob(str(tmp_path / folder), str(tmp_path / "out")).run()
    assert [note.split(" - ")[0] for note in notes] == ["acquired image", "label map", "synthetic image"]


def test_who_cannot_be_measured_is_in_failed_cases_with_the_next_step(tmp_path):
    label, affine, lge = bright_heart()
    acdc = bright_heart([0, 3, 2, 2, 2, 2, 1])[0]
    write_acquired(tmp_path / "in" / "good", label, affine, lge)
    write_acquired(tmp_path / "in" / "coded", acdc, affine, lge)
    (tmp_path / "in" / "unlabelled").mkdir()
    shutil.copy(tmp_path / "in" / "good" / "lge.nii.gz", tmp_path / "in" / "unlabelled")
    with pytest.raises(SystemExit) as stop:
        QuantifyJob(str(tmp_path / "in"), str(tmp_path / "out")).run()
    failed = rows_of(tmp_path / "out", "failed_cases.csv")
    assert stop.value.code == 2 and set(failed) == {"coded", "unlabelled"}
    assert set(failed["coded"]) == {"subject", "stage", "reason", "next_step"}
    assert failed["coded"]["stage"] == "label" and "set label_table to acdc" in failed["coded"]["next_step"]
    assert failed["unlabelled"]["stage"] == "datalist" and "label" in failed["unlabelled"]["reason"]
    assert str(tmp_path) not in (tmp_path / "out" / "failed_cases.csv").read_text()
    assert rows_of(tmp_path / "out")["coded"]["failure"]


def test_codes_without_infarct_give_wall_and_blood_and_no_infarct(tmp_path):
    ours, affine, lge = bright_heart()
    write_acquired(tmp_path / "in" / "a", bright_heart([0, 3, 2, 2, 2, 2, 1])[0], affine, lge)
    QuantifyJob(str(tmp_path / "in"), str(tmp_path / "out"), label_table="acdc").run()
    record, row = record_of(tmp_path / "out", "a"), rows_of(tmp_path / "out")["a"]
    wall_ml = np.isin(ours, (2, 3)).sum() * 1.5 * 1.5 * 8.0 / 1000
    assert record["structures"]["lv_myocardium"]["volume"]["value"] == pytest.approx(wall_ml, abs=1e-2)
    for one in (record["infarct_percent_lv"], record["thresholds"], record["contrast"], record["aha17"]):
        assert "no infarct class" in one["not_measurable"]
    assert "no infarct class" in row["not_measurable"]
    assert not [name for name in row if "infarct" in name or "_sd_" in name]


def test_an_lge_beside_the_label_is_not_measured_and_the_distance_is_told(tmp_path):
    label, affine, lge = bright_heart()
    moved = affine.copy()
    moved[:3, 3] += (0.0, 3.0, 4.0)
    write_acquired(tmp_path / "in" / "a", label, affine)
    nib.save(nifti_image(lge, moved, ""), tmp_path / "in" / "a" / "lge.nii.gz")
    QuantifyJob(str(tmp_path / "in"), str(tmp_path / "out")).run()
    record = record_of(tmp_path / "out", "a")
    assert record["lge"] == "none" and "5.0 mm" in record["missing"]["lge"]


def test_of_label_and_lge_one_without_a_place_lies_on_the_other_and_that_is_said(tmp_path):
    label, affine, lge = bright_heart()
    affine[:3, 3] = (12.0, -30.0, 45.0)
    write_acquired(tmp_path / "in" / "a", label, affine)
    image = nifti_image(lge, affine, "")
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    nib.save(image, tmp_path / "in" / "a" / "lge.nii.gz")
    QuantifyJob(str(tmp_path / "in"), str(tmp_path / "out")).run()
    record = record_of(tmp_path / "out", "a")
    assert record["thresholds"]["6_sd"]["value"] == pytest.approx(record["infarct_percent_lv"]["value"], abs=0.5)
    assert any("lge.nii.gz" in text and "taken to lie on" in text for text in record["warnings"])


def test_two_sizes_in_a_header_are_in_the_record(tmp_path):
    label, affine, _ = bright_heart()
    write_acquired(tmp_path / "in" / "a", label, affine)
    image = nib.load(tmp_path / "in" / "a" / "label.nii.gz")
    image.set_sform(np.diag([1.0, 1.0, 1.0, 1.0]), code=2, update_affine=False)
    image.set_qform(affine, code=1, update_affine=False)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), None, image.header), tmp_path / "in" / "a" / "label.nii.gz")
    QuantifyJob(str(tmp_path / "in"), str(tmp_path / "out")).run()
    record = record_of(tmp_path / "out", "a")
    wall_ml = np.isin(label, (2, 3)).sum() * 1.5 * 1.5 * 8.0 / 1000
    assert record["structures"]["lv_myocardium"]["volume"]["value"] == pytest.approx(wall_ml, abs=1e-2)
    assert any("1 x 1 x 1" in text and "1.5 x 1.5 x 8" in text for text in record["warnings"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"label_table": "acdc"}, "label_table"),
        ({"output_dir": "run"}, "output_dir"),
        ({"label_table": "nope"}, "nope"),
    ],
)
def test_settings_that_do_not_go_with_results_are_refused(tmp_path, make, settings, message):
    label, affine, lge = bright_heart([0, 1, 2, 3, 3, 2, 0])
    write_result(tmp_path / "run" / "a", label, affine, lge)
    (tmp_path / "run" / "failed_cases.csv").write_text("of inference")
    folders = {"dataset_dir": str(tmp_path / "run"), "output_dir": str(tmp_path / settings.get("output_dir", "out"))}
    with pytest.raises(ConfigError) as error:
        QuantifyJob(**(settings | folders)).run()
    assert message in make.readable(error)
    assert (tmp_path / "run" / "failed_cases.csv").read_text() == "of inference"
