"""The heart is found without labels."""

import numpy as np
import pytest
from scripts.preprocessing.localisation import IMAGE_CENTRE, MOTION, ROUND_BLOOD, heart_centre

SIZE = 128


def _picture(centre, phases=8, slices=3, seed=0, spacing=(2.0, 2.0)):
    """A pulsating bright disc, a brighter static object at the rim, noise."""
    generator = np.random.default_rng(seed)
    x, y = np.mgrid[:SIZE, :SIZE]
    far_mm = np.hypot((x - centre[0]) * spacing[0], (y - centre[1]) * spacing[1])
    fat = np.hypot(x - 110, y - 112) < 10
    radius = 25 + 6 * np.cos(2 * np.pi * np.arange(phases) / phases)
    frames = np.where(far_mm[..., None] < radius, 200.0, 60.0) + 300 * fat[..., None]
    cine = np.repeat(frames[:, :, None, :], slices, axis=2)
    return (cine + generator.normal(0, 10, cine.shape)).astype(np.float32)


@pytest.mark.parametrize("centre", [(50, 75), (80, 40), (64, 64), (40, 90)])
def test_moving_disc_off_centre(centre):
    found, rule = heart_centre(_picture(centre), (2.0, 2.0))
    assert rule == MOTION
    assert np.abs(np.subtract(found, centre)).max() < 2


def test_moving_disc_with_anisotropic_pixels():
    found, _ = heart_centre(_picture((70, 50), spacing=(1.2, 2.4)), (1.2, 2.4))
    assert np.abs(np.subtract(found, (70, 50))).max() < 2


def test_flickering_pixel_does_not_attract_the_centre():
    cine = _picture((50, 75))
    cine[10, 10, :, ::2] += 20000
    cine[10, 11, :, :4] += 20000
    found, _ = heart_centre(cine, (2.0, 2.0))
    assert np.abs(np.subtract(found, (50, 75))).max() < 3


def test_pulsating_vessel_is_not_taken_for_the_heart():
    cine = _picture((60, 75))
    x, y = np.mgrid[:SIZE, :SIZE]
    cine[np.hypot(x - 15, y - 15) < 5] += 150 + 150 * np.cos(2 * np.pi * np.arange(8) / 8).astype(np.float32)
    found, _ = heart_centre(cine, (2.0, 2.0))
    assert np.abs(np.subtract(found, (60, 75))).max() < 3


def test_3d_cine_falls_back_to_the_round_bright_region_near_the_middle():
    found, rule = heart_centre(_picture((56, 72), phases=1), (2.0, 2.0))
    assert rule == ROUND_BLOOD
    assert np.abs(np.subtract(found, (56, 72))).max() * 2.0 < 12


def test_4d_cine_that_stands_still_uses_the_3d_rule():
    still = np.repeat(_picture((56, 72), phases=1), 6, axis=3)
    assert heart_centre(still, (2.0, 2.0))[1] == ROUND_BLOOD


def test_picture_without_anything_gives_the_image_centre():
    found, rule = heart_centre(np.full((SIZE, SIZE, 2, 6), 5, np.float32), (2.0, 2.0))
    assert rule == IMAGE_CENTRE and found == (63.5, 63.5)


def test_two_phases_give_one_centre_in_either_order():
    cine = np.stack([_disc(radius) for radius in (22.0, 13.0)], axis=-1)
    centre, rule = heart_centre(cine, (1.0, 1.0))
    assert rule == ROUND_BLOOD and np.hypot(centre[0] - 52, centre[1] - 45) < 3
    assert heart_centre(cine[..., ::-1], (1.0, 1.0))[0] == pytest.approx(centre)


def _disc(radius):
    """A bright disc beside the middle of (100, 100, 2)."""
    x, y = np.mgrid[:100, :100]
    disc = np.where(np.hypot(x - 52, y - 45) < radius, 200.0, 50.0)
    return disc[..., None].repeat(2, axis=2).astype(np.float32)
