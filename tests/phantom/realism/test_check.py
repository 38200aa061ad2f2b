"""The whole check on a small cohort on disk."""

import csv
import shutil

import numpy as np
import pytest
from PIL import Image
from scripts.conventions import ConfigError, DataError
from scripts.datasets.cohort_on_disk import CohortOnDisk
from scripts.phantom.realism.check import RealismCheck

pytestmark = pytest.mark.slow

FILES = ("phantom_check.csv", "phantom_check.md", "phantom_check_subjects.csv", "phantom_check_pathology.png")
FILES += ("phantom_check_signal.png", "phantom_check_sheet.png")


def test_a_cohort_gives_a_table_and_pictures(phantom_folder, tmp_path):
    rows = RealismCheck(CohortOnDisk(str(phantom_folder)), str(tmp_path / "out")).run()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(FILES)
    table = list(csv.DictReader((tmp_path / "out" / "phantom_check.csv").open()))
    assert len(table) == len(rows) and {"pass", "not measurable"} <= {row["verdict"] for row in table}
    reader = [row["reason"] for row in table if row["block"] == "independent reader"]
    assert reader and all("reader_dir is empty" in reason for reason in reader)
    assert np.asarray(Image.open(tmp_path / "out" / "phantom_check_sheet.png")).std() > 10


def test_realised_sizes_are_those_the_generator_recorded(phantom_folder, tmp_path):
    RealismCheck(CohortOnDisk(str(phantom_folder)), str(tmp_path)).run()
    cohort = CohortOnDisk(str(phantom_folder))
    recorded = {e["subject"]: cohort.load(e).meta["truth"]["infarct_percent_lv"] for e in cohort.entries()}
    for row in csv.DictReader((tmp_path / "phantom_check_subjects.csv").open()):
        assert float(row["infarct"]) == pytest.approx(recorded[row["subject"]], abs=0.01)


def test_an_unreadable_subject_is_left_out_and_sets_the_exit_code(phantom_folder, tmp_path, caplog):
    folder = tmp_path / "cohort"
    shutil.copytree(phantom_folder, folder)
    (folder / "phantom_0002" / "label.nii.gz").write_bytes(b"broken")
    with pytest.raises(SystemExit) as stop:
        RealismCheck(CohortOnDisk(str(folder)), str(tmp_path / "out")).run()
    assert stop.value.code == 2 and "phantom_0002" in caplog.text
    assert "9 subjects measured, 1 left out" in (tmp_path / "out" / "phantom_check.md").read_text()


def test_a_cohort_without_stir_says_why_the_row_is_empty(phantom_folder, tmp_path):
    folder = tmp_path / "cohort"
    shutil.copytree(phantom_folder, folder)
    (folder / "dataset.json").unlink()
    for path in folder.glob("*/t2_stir.nii.gz"):
        path.unlink()
    rows = RealismCheck(CohortOnDisk(str(folder)), str(tmp_path / "out")).run()
    stir = [row for row in rows if row.target.block == "T2-STIR"]
    assert stir and all(row.realised is None and "there is no t2_stir" in row.reason for row in stir)


def test_bad_folders_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="output_dir"):
        RealismCheck(CohortOnDisk(str(tmp_path)), "")
    with pytest.raises(DataError, match="expected a folder"):
        RealismCheck(CohortOnDisk(str(tmp_path / "absent")), str(tmp_path / "out")).run()
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_named(phantom_folder, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(DataError, match="phantom_check.csv: could not be written.*--output_dir"):
        RealismCheck(CohortOnDisk(str(phantom_folder)), str(tmp_path / "taken")).run()
