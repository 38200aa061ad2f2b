"""Geometry: all images, the LGE and the label map move together; nothing is invented beyond the crop."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.drawn_heart import BLOOD, INFARCT, SIZE, WALL, heart_item
from scripts.training.domain_randomisation.geometry import Geometry
from scripts.training.domain_randomisation.heart_slice import from_item
from scripts.training.domain_randomisation.recipe import MILD, Recipe

STILL = Geometry(1.0, 0.0, False, 1.0, 0.0, (0.0, 0.0), (0.0, 0.0, 0.0), 0, True)


def drawn(recipe=Recipe(), count=40):  # noqa: B008 (frozen)
    return [Geometry.draw(np.random.default_rng(n), recipe) for n in range(count)]


def centre(mask):
    return np.array([at.mean() for at in np.nonzero(mask)])


def test_nothing_drawn_moves_nothing():
    before = from_item(heart_item())
    after = STILL.apply(before)
    np.testing.assert_allclose(after.cine, before.cine, atol=1e-4)
    np.testing.assert_allclose(after.lge, before.lge, atol=1e-4)
    assert np.array_equal(after.anatomy.label, before.anatomy.label) and after.view.all()
    assert np.array_equal(after.anatomy.given_right_ventricle, before.anatomy.given_right_ventricle)


@pytest.mark.parametrize("geometry", drawn())
def test_label_and_images_stay_on_each_other_and_the_infarct_keeps_its_contrast(geometry):
    after = geometry.apply(from_item(heart_item()))
    label = after.anatomy.label
    assert set(np.unique(label)) <= {0, BLOOD, WALL, INFARCT}
    lge = {value: np.median(after.lge[label == value]) for value in (BLOOD, WALL, INFARCT)}
    assert lge[WALL] == pytest.approx(0.1, abs=0.02) and lge[INFARCT] == pytest.approx(0.9, abs=0.03)
    assert np.median(after.cine[0][label == BLOOD]) == pytest.approx(0.8, abs=0.02)
    assert np.median(after.t2[label == INFARCT]) == pytest.approx(0.7, abs=0.03)
    ventricle = after.anatomy.given_right_ventricle
    if ventricle.sum() > 20:
        assert np.median(after.cine[0][ventricle]) == pytest.approx(0.75, abs=0.03)
    assert not (ventricle & (label > 0)).any()


def test_a_mirror_image_puts_the_infarct_on_the_other_side_and_a_quarter_turn_below_or_above():
    before = from_item(heart_item())
    mirrored = replace(STILL, mirrored=True).apply(before)
    np.testing.assert_allclose(mirrored.lge, before.lge[:, ::-1], atol=1e-4)
    turned = replace(STILL, rotation_deg=90.0).apply(before)
    away = centre(turned.anatomy.label == INFARCT) - (SIZE - 1) / 2
    assert abs(away[0]) > 8 and abs(away[1]) < 1
    np.testing.assert_allclose(np.sort(turned.lge.ravel()), np.sort(before.lge.ravel()), atol=1e-3)


def test_magnification_and_stretch_change_areas_by_their_factor():
    before = from_item(heart_item())
    area = (before.anatomy.label > 0).sum()
    for change, factor in (({"magnification": 1.3}, 1.69), ({"magnification": 0.7}, 0.49), ({"stretch": 1.2}, 1.2)):
        after = replace(STILL, **change).apply(before)
        assert (after.anatomy.label > 0).sum() / area == pytest.approx(factor, rel=0.04), change


def test_bulges_swell_the_ventricle_they_belong_to():
    before = from_item(heart_item())
    right = replace(STILL, rv_bulge=0.4).apply(before)
    assert right.anatomy.given_right_ventricle.sum() > 1.3 * before.anatomy.given_right_ventricle.sum()
    left, shrunk = (replace(STILL, lv_bulge=amount).apply(before).anatomy for amount in (0.3, -0.3))
    assert left.blood.sum() > 1.2 * before.anatomy.blood.sum() > 1.4 * shrunk.blood.sum()


def test_beyond_the_crop_is_black_or_a_mirror_image_that_never_shows_the_heart_again():
    before = from_item(heart_item(shift=-18.0))
    small = replace(STILL, magnification=0.6)
    black = small.apply(before)
    assert not black.view.all() and not black.cine[:, ~black.view].any() and not black.lge[~black.view].any()
    doubled = replace(small, empty_border=False).apply(before)
    assert not doubled.view.all() and not doubled.cine[:, ~doubled.view].any()
    middle = replace(small, empty_border=False, magnification=0.9).apply(from_item(heart_item()))
    assert middle.view.all() and middle.cine[0, 0, 0] > 0
    assert (middle.anatomy.label > 0).sum() < (before.anatomy.label > 0).sum()


def test_a_square_is_cut_from_the_middle_and_one_larger_than_the_crop_is_the_crop():
    before = from_item(heart_item())
    np.testing.assert_allclose(STILL.apply(before, 48).lge, before.lge[16:-16, 16:-16], atol=1e-4)
    assert STILL.apply(before, 200).lge.shape == (SIZE, SIZE)


def test_quarter_turns_leave_15_degrees_and_mild_changes_no_mirror_image():
    turns = [g.rotation_deg % 90 for g in drawn(Recipe(rotation="quarter_turns"))]
    assert all(turn <= 15 or turn >= 75 for turn in turns) and len(set(turns)) > 10
    mild = drawn(MILD)
    assert not any(g.mirrored or g.rv_bulge or g.lv_bulge or any(g.elastic_sd_pixels) for g in mild)
    assert all(0.9 <= g.magnification <= 1.1 and g.stretch == 1 for g in mild)


def test_a_slice_without_heart_moves_too():
    after = replace(STILL, rv_bulge=0.4, lv_bulge=0.2, rotation_deg=30.0).apply(from_item(heart_item(heart=False)))
    assert not after.anatomy.label.any() and after.cine.any()
