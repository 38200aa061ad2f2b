"""Texture of tissues: published levels stay the mean, clean has none, blood changes with the phase, coils turn with the
body."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_erosion
from scripts.phantom.heart import tissue
from scripts.phantom.heart.motion import END_SYSTOLE
from scripts.phantom.heart.thorax import CODES, Thorax
from scripts.phantom.scanner.acquisition import CINE_BLOOD_LEVEL, Examination
from scripts.phantom.scanner.texture import ChestTexture, HeartTexture, TextureStrength

SHAPE, PIXEL_MM = (6, 90, 80), 1.5
NONE = (TextureStrength(),) * 3


def seeded():
    return np.random.default_rng(9)


def test_strength_zero_changes_no_tissue():
    assert HeartTexture(SHAPE, PIXEL_MM, TextureStrength(), seeded()).factors(0.3) == {}
    assert ChestTexture(SHAPE, PIXEL_MM, seeded()).factors(0.0) == {}


def test_texture_keeps_the_mean_and_has_the_asked_spread():
    factors = HeartTexture(SHAPE, PIXEL_MM, TextureStrength(0.1, 0.05), seeded()).factors(0.4)
    for code, spread in ((tissue.LV_BLOOD, 0.1), (tissue.MYOCARDIUM, 0.05)):
        assert factors[code].shape == SHAPE and factors[code].dtype == np.float32
        assert factors[code].mean() == pytest.approx(1.0, abs=0.05)
        assert factors[code].std() == pytest.approx(spread, rel=0.4)
    chest = ChestTexture(SHAPE, PIXEL_MM, seeded()).factors(1.0)
    assert set(chest) == set(CODES) - {tissue.AIR}
    assert all(0.9 < one.mean() < 1.1 and one.min() > 0 for one in chest.values())
    assert chest[tissue.LUNG].std() > 2 * chest[tissue.LIVER].std()


def test_flow_is_partly_the_same_in_all_phases_and_the_wall_wholly():
    grain = HeartTexture(SHAPE, PIXEL_MM, TextureStrength(0.1, 0.05), seeded())
    first, last = grain.factors(0.0), grain.factors(1.0)
    alike = np.corrcoef(first[tissue.LV_BLOOD].ravel(), last[tissue.LV_BLOOD].ravel())[0, 1]
    assert 0.0 < alike < 0.8
    near = grain.factors(0.05)[tissue.LV_BLOOD]
    assert np.corrcoef(first[tissue.LV_BLOOD].ravel(), near.ravel())[0, 1] > 0.95
    np.testing.assert_array_equal(first[tissue.MYOCARDIUM], last[tissue.MYOCARDIUM])


def test_texture_has_coarse_and_fine_grain():
    blood = HeartTexture(SHAPE, PIXEL_MM, TextureStrength(0.1, 0.0), seeded()).factors(0.0)[tissue.LV_BLOOD] - 1.0
    power = (np.abs(np.fft.rfft2(blood)) ** 2).mean(axis=0)
    along = power[:45].sum(axis=1) / power[1:45].sum()  # cycles over 135 mm
    assert along[1:5].sum() > 0.2 and along[9:30].sum() > 0.04


@pytest.mark.parametrize("sequence", ["cine", "lge"])
def test_texture_makes_blood_of_cine_uneven_and_leaves_late_enhancement_nearly_alone(round_heart, sequence):
    roi = round_heart.rois()["blood"]
    strength = (TextureStrength(0.12, 0.05, 1.0), TextureStrength(), TextureStrength(0.015, 0.02, 0.4))
    spread = []
    for texture in (NONE, strength):
        exam = round_heart.scan(round_heart.protocol(texture=texture))
        image = exam.cine([0.75], seeded())[..., 0] if sequence == "cine" else exam.lge(seeded(), "psir")
        blood = image[roi].astype(float)
        spread.append(blood.std() / blood.mean())
    low, high = {"cine": (0.06, 0.18), "lge": (0.0, 0.03)}[sequence]
    assert spread[0] < 0.01 and low < spread[1] < high


def test_stir_of_the_heart_has_no_texture_of_its_own(round_heart):
    plain, changed = (
        round_heart.scan(round_heart.protocol(texture=one)).t2_stir(seeded())[0].astype(float)
        for one in (NONE, (NONE[0], TextureStrength(0.0, 0.0, 1.0), NONE[0]))
    )
    heart = round_heart.scan(round_heart.protocol()).label() > 0
    inner = binary_erosion(heart, np.ones((3, 3, 1)))
    np.testing.assert_allclose(plain[inner], changed[inner], atol=1)
    assert np.abs(plain - changed)[~heart].max() > 5


def scanned(heart, seed=5):
    still = {key: np.zeros((heart.anatomy.slices, 3)) for key in ("cine", "t2_stir", "lge")}
    table = tissue.tissues_at(heart.protocol.field_strength_t)
    rng = np.random.default_rng(seed)
    return Examination(heart.anatomy, heart.pathology, heart.motion, heart.protocol, table, still, rng)


@pytest.mark.slow
def test_lung_of_the_cine_lies_between_a_void_and_grey(heart_of):
    """Mean of lung pixels over the bright end, 99.5 % of a square of 180 mm around the heart; patients 0.05-0.15."""
    found = []
    for seed in range(1, 7):
        heart = heart_of(seed, difficulty="realistic", condition="healthy")
        body = heart.anatomy
        lung = Thorax(body, np.random.default_rng(5)).shares[CODES.index(tissue.LUNG)] > 0.6
        image = scanned(heart).cine([0.0], seeded())[..., 0]
        middle = body.axis_at(np.array(body.shape.length_mm / 2))
        near = [np.abs(body.pixel_positions_mm(side) - middle[side]) < 90 for side in (0, 1)]
        square = image[np.ix_(*near)]
        lung = np.moveaxis(lung, 0, -1)[np.ix_(*near)].copy()
        box = np.zeros(image.shape[:2], dtype=bool)
        box[body.heart_box()] = True
        lung &= ~box[np.ix_(*near)][..., None]
        low, high = np.percentile(square, (0.5, 99.5))
        found.append(np.clip((square[lung] - low) / (high - low), 0, 1).mean())
    assert min(found) > 0.03 and max(found) < 0.22 and 0.05 < np.mean(found) < 0.15


def test_coils_turn_with_the_body_and_leave_the_heart_at_its_level(round_heart):
    brightest = []
    for septum in (150.0, 210.0):
        shape = replace(round_heart.anatomy.shape, septum_angle=np.deg2rad(septum))
        heart = replace(round_heart, anatomy=replace(round_heart.anatomy, shape=shape))
        exam = heart.scan(heart.protocol(bias=(5.0, 1.0, 1.0), bias_direction_deg=-90.0, coils=((-150.0, 0.7),)))
        bias = exam._bias(0)
        assert bias[(slice(None), *exam.box)].mean() == pytest.approx(1.0, abs=1e-5)
        assert bias.max() / bias.min() == pytest.approx(5.0, rel=0.01)
        ring = np.stack(np.unravel_index(np.argmax(bias[0]), bias.shape[1:])) - np.array(bias.shape[1:]) / 2
        brightest.append(np.rad2deg(np.arctan2(ring[1], ring[0])))
    assert 15.0 < (brightest[1] - brightest[0]) % 360 < 120.0


def test_sensitivity_along_the_stack_changes_the_cine_from_base_to_apex(round_heart):
    roi = round_heart.rois()["blood"]
    image = round_heart.scan(round_heart.protocol(bias_along_axis=-0.4)).cine([0.75], seeded())[..., 0]
    ends = [image[..., level][roi[..., level]].mean() for level in (0, -1)]
    assert np.log(ends[1] / ends[0]) == pytest.approx(-0.8, abs=0.05)


def test_saturation_cuts_the_bright_end_of_the_cine_and_nothing_below(round_heart):
    plain, cut = (
        round_heart.scan(round_heart.protocol(cine={"saturation": one})).cine([0.0, END_SYSTOLE], seeded())
        for one in (float("inf"), 0.9)
    )
    assert cut.max() == round(0.9 * CINE_BLOOD_LEVEL) < plain.max()
    np.testing.assert_array_equal(cut[plain < cut.max()], plain[plain < cut.max()])
