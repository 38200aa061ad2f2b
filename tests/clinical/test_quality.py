"""Each flag on a heart with that one defect, and none on a good heart."""

import numpy as np
import pytest
from helpers.ring_heart import ring_label
from scripts.clinical.quality import CropWindow, quality_flags, review_needed

BOTH = ("cine", "t2_stir")


@pytest.fixture
def label():
    return ring_label(spacing_mm=(1.0, 1.0))


@pytest.fixture
def lge(label):
    return np.random.default_rng(0).uniform(0.1, 1.0, label.shape).astype(np.float32)


def names(label, lge, used=BOTH, crop=None):
    return [flag.flag for flag in quality_flags(label, lge, used, crop)]


def window(size, corner, slices=4):
    matrix = np.array([[1.0, 0, corner], [0, 1, corner], [0, 0, 1]])
    return CropWindow(np.repeat(matrix[None], slices, axis=0), (size, size))


def test_a_good_heart_has_no_flag(label, lge):
    assert names(label, lge, crop=window(80, 8)) == []


def test_missing_t2_stir_is_a_note_but_missing_cine_needs_review(label, lge):
    note = quality_flags(label, lge, ("cine",))
    assert [flag.flag for flag in note] == ["t2_stir_missing"]
    assert not review_needed(note)
    assert review_needed(quality_flags(label, lge, ("t2_stir",)))


def test_no_myocardium_is_flagged(label, lge):
    flags = quality_flags(np.zeros_like(label), lge, BOTH)
    assert [flag.flag for flag in flags] == ["no_myocardium"]
    assert review_needed(flags)


def test_no_blood_pool_is_flagged(label, lge):
    assert names(np.where(label == 1, 0, label), lge) == ["no_blood_pool"]


def test_infarct_away_from_the_wall_is_flagged_with_its_slice(label, lge):
    label[label == 3] = 2
    label[2:6, 2:6, 1] = 3
    flags = {flag.flag: flag.message for flag in quality_flags(label, lge, BOTH)}
    assert flags["infarct_outside_myocardium"].endswith("slice 2")


def test_a_wall_in_two_pieces_is_flagged(label, lge):
    label[44:52, :, 0] = 0
    assert names(label, lge) == ["myocardium_disconnected"]


def test_a_slice_without_wall_between_others_is_flagged(label, lge):
    label[..., 1] = 0
    assert names(label, lge) == ["myocardium_gap"]


def test_a_heart_cut_by_the_crop_is_flagged_only_when_it_reaches_the_border(label, lge):
    assert names(label, lge, crop=window(50, 16)) == ["label_at_crop_border"]
    assert names(label, lge, crop=window(70, 13)) == []


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_a_constant_virtual_lge_slice_is_flagged(label, lge, value):
    lge[..., 2] = 0
    lge[20:70, 20:70, 2] = value
    flags = {flag.flag: flag.message for flag in quality_flags(label, lge, BOTH)}
    assert flags["virtual_lge_constant"].endswith("in slice 3")
