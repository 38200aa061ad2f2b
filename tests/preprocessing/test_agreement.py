"""Heart masks, and the agreement of two slices."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scripts.preprocessing import agreement
from scripts.preprocessing.heart_mask import heart_cores, heart_masks


def test_the_core_is_what_moves_most_and_never_less_than_a_heart_s_worth():
    x, y = np.meshgrid(np.arange(111) - 55, np.arange(111) - 55, indexing="ij")
    motion = np.stack([np.exp(-((x**2 + y**2) / (2 * width**2))) for width in (14.0, 12.0)])
    hearts = heart_masks(motion)
    cores = heart_cores(motion, hearts)
    assert not (cores & ~hearts).any()
    assert (cores.sum(axis=(1, 2)) < 0.8 * hearts.sum(axis=(1, 2))).all() and cores[:, 55, 55].all()
    nearly_outside = hearts & (x > 20)
    np.testing.assert_array_equal(heart_cores(motion, nearly_outside), nearly_outside)


@pytest.fixture
def pictures():
    """Two slices of blobs, and the same with other grey levels, moved by (3, -2) mm, with a margin of 6."""
    rng = np.random.default_rng(5)
    x, y = np.meshgrid(np.arange(72.0), np.arange(72.0), indexing="ij")
    found = np.zeros((2, 72, 72))
    for s in range(2):
        for _ in range(25):
            u, v = rng.uniform(12, 60, 2)
            found[s] += rng.uniform(-1, 1) * np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * rng.uniform(2, 5) ** 2))
    moved = np.roll(np.cos(3 * found), (3, -2), axis=(1, 2))
    masks = np.zeros((2, 60, 60), bool)
    masks[:, 15:45, 15:45] = True
    return found[:, 6:66, 6:66], moved, masks


def test_the_best_shift_is_the_one_by_which_the_slices_were_moved(pictures):
    found = agreement.agreement(*pictures)
    for s in range(2):
        np.testing.assert_allclose(found.best(s).shift_mm, (3, -2), atol=0.3)


@pytest.mark.parametrize(("blur_bins", "most"), [(1.5, 23), (6.0, 12)])
def test_a_smooth_table_needs_few_factors_to_be_itself_within_the_limit(blur_bins, most):
    joint = gaussian_filter(np.random.default_rng(0).random((32, 32)) ** 4, blur_bins)
    table = np.log(joint / joint.mean(axis=0) / joint.mean(axis=1, keepdims=True) * joint.mean())
    left, right = agreement.factors(table)
    assert np.abs(left.T @ right - table).max() <= agreement.TABLE_ERROR + 1e-4
    assert left.shape == right.shape and 1 <= len(left) <= most


def test_an_average_changes_the_named_slices_only(pictures):
    found = agreement.agreement(*pictures)
    other = agreement.agreement(*(one[1:] for one in pictures), turn_deg=10.0, pivots=found.pivots[1:])
    mean = found.averaged([1], other)
    np.testing.assert_array_equal(mean.surface[0], found.surface[0])
    np.testing.assert_allclose(mean.surface[1], (found.surface[1] + other.surface[0]) / 2)
    np.testing.assert_allclose(other.pivots[0], found.pivots[1])


def test_the_gain_tells_a_common_content_from_chance(pictures):
    fixed, moving, masks = pictures
    noise = gaussian_filter(np.random.default_rng(1).normal(size=moving.shape), (0, 2, 2))
    true, chance = (agreement.agreement(fixed, one, masks, scales=()) for one in (moving, noise))
    for s in range(2):
        assert true.gain(s) > 3 * chance.gain(s) > 0
