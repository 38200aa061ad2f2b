"""The evaluation's table: groups from meta files, distances in mm, what a network does not give, further readers."""

import csv
import json

import numpy as np
import pytest
from helpers.pairs import pair_of, squares
from scripts.clinical.volumes import infarct_percent_lv
from scripts.evaluation.subject_table import SubjectTable


def test_distance_is_in_mm_of_the_crop_and_volume_counts_the_slice_pitch():
    table = SubjectTable([])
    table.collect(pair_of(squares(3, infarct=1, slices=3), squares(0, slices=3)))
    row = table.rows[0]
    assert row["hd95_lv_blood_pool_mm"] == pytest.approx(3 * 2.0)
    assert "hd95_infarct_mm" not in row
    assert "hd95_infarct_mm: no infarct in the reference" in row["not_measurable"]
    pixels, voxel_ml = 12 * 3, 2.0 * 2.0 * 10.0 / 1000
    assert row["volume_difference_infarct_ml"] == pytest.approx(pixels * voxel_ml)


def test_uneven_slices_have_no_distance_and_no_volume():
    table = SubjectTable([])
    table.collect(pair_of(squares(3), squares(0), evenly_spaced=False))
    row = table.rows[0]
    assert not any(name.startswith(("hd95", "volume")) for name in row)
    assert "not evenly spaced" in row["not_measurable"]


@pytest.mark.slow
def test_groups_come_from_the_meta_file_and_a_broken_one_gives_none(tmp_path):
    good, broken = tmp_path / "good.json", tmp_path / "broken.json"
    good.write_text(json.dumps({"condition": "healthy", "truth": {"territory": "none"}}))
    broken.write_text("{")
    entries = [{"subject": "a", "meta": str(good), "vendor": "ge"}, {"subject": "b", "meta": str(broken)}]
    table = SubjectTable(entries)
    for name in ("a", "b"):
        table.collect(pair_of(squares(), squares(), name))
    by = table.write(tmp_path / "out")["by"]
    assert list(by) == ["reference_size", "vendor", "condition", "territory"]
    assert {name: group["subjects"] for name, group in by["vendor"].items()} == {"ge": 1, "unknown": 1}
    first, second = csv.DictReader((tmp_path / "out" / "subjects.csv").open())
    assert (first["vendor"], first["condition"], first["territory"]) == ("ge", "healthy", "none")
    assert (second["vendor"], second["condition"]) == ("", "")
    assert (tmp_path / "out" / "infarct_size.png").read_bytes().startswith(b"\x89PNG")


def test_a_second_run_starts_with_an_empty_table(tmp_path):
    table = SubjectTable([])
    for _ in range(2):
        table.start()
        table.collect(pair_of(squares(), squares()))
    assert table.write(tmp_path)["all"]["subjects"] == 1


@pytest.mark.slow
def test_there_are_no_numbers_of_what_the_network_does_not_give(tmp_path):
    rows = {}
    for tasks in (("mask",), ("lge",)):
        table = SubjectTable([], tasks=tasks)
        table.collect(pair_of(squares(2, slices=3), squares(slices=3), subject="a"))
        table.write(tmp_path / tasks[0])
        rows[tasks[0]] = table.rows[0]
    assert "hd95_lv_myocardium_mm" in rows["mask"] and "ssim_crop" not in rows["mask"]
    assert "ssim_crop" in rows["lge"] and "hd95_lv_myocardium_mm" not in rows["lge"]
    assert not (tmp_path / "lge" / "infarct_size.png").exists()


def test_the_truth_is_in_the_row_of_every_network_so_that_readers_of_its_pictures_are_held_to_it():
    for tasks in (("mask", "lge"), ("lge",)):
        table = SubjectTable([], tasks=tasks)
        table.collect(pair_of(squares(2), squares(infarct=1)))
        truth = infarct_percent_lv(squares(infarct=1))
        assert table.rows[0]["reference_infarct_percent_lv"] == pytest.approx(truth), tasks
        assert "no oedema" in table.rows[0]["not_measurable"], tasks


def test_readers_add_columns_and_their_reasons():
    reading = {"reader_virtual_infarct_percent_lv": 4.0, "not_measurable": "reader_acquired: constant"}
    table = SubjectTable([], [lambda pair: dict(reading)])
    table.collect(pair_of(squares(), squares()))
    row = table.rows[0]
    assert row["reader_virtual_infarct_percent_lv"] == 4.0 and "reader_acquired: constant" in row["not_measurable"]


def test_one_slice_has_the_distance_of_its_contours_and_two_have_none():
    plain = np.zeros((64, 64, 1), np.uint8)
    plain[4:44, 4:44] = 1
    bumped = plain.copy()
    bumped[44:52, 20:28] = 1  # 4 % of the area: with the inside as surface no 95th percentile sees it
    table = SubjectTable([])
    table.collect(pair_of(plain, bumped))
    table.collect(pair_of(np.repeat(plain, 2, axis=2), np.repeat(bumped, 2, axis=2)))
    assert table.rows[0]["hd95_lv_blood_pool_mm"] == pytest.approx(7 * 2.0)
    assert "hd95_lv_blood_pool_mm" not in table.rows[1] and "two slices" in table.rows[1]["not_measurable"]


@pytest.mark.slow
def test_a_reference_without_infarct_class_counts_in_no_number_about_infarct(tmp_path):
    table, known = SubjectTable([]), SubjectTable([])
    pairs = [pair_of(squares(infarct=2), squares(infarct=2), name) for name in "abc"]
    blind = pair_of(squares(infarct=2), squares(), "d", infarct_marked=False)
    for pair in pairs:
        known.collect(pair)
    for pair in (*pairs, blind):
        table.collect(pair)
    row = table.rows[-1]
    assert not [name for name in row if "infarct" in name and name not in ("infarct_percent_lv", "infarct_score")]
    assert row["dice_lv_blood_pool"] == 1 and "no infarct class" in row["not_measurable"]
    found, expected = (one.write(tmp_path / str(k)) for k, one in enumerate((table, known)))
    about = [key for key in expected["all"] if "size" in key or "presence" in key or key.endswith("dice_infarct")]
    assert about and all(found["all"][key] == expected["all"][key] for key in about)
    assert found["by"]["reference_size"]["unknown"]["subjects"] == 1
