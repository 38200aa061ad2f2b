"""Folders are recognised, or the message says what was found, expected, and how to go on."""

import shutil

import nibabel as nib
import numpy as np
import pytest
import torch
from helpers.itk_files import nrrd_bytes
from scripts.datasets.datalist import find_subjects
from scripts.datasets.datasets import SubjectDataset
from scripts.datasets.layout import DatalistError, short_list
from scripts.datasets.layouts import DATALIST, OURS, read_layout
from scripts.preprocessing.preprocessing import SubjectPreprocessing


def _refused(make, folder, **keywords):
    with pytest.raises(DatalistError) as error:
        find_subjects(folder, **keywords)
    return make.readable(error)


def _touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_subject_folders(cohort, make):
    make.json(cohort / "p0" / "meta.json", {"vendor": "siemens"})
    _touch(cohort / "notes" / "read.txt", cohort / ".DS_Store", cohort / ".cache" / "cine.nii.gz", cohort / "a.csv")
    layout = read_layout(cohort)
    assert layout.name == OURS and layout.skipped == ("notes: no image file in it",)
    subjects = find_subjects(cohort)
    assert [entry["subject"] for entry in subjects] == [f"p{n}" for n in range(6)]
    assert set(subjects[0]) == {"subject", "cine", "t2_stir", "lge", "label", "meta"}
    assert subjects[1]["cine"] == str(cohort / "p1" / "cine.nii.gz")


def test_path_that_does_not_exist_names_the_nearest_folder(tmp_path, make):
    text = _refused(make, tmp_path / "no" / "such")
    assert "found nothing" in text and f"nearest existing folder is {tmp_path}" in text and "--dataset_dir" in text


def test_path_that_is_a_file(tmp_path, make):
    _touch(tmp_path / "a.nii.gz")
    assert "found a file, expected a folder" in _refused(make, tmp_path / "a.nii.gz")


def test_empty_folder(tmp_path, make):
    assert "the folder is empty" in _refused(make, tmp_path)


def test_unknown_layout_says_what_was_found_and_expected(tmp_path, make):
    _touch(*(tmp_path / f"scan{n}" / "image.mha" for n in range(8)))
    text = _refused(make, tmp_path)
    assert "layout not recognised; found scan0/, scan1/" in text and "and 3 more" in text and "dataset.json" in text


def test_one_subject_instead_of_its_parent(cohort, make):
    text = _refused(make, cohort / "p0")
    assert "this is one subject" in text and f"--dataset_dir {cohort}" in text


@pytest.mark.parametrize("names", [["lge.nii.gz", "label.nii.gz"], ["p_LGE.nii.gz", "scar_mask.nii.gz"]])
def test_the_message_never_proposes_another_sequence_as_the_cine(cohort, make, names):
    for path in (cohort / "p3").iterdir():
        path.unlink()
    _touch(*(cohort / "p3" / name for name in names))
    text = _refused(make, cohort)
    assert text.startswith("p3: no cine.nii.gz") and names[0] in text and "rename" not in text


def test_a_listed_cine_that_is_not_there_is_not_said_to_be_the_lge(cohort, make):
    (cohort / "p0" / "cine.nii.gz").unlink()
    _listing(cohort, make)
    text = _refused(make, cohort)
    assert "cine file p0/cine.nii.gz" in text and "lge.nii.gz" not in text and "label.nii.gz" not in text


@pytest.mark.parametrize("files", [[], ["IM0001"], ["a.dcm", "b.dcm"], ["scan/cine.nii.gz"], ["p7.mat"]])
def test_a_folder_whose_images_are_not_read_is_a_failed_subject_and_not_left_out(cohort, make, files):
    (cohort / "p7").mkdir()
    _touch(*(cohort / "p7" / file for file in files))
    text = _refused(make, cohort)
    assert text.startswith("p7: no image file in it") and (not files or files[0] in text)
    assert [e["subject"] for e in find_subjects(cohort, on_problem="record") if "problem" in e] == ["p7"]


@pytest.mark.slow
def test_a_folder_without_readable_images_ends_in_the_list_of_failures(cohort):
    (cohort / "p7").mkdir()
    items = SubjectDataset(find_subjects(cohort, on_problem="record"), SubjectPreprocessing(crop_size=(32, 32)))
    assert [bool(item.get("failure")) for item in items] == [False] * 6 + [True]
    assert items[6]["subject"] == "p7" and "p7: no image file in it" in items[6]["failure"]


