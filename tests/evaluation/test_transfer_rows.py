"""Rows of a transfer evaluation and their means: phases of one subject, shares, hearts that were not found."""

import numpy as np
import pytest
from helpers.pairs import squares
from scripts.evaluation.transfer_rows import by_group, summarise_transfer, transfer_row, transfer_slice_rows

AFFINE = np.diag([2.0, 1.0, 10.0, 1.0])


def test_a_row_holds_overlap_volumes_slices_and_distance():
    reference = squares()
    found = squares(2)
    found[..., 1] = 0
    row = transfer_row(found, reference, AFFINE)
    assert row["dice_lv_blood_pool"] == pytest.approx(2 * 8 / (16 + 32))
    assert row["volume_difference_lv_blood_pool_ml"] == pytest.approx(-16 * 0.02)
    assert row["centre_distance_mm"] == pytest.approx(2 * 2.0)
    assert (row["lv_slices"], row["slices_missed"], row["slices_invented"]) == (0, 0, 0)  # 16 pixels are few
    assert not any(isinstance(value, str) for value in row.values())


def test_a_heart_that_was_not_found_overlaps_nowhere_and_has_no_centre():
    row = transfer_row(np.zeros_like(squares()), squares(), AFFINE)
    assert row["dice_lv_blood_pool"] == row["dice_lv_myocardium"] == 0
    assert "centre_distance_mm" not in row and "centre_distance_mm: no lv_blood_pool" in row["not_measurable"]
    numbers = summarise_transfer([row | {"subject": "a"}])
    assert numbers["centre_within_10_mm"]["count"] == 0 and numbers["centre_within_10_mm"]["of"] == 1


def test_what_the_reference_does_not_show_is_missing_and_not_0():
    reference = np.where(squares() == 2, 0, squares()).astype(np.uint8)
    row = transfer_row(squares(), reference, AFFINE)
    assert "dice_lv_myocardium" not in row and "the reference has no lv_myocardium" in row["not_measurable"]


def test_slices_are_counted_from_1_as_in_the_file_and_say_what_was_missed_and_invented():
    found = np.zeros((24, 24, 3), np.uint8)
    found[4:12, 4:12, 2] = 1
    reference = found[..., ::-1].copy()
    rows = transfer_slice_rows(found, reference, [1, 2, 4])
    assert [row["slice"] for row in rows] == [2, 3, 5]
    assert [(row["missed"], row["invented"]) for row in rows] == [(1, 0), (0, 0), (0, 1)]
    assert [row["reference_blood_pixels"] for row in rows] == [64, 0, 0]
    assert rows[0]["dice_lv_blood_pool"] == 0 and "dice_lv_blood_pool" not in rows[2]


def test_two_label_maps_of_a_subject_are_one_subject_and_groups_have_their_own_means():
    rows = [
        {"subject": name, "label_drawn_on": phase, "dice_lv_blood_pool": dice, "slices_missed": missed,
         "slices_invented": 0.0, "centre_distance_mm": 30.0 * missed}
        for name in "abcd"
        for phase, dice, missed in (("end-diastole", 0.9, 0.0), ("end-systole", 0.5, 1.0))
    ]  # fmt: skip
    numbers = summarise_transfer(rows)
    assert (numbers["subjects"], numbers["label_maps"]) == (4, 8)
    dice = numbers["mean_dice_lv_blood_pool"]
    assert (dice["value"], dice["low"], dice["high"]) == (0.7, 0.7, 0.7)  # subjects are all alike
    assert numbers["without_missed_slice"]["count"] == 4 and numbers["without_invented_slice"]["count"] == 8
    assert numbers["centre_within_10_mm"]["value"] == 0.5
    groups = by_group(rows, ["label_drawn_on", "vendor"])
    assert groups["label_drawn_on"]["end-systole"]["mean_dice_lv_blood_pool"]["value"] == 0.5
    assert list(groups["vendor"]) == ["unknown"]


def test_a_share_of_none_or_all_has_no_interval_of_width_0():
    rows = [transfer_row(squares(), squares(), AFFINE) | {"subject": name} for name in "abcd"]
    share = summarise_transfer(rows)["without_missed_slice"]
    assert (share["value"], share["count"]) == (1, 4) and "low" not in share and "no_interval" in share


def test_two_subjects_have_means_and_no_interval():
    rows = [transfer_row(squares(), squares(), AFFINE) | {"subject": name} for name in "ab"]
    number = summarise_transfer(rows)["mean_dice_lv_myocardium"]
    assert number["value"] == 1 and "low" not in number and "2 subjects" in number["no_interval"]
