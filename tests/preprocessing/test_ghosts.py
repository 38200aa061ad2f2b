"""A copy of the heart along an axis of the image stands out, one anywhere else and noise do not."""

import numpy as np
import pytest
from scripts.preprocessing.ghosts import ghost_strength

SPACING_MM = (2.0, 2.0)


@pytest.fixture
def heart():
    x = np.arange(120) - 60.0
    radius = np.hypot(x[:, None], x[None, :])
    return np.repeat((radius < 14)[..., None], 4, axis=2)


@pytest.fixture
def image(heart):
    """Structure in the heart, noise everywhere, (120, 120, 4)."""
    rng = np.random.default_rng(3)
    seen = heart * (100.0 + 60.0 * rng.standard_normal(heart.shape))
    return seen + 5.0 * np.abs(rng.standard_normal(heart.shape))


def copied(image, heart, shift):
    return image + 0.3 * np.roll(np.where(heart, image, 0), shift, axis=(0, 1))


@pytest.mark.parametrize("shift", [(40, 0), (0, -45)])
def test_a_copy_along_an_axis_stands_far_above_chance(image, heart, shift):
    plain = ghost_strength(image, heart, SPACING_MM)
    assert plain < 6 < 2 * plain + 6 < ghost_strength(copied(image, heart, shift), heart, SPACING_MM)


def test_a_copy_off_both_axes_is_no_ghost(image, heart):
    assert ghost_strength(copied(image, heart, (35, 35)), heart, SPACING_MM) < 6


def test_the_scale_of_the_image_does_not_matter(image, heart):
    ghosted = copied(image, heart, (40, 0))
    assert ghost_strength(1000 * ghosted, heart, SPACING_MM) == pytest.approx(
        ghost_strength(ghosted, heart, SPACING_MM), rel=1e-3
    )


def test_without_heart_room_or_structure_nothing_is_found(image, heart):
    assert np.isnan(ghost_strength(image, np.zeros_like(heart), SPACING_MM))
    assert np.isnan(ghost_strength(image[45:75, 45:75], heart[45:75, 45:75], SPACING_MM))
    assert np.isnan(ghost_strength(np.full_like(image, 7.0), heart, SPACING_MM))
