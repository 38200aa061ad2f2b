"""Volumes, masses and infarct size against cylinders whose numbers are known on paper."""

import numpy as np
import pytest
from ring_heart import analytic_ml, oblique_affine, ring_label
from scripts.clinical import volumes
from scripts.conventions import NotMeasurable


@pytest.mark.parametrize("structure", ["lv_blood_pool", "lv_myocardium", "infarct"])
def test_volume_of_a_ring_heart_is_within_one_percent_of_the_cylinders(structure):
    found = volumes.structure_volume_ml(ring_label(), oblique_affine(), structure)
    assert found == pytest.approx(analytic_ml()[structure], rel=0.01)


def test_mass_is_volume_times_density():
    mass = volumes.structure_mass_g(ring_label(), oblique_affine(), "lv_myocardium")
    assert mass == pytest.approx(1.05 * analytic_ml()["lv_myocardium"], rel=0.01)


def test_infarct_size_is_the_sector_of_the_wall():
    assert volumes.infarct_percent_lv(ring_label()) == pytest.approx(100 * 60 / 360, rel=0.01)


def test_infarct_size_does_not_depend_on_slice_direction_or_flips():
    label = ring_label()
    mirrored = np.diag([-1.0, 1, 1, 1]) @ oblique_affine()
    assert volumes.infarct_percent_lv(label[::-1, :, ::-1]) == volumes.infarct_percent_lv(label)
    assert volumes.voxel_volume_ml(mirrored) == pytest.approx(0.5 * 0.5 * 8 / 1000, rel=1e-5)


def test_no_reflow_counts_as_infarct_and_oedema_as_viable():
    label = ring_label()
    split = label.copy()
    split[:100][label[:100] == 2] = 5
    split[100:][label[100:] == 3] = 4
    assert {4, 5} <= set(np.unique(split))
    assert volumes.infarct_percent_lv(split) == volumes.infarct_percent_lv(label)


def test_a_heart_without_infarct_has_zero_percent_not_a_missing_number():
    label = ring_label(infarct=False)
    assert volumes.infarct_percent_lv(label) == 0.0
    assert volumes.structure_volume_ml(label, oblique_affine(), "infarct") == 0.0


@pytest.mark.parametrize("structure", ["lv_blood_pool", "lv_myocardium", "viable_myocardium", "infarct"])
def test_an_empty_label_is_not_measurable_instead_of_zero(structure):
    with pytest.raises(NotMeasurable, match="was found in any slice"):
        volumes.structure_volume_ml(np.zeros((8, 8, 2), np.uint8), np.eye(4), structure)


def test_infarct_without_any_wall_has_no_percentage():
    label = np.zeros((8, 8, 2), np.uint8)
    label[2:4, 2:4] = 3
    with pytest.raises(NotMeasurable, match="no viable LV myocardium"):
        volumes.infarct_percent_lv(label)


def test_the_blood_pool_has_no_mass():
    with pytest.raises(NotMeasurable, match="not muscle"):
        volumes.structure_mass_g(ring_label(), np.eye(4), "lv_blood_pool")


def test_a_singular_affine_is_not_measurable():
    with pytest.raises(NotMeasurable, match="determinant is 0"):
        volumes.voxel_volume_ml(np.diag([1.0, 0.0, 1.0, 1.0]))


def test_slices_with_lists_only_the_slices_that_hold_the_structure():
    assert volumes.slices_with(ring_label(slices=4, empty_slices=1), "lv_myocardium") == [0, 1, 2]
