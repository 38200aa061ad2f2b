"""Sizes that no heart and no stack has are flagged for review; sizes of real ones, and parts of a heart, are not."""

import numpy as np
import pytest
from helpers.ring_heart import ring_label
from scripts.clinical.assessment import assess_subject
from scripts.clinical.plausibility import grid_flags, heart_flags
from scripts.clinical.quality import Flag
from scripts.clinical.quantification import quantify, table_row


def turned(spacing):
    """Voxel to mm of an oblique stack."""
    a, b = np.radians(35.0), np.radians(-50.0)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_x @ np.diag(spacing)
    return affine


def names(flags):
    assert all(flag.review for flag in flags)
    return [flag.flag for flag in flags]


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [
        ((228, 198, 11), (1.66, 1.66, 7.0)),
        ((256, 216, 3), (1.4, 1.4, 25.0)),
        ((192, 192, 1), (2.0, 2.0, 1.0)),
        ((96, 96, 4), (0.5 * 2, 1.0, 8.0)),
        ((200, 200, 60), (1.3, 1.3, 1.3)),
    ],
)
def test_grids_of_real_stacks_are_plausible(shape, spacing):
    assert grid_flags(shape, turned(spacing)) == []


@pytest.mark.parametrize(
    ("shape", "affine", "expected"),
    [
        ((228, 198, 11), turned((1.66, 1.66, 1.0)), ["slice_distance_implausible"]),
        ((228, 198, 11), turned((1.66, 1.66, 70.0)), ["slice_distance_implausible"]),
        ((800, 800, 11), turned((0.3, 0.3, 8.0)), ["pixel_size_implausible"]),
        ((100, 100, 11), turned((4.0, 4.0, 8.0)), ["pixel_size_implausible"]),
        ((64, 64, 11), turned((1.0, 1.0, 8.0)), ["field_of_view_implausible"]),
        ((512, 512, 11), turned((1.5, 1.5, 8.0)), ["field_of_view_implausible"]),
        ((228, 198, 11), np.eye(4), ["slice_distance_implausible", "identity_affine"]),
        ((228, 198, 60), np.diag([-1.0, -1.0, 1.0, 1.0]), ["slice_distance_implausible", "identity_affine"]),
        ((228, 198, 1), np.eye(4), ["identity_affine"]),
    ],
)
def test_a_grid_that_no_stack_has_is_flagged(shape, affine, expected):
    assert names(grid_flags(shape, affine)) == expected


def test_a_whole_heart_of_a_true_size_is_plausible():
    assert heart_flags(ring_label((1.0, 1.0), slices=9), turned((1.0, 1.0, 8.0))) == []


def test_a_heart_measured_in_wrong_voxels_is_flagged_by_each_size():
    label = ring_label((1.0, 1.0), slices=9)
    small = heart_flags(label, turned((0.5, 0.5, 1.0)))
    assert names(small) == ["lv_mass_implausible", "lv_blood_pool_implausible", "lv_diameter_implausible"]
    assert "expected 30 to 400 g" in small[0].message
    large = heart_flags(label, turned((2.5, 2.5, 12.0)))
    assert names(large) == ["lv_mass_implausible", "lv_blood_pool_implausible", "lv_diameter_implausible"]


def test_part_of_a_heart_is_not_too_small_but_may_be_too_large():
    part = ring_label((1.0, 1.0), slices=4)
    assert heart_flags(part, turned((1.0, 1.0, 1.0))) == []
    assert names(heart_flags(part, turned((3.0, 3.0, 20.0)))) != []
    assert heart_flags(np.zeros_like(part), turned((1.0, 1.0, 1.0))) == []


@pytest.mark.slow
def test_wrong_voxels_ask_for_a_review_in_the_assessment_and_in_quantify():
    label, wrong = ring_label((1.0, 1.0), slices=9), turned((1.0, 1.0, 1.0))
    lge = np.random.default_rng(0).uniform(0.1, 1.0, label.shape).astype(np.float32)
    found = assess_subject(label=label, virtual_lge=lge, affine=wrong, sequences_used=("cine", "t2_stir"))
    assert found["review_needed"] and "slice_distance_implausible" in [flag["flag"] for flag in found["qc"]]
    row = table_row(quantify(label, lge, wrong))
    assert row["review_needed"] == "yes" and "lv_mass_implausible" in row["qc_flags"]
    assert table_row(quantify(label, lge, turned((1.0, 1.0, 8.0))))["review_needed"] == "no"


@pytest.mark.slow
def test_what_the_reading_of_the_files_found_stands_among_the_flags():
    label = ring_label((1.0, 1.0), slices=9)
    found = assess_subject(
        label=label, virtual_lge=np.ones(label.shape), affine=turned((1.0, 1.0, 8.0)), sequences_used=("cine",),
        flags=[Flag("phases_stored_as_slices", "near copies")],
    )  # fmt: skip
    assert found["review_needed"] and found["qc"][-1]["flag"] == "phases_stored_as_slices"
