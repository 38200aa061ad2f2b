"""Rows of an evaluation, and what a cohort of rows says, against numbers known by hand."""

import struct

import numpy as np
import pytest
from scripts.evaluation.plots import infarct_size_png
from scripts.evaluation.subject_rows import reference_row, subject_row, summarise, summarise_slices, together

WHOLE = np.zeros((10, 10, 2), np.uint8)
WHOLE[2:8, 2:8], WHOLE[4:6, 4:6] = 2, 1


def heart(infarct_pixels):
    label = WHOLE.copy()
    wall = np.flatnonzero(label == 2)
    label.flat[wall[:infarct_pixels]] = 3
    return label


def row_of(label, reference, native=None):
    native = reference if native is None else native
    found = subject_row(label, reference, (label == 3).astype(float), voxel_ml=0.02)
    truth = reference_row(reference, native)
    reasons = [row.pop("not_measurable") for row in (found, truth) if "not_measurable" in row]
    return found | truth | ({"not_measurable": "; ".join(reasons)} if reasons else {})


def test_a_row_holds_overlap_volumes_and_sizes():
    row = row_of(heart(8), heart(16))
    assert row["infarct_percent_lv"] == pytest.approx(100 * 8 / 64)
    assert row["reference_infarct_percent_lv"] == pytest.approx(100 * 16 / 64)
    assert row["dice_infarct"] == pytest.approx(2 * 8 / 24) and row["dice_lv_myocardium"] == 1.0
    assert row["volume_difference_infarct_ml"] == pytest.approx(-8 * 0.02)
    assert row["infarct_score"] == pytest.approx(100 * 8 / 64)
    assert "reference_oedema_percent_lv" not in row and "marks no oedema" in row["not_measurable"]


def test_what_a_subject_lacks_is_named_and_not_zero():
    row = row_of(heart(0), heart(0))
    assert row["infarct_percent_lv"] == 0.0 and "dice_infarct" not in row
    assert "dice_infarct: no infarct in the label map" in row["not_measurable"]
    empty = row_of(np.zeros_like(WHOLE), heart(4))
    assert "infarct_percent_lv" not in empty and "infarct_score" not in empty
    assert empty["reference_infarct_percent_lv"] == pytest.approx(100 * 4 / 64)


def test_a_reference_without_a_heart_judges_nothing_and_uneven_slices_have_no_volume():
    row = row_of(heart(4), np.zeros_like(WHOLE))
    assert not any(name.startswith(("dice", "volume")) for name in row)
    assert "dice_infarct: the reference has no viable_myocardium" in row["not_measurable"]
    uneven = subject_row(heart(4), heart(4), np.zeros(WHOLE.shape), float("nan"))
    assert uneven["dice_infarct"] == 1.0 and not any(name.startswith("volume") for name in uneven)
    assert "not evenly spaced" in uneven["not_measurable"]


def cohort():
    sizes = [(0, 0), (0, 0), (4, 0), (2, 3), (6, 6), (12, 10), (20, 24), (30, 32)]
    rows = [row_of(heart(found), heart(reference)) for found, reference in sizes]
    return [row | {"vendor": "ge" if i % 2 else "siemens"} for i, row in enumerate(rows)]


def test_a_cohort_is_summarised_with_intervals():
    found = summarise(cohort(), ["vendor"])
    everyone = found["all"]
    assert everyone["subjects"] == 8
    bias = everyone["infarct_size_bias_percent_lv"]
    assert bias["value"] == pytest.approx(100 / 64 * np.mean([0, 0, 4, -1, 0, 2, -4, -2]), abs=1e-3)
    assert bias["low"] < bias["value"] < bias["high"] and bias["subjects"] == 8
    # One of the three hearts without infarct was called, none of the five infarcts was missed.
    assert everyone["presence_specificity"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    assert everyone["presence_sensitivity"]["value"] == 1.0
    assert everyone["presence_auc"]["value"] == pytest.approx(14 / 15, abs=1e-4)
    assert everyone["mean_dice_infarct"]["subjects"] == 6


def test_an_infarct_called_in_oedema_without_infarct_is_a_false_positive():
    swollen = np.where(WHOLE == 2, 5, WHOLE)
    rows = [row_of(heart(found), heart(0), swollen) for found in (0, 0, 0, 8)] + [row_of(heart(9), heart(0))]
    assert rows[0]["reference_oedema_percent_lv"] == 100.0
    found = summarise(rows)["all"]["false_positives_in_oedema_without_infarct"]
    assert (found["value"], found["subjects"]) == (0.25, 4)


def test_sizes_that_readers_see_are_compared_with_the_truth_too():
    rows = [row | {"reader_virtual_infarct_percent_lv": row["reference_infarct_percent_lv"] + 2.0} for row in cohort()]
    found = summarise(rows)["all"]
    assert found["reader_virtual_infarct_size_bias_percent_lv"]["value"] == pytest.approx(2.0)
    assert found["reader_virtual_infarct_size_r"]["value"] == pytest.approx(1.0)


def test_a_cohort_is_also_told_by_size_and_group():
    found = summarise(cohort(), ["vendor"])["by"]
    sizes = {name: group["subjects"] for name, group in found["reference_size"].items()}
    assert sizes == {"none": 3, "0 to 5 %LV": 1, "5 to 10 %LV": 1, "10 to 20 %LV": 1, "20 to 100 %LV": 2}
    assert {name: group["subjects"] for name, group in found["vendor"].items()} == {"ge": 4, "siemens": 4}
    alone = found["reference_size"]["0 to 5 %LV"]
    assert "1 pair " in alone["infarct_size_r"]["not_measurable"]
    assert "value" in alone["mean_dice_infarct"] and "no_interval" in alone["mean_dice_infarct"]


@pytest.mark.slow
@pytest.mark.parametrize("rows", [cohort(), cohort()[:1], []])
def test_the_figure_is_drawn_for_any_number_of_subjects(rows):
    png = infarct_size_png(rows)
    assert png.startswith(b"\x89PNG") and struct.unpack(">II", png[16:24]) == (1210, 550)


def test_dice_where_there_is_an_infarct_leaves_out_what_was_invented():
    rows = [{"dice_infarct": 0.8, "reference_infarct_percent_lv": 20.0}, {"reference_infarct_percent_lv": 0.0},
            {"dice_infarct": 0.0, "reference_infarct_percent_lv": 0.0}]  # fmt: skip
    found = together(rows)
    assert found["mean_dice_infarct"]["value"] == pytest.approx(0.4)
    assert found["mean_dice_infarct_where_there_is_one"]["value"] == pytest.approx(0.8)
    assert found["mean_dice_infarct_where_there_is_one"]["subjects"] == 1


def test_an_infarct_invented_outside_the_wall_counts_in_an_evaluation():
    label = WHOLE.copy()
    label[0, 0, 1] = 3
    row = subject_row(label, WHOLE, np.zeros(label.shape), 1.0)
    assert row["infarct_percent_lv"] > 0 and row["dice_infarct"] == 0.0


def test_means_over_slices_have_intervals_by_subject():
    rows = [{"subject": name, "slice": s, "dice_infarct": value}
            for name, value in (("a", 0.2), ("b", 0.4), ("c", 0.9)) for s in range(3)]  # fmt: skip
    found = summarise_slices([*rows, {"subject": "a", "slice": 4}])
    assert found["slices"] == 10 and found["mean_dice_infarct"]["value"] == pytest.approx(0.5)
    assert found["mean_dice_infarct"]["subjects"] == 3 and found["mean_dice_infarct"]["high"] > 0.6
