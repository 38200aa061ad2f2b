"""nnU-Net raw: channels and label values by their names in dataset.json."""

import json

import numpy as np
import pytest
from helpers.small_heart import small_heart
from scripts.datasets.cohort_on_disk import CohortOnDisk
from scripts.datasets.datalist import find_subjects, split
from scripts.datasets.layout import DatalistError
from scripts.datasets.layouts import read_layout
from scripts.preprocessing.labels import LabelError

MATRIX = np.diag([2.0, 2.0, 9.0, 1.0])
CONTENT = {
    "channel_names": {"0": "T2-STIR", "1": "bSSFP"},
    "labels": {"background": 0, "RV": 1, "MLV": 2, "LVC": 3},
    "file_ending": ".nii.gz",
}


def write(root, content, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    if content is not None:
        (root / "dataset.json").write_text(json.dumps(content))
    return root


def refused(make, root, **keywords):
    with pytest.raises(DatalistError) as error:
        find_subjects(root, **keywords)
    return make.readable(error)


def test_channels_are_told_by_name_and_not_by_number(tmp_path):
    write(tmp_path, CONTENT, "imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz")
    (entry,) = find_subjects(tmp_path)
    assert entry["cine"].endswith("a_0001.nii.gz") and entry["t2_stir"].endswith("a_0000.nii.gz")


def test_label_values_mean_what_their_names_say(tmp_path, make):
    picture = np.random.default_rng(0).normal(size=(16, 16, 2)).astype(np.float32)
    write(tmp_path, CONTENT)
    for number in (0, 1):
        make.write(tmp_path / "imagesTr" / f"a_000{number}.nii.gz", picture, MATRIX)
    label = small_heart({1: 3, 2: 2, 6: 1}, (16, 16, 2))
    make.write(tmp_path / "labelsTr" / "a.nii.gz", label, MATRIX)
    (entry,) = find_subjects(tmp_path)
    np.testing.assert_array_equal(CohortOnDisk(str(tmp_path)).load(entry).label, np.array([0, 6, 2, 1])[label])


def test_names_that_say_nothing_ask_for_a_table_and_one_that_is_given_serves(tmp_path, make):
    picture = np.random.default_rng(0).normal(size=(16, 16, 2)).astype(np.float32)
    write(tmp_path, CONTENT | {"labels": {"background": 0, "heart": [1, 2], "tissue": 2}})
    for number in (0, 1):
        make.write(tmp_path / "imagesTr" / f"a_000{number}.nii.gz", picture, MATRIX)
    make.write(tmp_path / "labelsTr" / "a.nii.gz", np.full((16, 16, 2), 2, np.uint8), MATRIX)
    (entry,) = find_subjects(tmp_path, require=("label",))
    with pytest.raises(LabelError) as error:
        CohortOnDisk(str(tmp_path)).load(entry)
    assert "'heart'" in make.readable(error) and "--label_table" in str(error.value)
    assert (CohortOnDisk(str(tmp_path), {"2": 3}).load(entry).label == 3).all()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"0": "MRI"}, "found MRI, expected cine, T2-STIR or LGE among them"),
        ({"0": "cine", "1": "bSSFP"}, "expected each sequence once"),
        ({"x": "cine"}, "expected names by number"),
        (5, "expected names by number"),
    ],
)
def test_channel_names_that_say_nothing_are_refused(tmp_path, make, names, said):
    write(tmp_path, CONTENT | {"channel_names": names}, "imagesTr/a_0000.nii.gz")
    text = refused(make, tmp_path)
    assert said in text and '"0": "cine"' in text


def test_a_channel_that_is_none_of_ours_is_named_and_left_out(tmp_path):
    names = {"0": "T1 map", "1": "cineMRI"}
    write(tmp_path, CONTENT | {"channel_names": names}, "imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz")
    layout = read_layout(tmp_path)
    assert layout.entries == [{"subject": "a", "cine": str(tmp_path / "imagesTr" / "a_0001.nii.gz")}]
    assert layout.skipped == ("channel 0 (T1 map): not one of cine, T2-STIR and LGE",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "expected dataset.json beside it"),
        ({"labels": {}}, "no channel_names and no modality"),
        (CONTENT | {"file_ending": ".png"}, "file_ending found '.png'"),
    ],
)
def test_a_dataset_json_that_does_not_say_enough_is_refused(tmp_path, make, content, said):
    write(tmp_path, content, "imagesTr/a_0000.nii.gz")
    assert said in refused(make, tmp_path)


def test_images_without_channel_number_are_named(tmp_path, make):
    write(tmp_path, CONTENT, "imagesTr/a.nii.gz")
    text = refused(make, tmp_path)
    assert "imagesTr/a.nii.gz" in text and "<case>_0000.nii.gz" in text


@pytest.mark.parametrize("lost", ["imagesTr/b.nii.gz", "labelsTr/b.nii.gz"])
def test_a_case_whose_images_are_not_found_fails_and_is_not_left_out(tmp_path, make, lost):
    write(tmp_path, CONTENT, "imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz", lost)
    text = refused(make, tmp_path)
    assert text.startswith(f"b: found {lost}") and "_0000.nii.gz" in text
    assert [e["subject"] for e in find_subjects(tmp_path, on_problem="skip")] == ["a"]


def test_a_missing_channel_is_a_problem_of_that_case(tmp_path, make):
    write(tmp_path, CONTENT, *(f"imagesTr/{n}.nii.gz" for n in ("a_0000", "a_0001", "b_0001")))
    assert refused(make, tmp_path).startswith("b: no file of channel 0000 (t2_stir)")


def test_without_a_cine_among_the_channels_it_is_measured_only(tmp_path, make):
    content = CONTENT | {"channel_names": {"0": "LGE"}}
    write(tmp_path, content, "imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz")
    assert "found channels lge" in refused(make, tmp_path)
    assert len(find_subjects(tmp_path, require=("lge", "label"))) == 1


def test_cases_of_imagests_are_for_testing_where_they_have_label_maps(tmp_path):
    names = [f"images{s}/{case}_000{n}.nii.gz" for s, case in (("Tr", "a"), ("Tr", "b"), ("Ts", "c")) for n in (0, 1)]
    write(tmp_path, CONTENT, *names, "labelsTr/a.nii.gz", "labelsTr/b.nii.gz")
    assert all("split" not in entry for entry in find_subjects(tmp_path))
    write(tmp_path, CONTENT, "labelsTs/c.nii.gz")
    assert [e["subject"] for e in split(tmp_path, "testing", require=("cine", "label"))] == ["c"]
