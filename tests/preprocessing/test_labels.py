"""Label tables: every data set's values become ours; unknown values stop."""

import numpy as np
import pytest
from scripts import conventions
from scripts.preprocessing.labels import LABEL_TABLES, LabelError, label_table, to_network_classes, translate


@pytest.mark.parametrize(
    ("table", "values", "names"),
    [
        ("myops", [500, 200, 2221, 1220, 600], ["lv_blood_pool", "myocardium", "infarct", "oedema", "rv_blood_pool"]),
        ("emidec", [1, 2, 3, 4], ["lv_blood_pool", "myocardium", "infarct", "no_reflow"]),
        ("acdc", [1, 2, 3], ["rv_blood_pool", "myocardium", "lv_blood_pool"]),
        ("mnms", [1, 2, 3], ["lv_blood_pool", "myocardium", "rv_blood_pool"]),
        ("ours", [1, 2, 3, 4, 5, 6], list(conventions.LABEL_NAMES[1:])),
    ],
)
def test_values_become_our_codes(table, values, names):
    codes = translate(np.array([[0, *values]], np.float32), table)
    assert codes.dtype == np.uint8 and codes.shape == (1, len(values) + 1)
    assert [conventions.LABEL_NAMES[code] for code in codes[0]] == ["background", *names]


def test_own_table_of_the_config_has_string_keys():
    assert translate(np.array([0, 7]), {"0": 0, "7": 3}).tolist() == [0, 3]


def test_unknown_values_are_listed_with_their_voxel_counts(make):
    array = np.zeros((4, 5))
    array[0, :3], array[1, 0] = 9, 2.5
    with pytest.raises(LabelError) as error:
        translate(array, "ours", "p/label.nii.gz")
    text = make.readable(error)
    assert text.startswith("p/label.nii.gz") and "2.5 (1 voxels), 9 (3 voxels)" in text and "interpolation" in text


def test_many_unknown_values_stay_readable(make):
    with pytest.raises(LabelError) as error:
        translate(np.arange(500), "ours")
    assert "and 487 more values" in make.readable(error)


def test_wrong_table_is_a_config_error():
    with pytest.raises(conventions.ConfigError, match="found 'nope'.*acdc"):
        label_table("nope")
    with pytest.raises(conventions.ConfigError, match="found code 9"):
        label_table({"1": 9})
    with pytest.raises(conventions.ConfigError, match="whole numbers"):
        label_table({"a": 1})


def test_network_classes_follow_the_contract():
    assert to_network_classes(np.arange(7)).tolist() == [0, 1, 2, 3, 3, 2, 0]
    assert all(set(table.values()) <= set(range(7)) for table in LABEL_TABLES.values())
