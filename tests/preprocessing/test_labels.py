"""Label tables: every data set's values become ours; unknown values stop."""

import numpy as np
import pytest
from helpers.cone_heart import Sector, heart
from scripts import conventions
from scripts.conventions import ConfigError
from scripts.preprocessing.labels import (
    LABEL_TABLES,
    LabelError,
    class_groups,
    coded,
    fitting_tables,
    label_table,
    marks_infarct,
    table_for,
    to_network_classes,
    translate,
)
from scripts.volumes.grids import Grid
from scripts.volumes.volume import Volume

ACDC, MNMS = np.array([0, 3, 2, 2, 2, 2, 1]), np.array([0, 1, 2, 2, 2, 2, 3])


def volume(values=None):
    """A heart with infarct as a file holds it: by our codes, or with ``values`` in their place."""
    label, affine = heart([Sector(20, 140)], pixel_mm=(1.5, 1.5))
    array = (label if values is None else np.asarray(values)[label]).astype(np.float32)
    return Volume(array, Grid("p/label.nii.gz", array.shape, affine))


@pytest.mark.parametrize(
    ("table", "values", "names"),
    [
        ("myops", [500, 200, 2221, 1220, 600], ["lv_blood_pool", "myocardium", "infarct", "oedema", "rv_blood_pool"]),
        ("emidec", [1, 2, 3, 4], ["lv_blood_pool", "myocardium", "infarct", "no_reflow"]),
        ("acdc", [1, 2, 3], ["rv_blood_pool", "myocardium", "lv_blood_pool"]),
        ("mnms", [1, 2, 3], ["lv_blood_pool", "myocardium", "rv_blood_pool"]),
        ("mscmrseg", [500, 200, 600], ["lv_blood_pool", "myocardium", "rv_blood_pool"]),
        ("auto", [1, 2, 3, 4, 5, 6], list(conventions.LABEL_NAMES[1:])),
        ("ours", [1, 2, 3, 4, 5, 6], list(conventions.LABEL_NAMES[1:])),
    ],
)
def test_values_become_our_codes(table, values, names):
    codes = translate(np.array([[0, *values]], np.float32), table)
    assert codes.dtype == np.uint8 and codes.shape == (1, len(values) + 1)
    assert [conventions.LABEL_NAMES[code] for code in codes[0]] == ["background", *names]


def test_own_table_of_the_config_has_string_keys():
    assert translate(np.array([0, 7]), {"0": 0, "7": 3}).tolist() == [0, 3]


def test_a_table_of_a_site_need_not_say_that_0_is_background():
    np.testing.assert_array_equal(translate(ACDC, {1: 6, 2: 2, 3: 1}), translate(ACDC, "acdc"))
    assert label_table({0: 2, 1: 0}) == {0: 2, 1: 0}


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


def test_the_table_a_site_names_is_stronger_than_that_of_the_layout(make):
    entry = {"subject": "p", "label_table": "acdc"}
    assert table_for(entry) == table_for(entry, "auto") == "acdc" and table_for({"subject": "p"}) == "ours"
    assert table_for(entry, "mnms") == "mnms" and table_for(entry, {1: 3}) == {1: 3}
    unknown = {"subject": "p", "label_table_problem": "dataset.json: labels say nothing.\nFix: --label_table"}
    with pytest.raises(LabelError) as error:
        table_for(unknown)
    assert make.readable(error).startswith("dataset.json") and table_for(unknown, "acdc") == "acdc"


def test_meta_json_may_say_what_the_values_mean(make, tmp_path):
    entry = {"subject": "p", "meta": str(tmp_path / "meta.json")}
    make.json(tmp_path / "meta.json", {"label_table": {"1": 6, "2": 2, "3": 1}})
    np.testing.assert_array_equal(translate(ACDC, table_for(entry)), translate(ACDC, "acdc"))
    assert table_for(entry | {"label_table": "mnms"}) == "mnms" and table_for(entry, "emidec") == "emidec"
    make.json(tmp_path / "meta.json", {"vendor": "ge"})
    assert table_for(entry) == "ours"


