"""Volumes, masses and infarct size of cylinders with known numbers."""

import numpy as np
import pytest
from helpers.ring_heart import analytic_ml, oblique_affine, ring_label
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


def test_a_lesion_without_its_no_reflow_has_its_own_volume_mass_and_size():
    label = ring_label()
    label[140:][label[140:] == 3] = 4
    sizes = {name: volumes.infarct_percent_lv(label, name) for name in volumes.LESIONS}
    assert sizes["infarct"] == pytest.approx(sizes["infarct_without_no_reflow"] + sizes["no_reflow"])
    assert 0 < sizes["infarct_without_no_reflow"] < sizes["infarct"]
    core_ml = volumes.structure_volume_ml(label, oblique_affine(), "no_reflow")
    assert core_ml == pytest.approx((label == 4).sum() * 0.002, rel=1e-5)
    assert volumes.structure_mass_g(label, oblique_affine(), "no_reflow") == pytest.approx(1.05 * core_ml)


@pytest.mark.parametrize("structure", ["no_reflow", "infarct_without_no_reflow"])
def test_a_lesion_without_a_wall_to_look_at_is_not_measurable(structure):
    with pytest.raises(NotMeasurable, match="no viable LV myocardium"):
        volumes.structure_volume_ml(np.zeros((8, 8, 2), np.uint8), np.eye(4), structure)


def test_whether_no_reflow_is_marked_must_be_seen_or_said():
    label = ring_label()
    with pytest.raises(NotMeasurable, match="marks no no-reflow"):
        volumes.require_no_reflow_marked(label)
    volumes.require_no_reflow_marked(label, always_marked=True)
    volumes.require_no_reflow_marked(np.where(label == 3, 4, label))
    volumes.require_no_reflow_marked(ring_label(infarct=False))


def test_infarct_alone_is_no_wall_and_has_no_mass():
    label = np.where(ring_label() == 3, 3, 0)
    for structure in ("lv_myocardium", "infarct"):
        with pytest.raises(NotMeasurable, match="no viable LV myocardium"):
            volumes.structure_mass_g(label, oblique_affine(), structure)


def test_infarct_apart_from_wall_and_blood_is_not_at_the_wall_but_a_whole_wall_of_it_is():
    label = ring_label(infarct=False)
    volumes.require_infarct_at_wall(label)
    volumes.require_infarct_at_wall(np.where((label == 2) & (np.arange(4) == 1), 3, label))
    label[:5, :5, 1] = 3
    with pytest.raises(NotMeasurable, match="outside the LV myocardium"):
        volumes.require_infarct_at_wall(label)