@pytest.mark.parametrize("suffix", [".NII.GZ", ".Nii", pytest.param(".NRRD", marks=pytest.mark.slow)])
def test_files_in_capitals_are_read_as_any_other(cohort, suffix):
    small = SubjectPreprocessing(crop_size=(32, 32))
    wanted = small(find_subjects(cohort)[1])
    for key in ("cine", "t2_stir", "lge", "label"):
        source, target = cohort / "p1" / f"{key}.nii.gz", cohort / "p1" / f"{key.upper()}{suffix}"
        image = nib.load(source)
        if suffix == ".NRRD":
            target.write_bytes(b"".join(nrrd_bytes(np.asarray(image.dataobj), image.affine)))
        else:
            target.write_bytes(source.read_bytes())
        source.unlink()
    item = small(find_subjects(cohort)[1])
    assert torch.equal(item["label"], wanted["label"]) and torch.allclose(item["image"], wanted["image"], atol=1e-5)


@pytest.mark.parametrize("file", ["read.txt", "run.json", "plot.png"])
def test_documents_and_results_are_no_lost_subjects(cohort, file):
    _touch(cohort / "results" / file)
    layout = read_layout(cohort)
    assert layout.skipped == ("results: no image file in it",) and len(layout.entries) == 6


def test_an_image_beside_the_subject_folders_is_named(cohort):
    _touch(cohort / "p9_cine.nii.gz")
    assert read_layout(cohort).skipped == ("p9_cine.nii.gz: a file beside the subject folders",)


def test_paths_in_windows_spelling_are_read(cohort, make):
    _listing(cohort, make, cine="p0\\cine.nii.gz")
    assert find_subjects(cohort)[0]["cine"] == str(cohort / "p0" / "cine.nii.gz")


def test_the_folder_above_several_data_sets_names_one_of_them(cohort, make):
    _listing(cohort, make)
    text = _refused(make, cohort.parent)
    assert f"--dataset_dir {cohort}" in text


def test_subject_without_cine_names_the_nearest_file(cohort, make):
    (cohort / "p3" / "cine.nii.gz").rename(cohort / "p3" / "Cine_sax.nii.gz")
    text = _refused(make, cohort)
    assert text.startswith("p3: no cine.nii.gz") and "Nearest file: Cine_sax.nii.gz" in text
    recorded = find_subjects(cohort, on_problem="record")
    assert len(recorded) == 6 and "Cine_sax" in recorded[3]["problem"]
    assert len(find_subjects(cohort, on_problem="skip")) == 5


def test_a_file_that_is_another_sequence_is_never_offered_as_the_cine(cohort, make):
    (cohort / "p3" / "cine.nii.gz").unlink()
    text = _refused(make, cohort)
    assert "found label.nii.gz, lge.nii.gz, t2_stir.nii.gz" in text and "rename" not in text
    assert "quantify.json" in text
    _touch(cohort / "p3" / "scan7.nii.gz")
    assert "Nearest file" not in _refused(make, cohort)


def test_who_needs_no_cine_gets_subjects_without(cohort, make):
    (cohort / "p3" / "cine.nii.gz").unlink()
    (cohort / "p4" / "label.nii.gz").unlink()
    found = {entry["subject"]: entry for entry in find_subjects(cohort, require=("label",), on_problem="record")}
    assert "problem" not in found["p3"] and "label missing" in found["p4"]["problem"]
    listed = [{"subject": "p3", "label": "p3/label.nii.gz", "cine": "p3/cine.nii.gz"}]
    make.json(cohort / "dataset.json", {"testing": listed})
    (entry,) = find_subjects(cohort, require=("label",))
    assert "cine" not in entry and "not found" in entry["reference_problems"]["cine"]


def test_many_subjects_without_cine_stay_readable(cohort, make):
    for n in range(20):
        shutil.copytree(cohort / "p0", cohort / f"q{n:02d}")
        (cohort / f"q{n:02d}" / "cine.nii.gz").unlink()
    text = _refused(make, cohort)
    assert text.startswith("20 subjects cannot be used") and "and 15 more" in text


