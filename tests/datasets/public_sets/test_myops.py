"""MyoPS and MS-CMRSeg: files of one case in several folders, and cases without a sequence."""

import numpy as np
import pytest
from helpers.small_heart import small_heart
from scripts.datasets.cohort_on_disk import CohortOnDisk
from scripts.datasets.datalist import find_subjects, split
from scripts.datasets.datasets import SliceDataset
from scripts.datasets.layout import DatalistError
from scripts.datasets.layouts import read_layout
from scripts.preprocessing.preprocessing import SubjectPreprocessing

MATRIX = np.diag([2.0, 2.0, 9.0, 1.0])
VALUES, OURS = (0, 500, 200, 2221, 1220, 600), (0, 1, 2, 3, 5, 6)


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_label_values_are_those_of_the_set_without_being_told(tmp_path, make):
    picture = np.random.default_rng(0).normal(size=(16, 16, 2)).astype(np.float32)
    label = small_heart(dict(zip(OURS, VALUES, strict=True)), (16, 16, 2))
    for name in ("C0", "T2", "DE"):
        make.write(tmp_path / "train25" / f"myops_training_101_{name}.nii.gz", picture, MATRIX)
    make.write(tmp_path / "train25_myops_gd" / "myops_training_101_gd.nii.gz", label, MATRIX)
    (entry,) = find_subjects(tmp_path, require=("cine", "t2_stir", "lge", "label"))
    assert entry["subject"] == "myops_training_101"
    codes = CohortOnDisk(str(tmp_path)).load(entry).label
    np.testing.assert_array_equal(codes, small_heart({code: code for code in OURS}, (16, 16, 2)))


def test_a_network_is_trained_on_it_as_it_is(tmp_path, make):
    """Images and label map of every case reach the slices of training."""
    shape = (64, 64, 3)
    matrix, centre = make.affine(shape), (10.0, 20.0, -30.0)
    for case in ("myops_training_101", "myops_training_102", "myops_training_103"):
        for name in ("C0", "T2", "DE"):
            picture = make.sample(make.heart, shape, matrix, centre).astype(np.float32)
            make.write(tmp_path / "train25" / f"{case}_{name}.nii.gz", picture, matrix)
        label = np.array([0, 500, 200, 2221], np.int16)[make.sample(make.heart_label, shape, matrix, centre)]
        make.write(tmp_path / "train25_myops_gd" / f"{case}_gd.nii.gz", label, matrix)
    sections = [split(tmp_path, section) for section in ("training", "validation", "testing")]
    assert sorted(len(entries) for entries in sections) == [1, 1, 1]
    slices = SliceDataset(sections[0], SubjectPreprocessing(crop_size=(64, 64)))
    assert len(slices) == 3 and set(np.unique(slices[0]["label"])) == {0, 1, 2, 3}
    assert slices[0]["available"].tolist() == [1, 1]


def test_a_case_of_lge_alone_is_measured_and_not_inferred_on(tmp_path, make):
    touch(tmp_path, "case1_LGE.nii.gz", "case1_gd.nii.gz", "case2_C0.nii.gz", "case2_LGE.nii.gz", "case2_gd.nii.gz")
    assert [e["subject"] for e in find_subjects(tmp_path, require=("lge", "label"))] == ["case1", "case2"]
    with pytest.raises(DatalistError) as error:
        find_subjects(tmp_path)
    text = make.readable(error)
    assert text.startswith("case1: no cine, expected case1_C0.nii.gz") and "quantify" in text
    assert [e["subject"] for e in find_subjects(tmp_path, on_problem="record") if "problem" not in e] == ["case2"]


def test_two_files_for_the_same_sequence_of_a_case_are_refused(tmp_path, make):
    touch(tmp_path, "a/case1_C0.nii.gz", "b/case1_C0.nii.gz", "b/case2_C0.nii.gz")
    with pytest.raises(DatalistError) as error:
        find_subjects(tmp_path)
    assert "two files for cine, a/case1_C0.nii.gz and b/case1_C0.nii.gz" in make.readable(error)


def test_a_de_and_an_lge_are_two_files_for_one_sequence(tmp_path, make):
    touch(tmp_path, "case1_C0.nii.gz", "case1_DE.nii.gz", "case1_LGE.nii.gz")
    with pytest.raises(DatalistError) as error:
        find_subjects(tmp_path)
    assert "two files for lge" in make.readable(error)


def test_ms_cmrseg_takes_the_map_of_the_lge_and_has_no_infarct_in_its_table(tmp_path):
    touch(tmp_path, *(f"patient3_{name}.nii.gz" for name in ("C0", "C0_manual", "LGE", "LGE_manual", "T2")))
    touch(tmp_path, "patient4_C0.nii.gz", "patient4_C0_manual.nii.gz")
    layout = read_layout(tmp_path)
    names = [entry["label"].rpartition("/")[2] for entry in layout.entries]
    assert names == ["patient3_LGE_manual.nii.gz", "patient4_C0_manual.nii.gz"]
    assert layout.entries[0]["label_table"] == layout.label_table == "mscmrseg" and layout.skipped == ()
