"""Overlap with a reference: values known by hand, and the reason when both maps are empty."""

import numpy as np
import pytest
from scripts.clinical.agreement import dice
from scripts.clinical.assessment import assess_subject
from scripts.conventions import NotMeasurable


def label(columns: dict[int, int]) -> np.ndarray:
    """(8, 8, 1), one column of 8 voxels per entry: column -> code."""
    array = np.zeros((8, 8, 1), np.uint8)
    for column, code in columns.items():
        array[column] = code
    return array


def test_dice_of_half_overlapping_infarcts_is_one_half():
    assert dice(label({1: 3, 2: 3}), label({2: 3, 3: 3, 4: 2}), "infarct") == pytest.approx(0.5)


def test_no_reflow_counts_as_infarct_and_infarct_as_wall():
    found, wanted = label({1: 3, 2: 2}), label({1: 4, 2: 2})
    assert dice(found, wanted, "infarct") == 1
    assert dice(found, wanted, "lv_myocardium") == 1


def test_infarct_found_where_there_is_none_scores_zero_but_none_found_is_not_measurable():
    assert dice(label({1: 3, 2: 2}), label({1: 2, 2: 2}), "infarct") == 0
    with pytest.raises(NotMeasurable, match="infarct"):
        dice(label({1: 2}), label({1: 2}), "infarct")


@pytest.mark.parametrize(
    ("structure", "reference", "missing"),
    [("lv_blood_pool", {1: 2}, "lv_blood_pool"), ("lv_myocardium", {1: 1}, "lv_myocardium"),
     ("infarct", {1: 3}, "viable_myocardium"), ("infarct", {}, "viable_myocardium")],
)  # fmt: skip
def test_a_reference_without_the_structure_or_without_a_wall_judges_nothing(structure, reference, missing):
    with pytest.raises(NotMeasurable, match=f"the reference has no {missing}"):
        dice(label({1: 1, 2: 2, 3: 3}), label(reference), structure)


def test_assessment_reports_dice_per_structure_against_the_reference():
    found, wanted = label({1: 3, 2: 2, 3: 1}), label({1: 2, 2: 2, 3: 1})
    result = assess_subject(
        label=found, virtual_lge=np.random.default_rng(0).random(found.shape), affine=np.eye(4),
        sequences_used=("cine", "t2_stir"), reference_label=wanted,
    )  # fmt: skip
    assert {k: v["value"] for k, v in result["reference_dice"].items()} == {
        "lv_blood_pool": 1.0, "lv_myocardium": 1.0, "infarct": 0.0,
    }  # fmt: skip