def test_the_fix_of_one_subject_is_not_given_as_that_of_another():
    same = short_list(["a: bad\nFix: do this.", "b: bad\nFix: do this."], "subjects")
    assert same.endswith("\nFix: do this.")
    other = short_list(["a: bad\nFix: do this.", "b: worse\nFix: do that."], "subjects")
    assert "one by one" in other and "the first: do this." in other and "b: worse" in other


def test_missing_reference_for_training_is_named(cohort, make):
    (cohort / "p2" / "label.nii.gz").unlink()
    assert _refused(make, cohort, require=("cine", "lge", "label")).startswith("p2: label missing")


def test_folder_name_that_is_no_file_name_is_refused(cohort, make):
    (cohort / "p2").rename(cohort / "p\n2")
    assert "not usable as a folder name" in _refused(make, cohort)


def _listing(cohort, make, **changes):
    listed = [{"subject": f"p{n}", "cine": f"p{n}/cine.nii.gz", "lge": f"p{n}/lge.nii.gz"} for n in range(6)]
    listed[0] |= {"label": "p0/label.nii.gz", "vendor": "philips", "field_strength_t": 3, "meta": "p0/m.json"} | changes
    make.json(cohort / "p0" / "m.json", {})
    content = {"training": listed[:3], "validation": listed[3:4], "testing": listed[4:5]}
    make.json(cohort / "dataset.json", content)
    return content


def test_dataset_json_decides_over_subject_folders(cohort, make):
    _listing(cohort, make)
    layout = read_layout(cohort)
    assert layout.name == DATALIST and layout.skipped == ("p5: not in dataset.json",)
    first = find_subjects(cohort)[0]
    assert first == {
        "subject": "p0", "cine": str(cohort / "p0/cine.nii.gz"), "lge": str(cohort / "p0/lge.nii.gz"),
        "label": str(cohort / "p0/label.nii.gz"), "meta": str(cohort / "p0/m.json"), "vendor": "philips",
        "field_strength_t": 3, "split": "training",
    }  # fmt: skip


def test_subject_in_two_splits_is_an_error(cohort, make):
    content = _listing(cohort, make)
    content["testing"].append(content["training"][1])
    make.json(cohort / "dataset.json", content)
    text = _refused(make, cohort)
    assert "subject 'p1' is listed in training and again in testing" in text


@pytest.mark.parametrize("path", ["../p0/cine.nii.gz", "p0/../../x.nii.gz", "/etc/passwd", "C:\\x.nii", "..\\x.nii", 5])
def test_paths_that_leave_the_folder_are_refused(cohort, make, path):
    _listing(cohort, make, cine=path)
    text = _refused(make, cohort)
    assert text.startswith("dataset.json:training[0]:cine: found path") and "without '..'" in text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["../p0", "a/b", "a\\b", "", ".hidden", "..", None, "x" * 101, "a\nb", ["p0"]])
def test_subject_names_that_are_no_file_names_are_refused(cohort, make, name):
    _listing(cohort, make, subject=name)
    assert _refused(make, cohort).startswith("dataset.json:training[0]: subject")


def test_listed_file_that_is_missing_names_the_nearest(cohort, make):
    _listing(cohort, make, cine="p0/cinee.nii.gz")
    text = _refused(make, cohort)
    assert "cine file p0/cinee.nii.gz of dataset.json:training[0] not found" in text
    assert "Nearest file: cine.nii.gz" in text


def test_a_listed_file_has_no_nearest_where_no_name_is_near(cohort, make):
    _listing(cohort, make, cine="p0/short_axis.nii.gz")
    text = _refused(make, cohort)
    assert "p0/short_axis.nii.gz" in text and "Nearest file" not in text


def test_entry_without_cine(cohort, make):
    _listing(cohort, make, cine=None)
    assert "dataset.json:training[0] has no 'cine'; found subject, cine, lge" in _refused(make, cohort)


@pytest.mark.parametrize("content", [[], {}, {"training": []}, {"training": ["p0"]}, {"a": 1}])
def test_dataset_json_without_lists(tmp_path, make, content):
    make.json(tmp_path / "dataset.json", content)
    assert "expected lists of subjects" in _refused(make, tmp_path)


def test_dataset_json_that_is_not_json(tmp_path, make):
    (tmp_path / "dataset.json").write_text("{")
    assert "not valid JSON" in _refused(make, tmp_path)
