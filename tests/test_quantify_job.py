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
