"""Lists of {"image", "label"}: which file or channel is which sequence, and how subjects are called."""

import json

import numpy as np
import pytest
from helpers.small_heart import small_heart
from scripts.datasets.cohort_on_disk import CohortOnDisk
from scripts.datasets.datalist import find_subjects
from scripts.datasets.layout import DatalistError

LABELS = {"0": "background", "1": "left ventricle", "2": "myocardium"}


def write(root, content, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "dataset.json").write_text(json.dumps(content))
    return root


def refused(make, root):
    with pytest.raises(DatalistError) as error:
        find_subjects(root)
    return make.readable(error)


def test_files_are_taken_in_the_order_of_the_channel_names(tmp_path):
    content = {
        "channel_names": ["LGE", "cine"],
        "labels": LABELS,
        "training": [{"image": ["a/x.nii.gz", "a/y.nii.gz"], "label": "a/z.nii.gz"}],
        "test": ["./b/x.nii.gz"],
    }
    write(tmp_path, content, "a/x.nii.gz", "a/y.nii.gz", "a/z.nii.gz", "b/x.nii.gz")
    first, second = find_subjects(tmp_path, on_problem="record")
    assert first["subject"] == "a" and first["cine"].endswith("a/y.nii.gz") and first["lge"].endswith("a/x.nii.gz")
    assert (first["split"], second["split"]) == ("training", "testing")


def test_one_file_with_a_channel_per_sequence_is_taken_apart(tmp_path, make):
    picture = np.random.default_rng(0).normal(size=(16, 16, 3, 2)).astype(np.float32)
    make.write(tmp_path / "imagesTr" / "case_01.nii.gz", picture, np.diag([2.0, 2.0, 9.0, 1.0]))
    label = small_heart({1: 1, 2: 2})
    make.write(tmp_path / "labelsTr" / "case_01.nii.gz", label, np.diag([2.0, 2.0, 9.0, 1.0]))
    listed = [{"image": "./imagesTr/case_01.nii.gz", "label": "./labelsTr/case_01.nii.gz"}]
    write(tmp_path, {"modality": {"0": "T2", "1": "cine"}, "labels": LABELS, "training": listed})
    (entry,) = find_subjects(tmp_path)
    subject = CohortOnDisk(str(tmp_path)).load(entry)
    np.testing.assert_array_equal(subject.images["cine"], picture[..., 1:])
    np.testing.assert_array_equal(subject.images["t2_stir"], picture[..., 0])
    np.testing.assert_array_equal(subject.label, label)
    assert entry["subject"] == "case_01"


@pytest.mark.parametrize("names", [None, {"0": "MRI"}])
def test_a_list_that_does_not_say_which_sequence_is_which_is_refused(tmp_path, make, names):
    content = {"training": [{"image": "a.nii.gz"}]} | ({"modality": names} if names else {})
    write(tmp_path, content, "a.nii.gz")
    text = refused(make, tmp_path)
    assert "channel_names" in text and '"0": "cine"' in text


@pytest.mark.parametrize("entry", [{"image": 5}, {"image": []}, 7, {"label": "a.nii.gz"}])
def test_an_entry_without_image_is_refused_by_its_place(tmp_path, make, entry):
    write(tmp_path, {"modality": ["cine"], "training": [{"image": "a.nii.gz"}, entry]}, "a.nii.gz")
    assert refused(make, tmp_path).startswith("dataset.json:training[1]: found")


def test_too_few_files_are_a_problem_of_that_subject(tmp_path, make):
    listed = [{"image": ["a/c.nii.gz", "a/t.nii.gz"]}]
    write(tmp_path, {"modality": ["cine", "T2", "LGE"], "training": listed}, "a/c.nii.gz", "a/t.nii.gz")
    assert "found 2 files, expected 3" in refused(make, tmp_path)


def test_the_same_subject_twice_is_refused(tmp_path, make):
    listed = {"modality": ["cine"], "training": [{"image": "a/c.nii.gz"}], "validation": [{"image": "a/c.nii.gz"}]}
    write(tmp_path, listed, "a/c.nii.gz")
    assert "subject 'a' is listed in dataset.json:training[0] and again" in refused(make, tmp_path)


@pytest.mark.parametrize("path", ["../a.nii.gz", "/etc/a.nii.gz", "C:\\a.nii.gz", "b\\..\\..\\a.nii.gz"])
def test_paths_that_leave_the_folder_are_refused(tmp_path, make, path):
    write(tmp_path, {"modality": ["cine"], "training": [{"image": path}]})
    assert "without '..'" in refused(make, tmp_path)


def test_a_file_that_is_not_there_is_named_with_those_that_are(tmp_path, make):
    write(tmp_path, {"modality": ["cine"], "training": [{"image": "a/cin.nii.gz"}]}, "a/cine.nii.gz")
    text = refused(make, tmp_path)
    assert "cine file a/cin.nii.gz of dataset.json:training[0] not found; found there: cine.nii.gz" in text