@pytest.mark.parametrize("table", ["mine", [1, 2], 3, None, {"1": 9}, {"a": 1}, {"1": None}])
def test_a_table_of_a_subject_that_is_none_names_subject_and_file(make, tmp_path, table):
    make.json(tmp_path / "meta.json", {"label_table": table})
    with pytest.raises(LabelError) as error:
        table_for({"subject": "p7", "meta": str(tmp_path / "meta.json")})
    assert "p7" in make.readable(error) and "meta.json" in str(error.value)


def test_values_next_to_a_whole_number_are_that_number():
    almost = np.array([0.0004, 0.9996, 2.0009, 2.9991], np.float32)
    assert translate(almost, "acdc").tolist() == [0, 6, 2, 1]
    assert translate(np.array([2221.0004, 499.9997]), "myops").tolist() == [3, 1]
    with pytest.raises(LabelError, match="1.002"):
        translate(np.array([1.002]), "ours")


@pytest.mark.parametrize(
    ("values", "table"), [(ACDC, "acdc"), (MNMS, "mnms"), ([0, 500, 200, 2221, 2221, 1220, 600], "myops")]
)
def test_a_map_of_another_data_set_stops_and_the_table_that_was_tried_on_it_is_named(make, values, table):
    with pytest.raises(LabelError) as error:
        coded(volume(values), "ours")
    text = make.readable(error)
    assert text.startswith("p/label.nii.gz") and f"set label_table to {table}," in text
    codes = coded(volume(values), table).array
    own = coded(volume(), "ours").array
    assert np.array_equal(codes == 1, own == 1) and np.array_equal(codes == 6, own == 6)


def test_a_map_that_no_table_fits_asks_for_a_table_of_its_own(make):
    with pytest.raises(LabelError) as error:
        coded(volume([0, 2, 1, 3, 3, 1, 0]), "ours")
    text = make.readable(error)
    assert "none of the tables" in text and "{value on disk: our code}" in text
    swapped = {"0": 0, "1": 2, "2": 1, "3": 3}
    assert np.array_equal(coded(volume([0, 2, 1, 3, 3, 1, 0]), swapped).array == 1, volume().array == 1)


def test_several_tables_that_fit_are_all_named(make):
    network = [0, 1, 2, 3, 3, 2, 0]
    assert fitting_tables(volume(network).array) == ["ours", "emidec"]
    with pytest.raises(LabelError) as error:
        coded(volume(network), "acdc")
    assert "ours, emidec" in make.readable(error)


def test_a_map_can_be_taken_unseen():
    assert coded(volume(ACDC), "ours", check=False).array.max() == 3


def test_which_tables_know_infarct():
    known = {name: marks_infarct(name) for name in LABEL_TABLES}
    assert known == {"ours": True, "myops": True, "emidec": True, "acdc": False, "mnms": False, "mscmrseg": False}
    assert marks_infarct({"9": 4}) and not marks_infarct({"1": 1, "2": 2})


@pytest.mark.parametrize(
    ("table", "six", "four"),
    [
        ("ours", (0, 1, 2, 3, 4, 5), (0, 1, 2, 3)),
        ("myops", (0, 1, 2, 3, 3, 5), (0, 1, 2, 3)),
        ("emidec", (0, 1, 2, 3, 4, 2), (0, 1, 2, 3)),
        ("acdc", (0, 1, 2, 2, 2, 2), (0, 1, 2, 2)),
        ({"1": 1, "2": 2, "3": 5}, (0, 1, 2, 2, 2, 2), (0, 1, 2, 2)),
        ({"1": 1, "2": 2, "7": 4}, (0, 1, 2, 2, 2, 2), (0, 1, 2, 3)),
    ],
)
def test_what_a_table_lacks_is_shown_as_what_it_is_a_part_of(table, six, four):
    assert class_groups(table, 6) == six
    assert class_groups(table, 4) == four


def test_a_network_of_six_classes_tells_no_reflow_and_oedema():
    codes = np.arange(7).reshape(1, 7)
    assert to_network_classes(codes, 6).tolist() == [[0, 1, 2, 3, 4, 5, 0]]
    with pytest.raises(ConfigError, match="num_classes: found 5"):
        to_network_classes(codes, 5)
