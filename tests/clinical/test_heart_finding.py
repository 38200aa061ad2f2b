"""Whether the LV was found: slices missed and invented, and the distance of its centre."""

import numpy as np
import pytest
from scripts.clinical.heart_finding import centre_distance_mm, slice_invents_lv, slice_misses_lv
from scripts.conventions import NotMeasurable


def heart(*blood_sides, corner=(8, 8), size=24):
    """A square of LV blood per slice, of so many pixels a side, with a wall of two pixels; 0: an empty slice."""
    label = np.zeros((size, size, len(blood_sides)), np.uint8)
    for s, side in enumerate(blood_sides):
        if side:
            (x, y), end = corner, side + 2
            label[x - 2 : x + end, y - 2 : y + end, s] = 2
            label[x : x + side, y : y + side, s] = 1
    return label


def test_a_slice_is_missed_when_less_than_half_of_its_blood_overlaps():
    reference = heart(6, 6, 6)
    found = np.concatenate([heart(6), heart(6, corner=(12, 12)), heart(0)], axis=-1)
    assert slice_misses_lv(found, reference).tolist() == [False, True, True]


def test_a_slice_with_hardly_any_blood_is_not_asked_for():
    assert slice_misses_lv(heart(0, 0), heart(4, 5)).tolist() == [False, True]


def test_an_lv_is_invented_only_where_the_reference_has_neither_blood_nor_wall():
    reference = heart(6, 0, 0)
    reference[2, 2, 1] = 3  # infarct is wall
    assert slice_invents_lv(heart(6, 6, 6), reference).tolist() == [False, False, True]


def test_a_few_pixels_are_no_invented_lv_and_a_right_ventricle_is_none():
    found = heart(4, 0)
    found[4:12, 4:12, 1] = 6
    assert slice_invents_lv(found, np.zeros_like(found)).tolist() == [False, False]


def test_the_centre_is_that_of_the_whole_stack_in_mm_of_the_plane():
    found = heart(6, 6, corner=(11, 12))
    assert centre_distance_mm(found, heart(6, 6), (2.0, 1.0)) == pytest.approx(np.hypot(3 * 2.0, 4 * 1.0))


@pytest.mark.parametrize(("found", "reference", "where"), [(0, 6, "label map"), (6, 0, "reference")])
def test_without_blood_there_is_no_centre(found, reference, where):
    with pytest.raises(NotMeasurable, match=f"no lv_blood_pool in the {where}"):
        centre_distance_mm(heart(found), heart(reference), (1.0, 1.0))
