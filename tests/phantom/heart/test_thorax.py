"""Chest around the heart: every pixel is filled once, organs lie where they belong, heart in front and to the left."""

import numpy as np
import pytest
from scripts.phantom.heart import tissue
from scripts.phantom.heart.anatomy import draw_anatomy
from scripts.phantom.heart.thorax import CODES, Thorax
from scripts.phantom.parameters import PhantomParameters


@pytest.fixture(scope="module")
def chests():
    found = []
    for seed in range(6):
        anatomy = draw_anatomy(PhantomParameters(slices=5), "male", 1.0, 1.0, np.random.default_rng(seed))
        found.append((anatomy, Thorax(anatomy, np.random.default_rng(10 + seed)).shares))
    return found


def share(shares, code):
    return shares[CODES.index(code)]


def centre_mm(anatomy, picture):
    """Centre of mass, mm: x, y."""
    weight = picture.sum(axis=0)
    x, y = (anatomy.pixel_positions_mm(side) for side in (0, 1))
    return np.array([(weight.sum(axis=1) * x).sum(), (weight.sum(axis=0) * y).sum()]) / weight.sum()


def test_shares_of_every_pixel_sum_to_one(chests):
    for anatomy, shares in chests:
        assert shares.shape == (len(CODES), 5, *anatomy.matrix) and shares.dtype == np.float32
        np.testing.assert_allclose(shares.sum(axis=0), 1.0, atol=1e-5)
        assert shares.min() > -1e-6


def test_every_organ_is_there_in_a_plausible_size(chests):
    for anatomy, shares in chests:
        body = 1.0 - share(shares, tissue.AIR)
        area = {code: share(shares, code)[2].sum() * anatomy.pixel_mm**2 / 100 for code in CODES}
        assert 300 < body[2].sum() * anatomy.pixel_mm**2 / 100 < 900
        assert area[tissue.LUNG] > 60 and area[tissue.FAT] > 40 and area[tissue.MUSCLE] > 40
        assert area[tissue.MARROW] > 4 and area[tissue.ARTERY] > 3
    assert any(share(shares, tissue.SPLEEN).max() > 0.99 for _, shares in chests)
    assert any(share(shares, tissue.LIVER).max() > 0.99 for _, shares in chests)


def test_skin_fat_lies_outside_muscle_and_lung_inside(chests):
    for anatomy, shares in chests:
        # Downwards from the front of the chest, left of the sternum, where the whole wall lies in the image.
        column = np.argmin(np.abs(anatomy.pixel_positions_mm(0) - anatomy.axis_at(np.array(45.0))[0] - 40.0))
        line = shares[:, 2, column]
        order = [int(np.argmax(line[CODES.index(code)] > 0.5)) for code in (tissue.FAT, tissue.MUSCLE, tissue.LUNG)]
        assert line[CODES.index(tissue.AIR), 0] == 1.0
        assert 0 < order[0] < order[1] < order[2]


def test_liver_lies_below_the_heart_and_spine_behind_and_lateral(chests):
    for anatomy, shares in chests:
        heart = anatomy.axis_at(np.array(anatomy.shape.length_mm / 2))
        if share(shares, tissue.LIVER).max() > 0.5:
            assert centre_mm(anatomy, share(shares, tissue.LIVER))[1] > heart[1] + 20.0
        bone = share(shares, tissue.MARROW).copy()
        y = anatomy.pixel_positions_mm(1)
        bone[:, :, y < heart[1]] = 0.0
        assert (centre_mm(anatomy, bone) > heart + (20.0, 10.0)).all()


def test_diaphragm_rises_from_base_to_apex(chests):
    for _, shares in chests:
        below = [sum(share(shares, code)[level].sum() for code in (tissue.LIVER, tissue.SPLEEN)) for level in (0, 4)]
        assert below[1] >= 0.98 * below[0]  # vessels, which are other ones in each slice, take a part of the liver


def test_lung_vessels_change_from_slice_to_slice(chests):
    for _, shares in chests:
        blood = share(shares, tissue.ARTERY)
        assert (np.abs(blood[1] - blood[0]) > 0.5).sum() > 20


def test_same_generator_paints_the_same_chest():
    anatomy = draw_anatomy(PhantomParameters(slices=3), "female", 1.0, 1.0, np.random.default_rng(1))
    first, second, other = (Thorax(anatomy, np.random.default_rng(seed)).shares for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - other).max() > 0.5
