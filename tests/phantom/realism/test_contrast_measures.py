"""Ratios and noise of images with known grey levels."""

import numpy as np
import pytest
from scripts.conventions import NotMeasurable
from scripts.phantom.realism import contrast_measures as contrast

LEVELS = np.array([0.0, 400.0, 50.0, 460.0, 10.0, 120.0, 400.0])


@pytest.fixture
def label(heart):
    found = heart(depth=1.0, angles=(0, 90))
    found[heart(code=4, depth=0.5, angles=(20, 70)) == 4] = 4
    found[heart(code=5, depth=1.0, angles=(90, 120)) == 5] = 5
    return found


def picture(label, sigma=0.0, seed=0):
    return (LEVELS[label] + sigma * np.random.default_rng(seed).standard_normal(label.shape)).astype(np.float32)


def test_regions_keep_off_other_tissue(label):
    found = contrast.regions(label)
    assert set(np.unique(label[found["infarct"]])) == {3} and set(np.unique(label[found["lesion"]])) == {3, 4}
    assert set(np.unique(label[found["remote"]])) == {2}
    beside_oedema = np.roll(label == 5, -1, axis=0) & (label == 2)
    assert beside_oedema.any() and not (found["remote"] & beside_oedema).any()


def test_stir_ratio_and_excess(heart):
    label, rng = heart(depth=1.0, angles=(0, 90)), np.random.default_rng(1)
    stir = np.where(label == 3, 130.0, 100.0) + rng.normal(0, 10, label.shape)
    ratio, excess = contrast.stir_infarct_ratio(stir, label)
    assert ratio == pytest.approx(1.3, abs=0.01) and excess == pytest.approx(3.0, abs=0.2)


def test_stir_remote_is_taken_from_the_slices_with_infarct(heart):
    label = np.concatenate([heart(slices=3, depth=1.0, angles=(0, 90)), heart(slices=3)], axis=2)
    stir = np.where(label == 3, 120.0, 100.0)
    stir[..., 3:] *= 5.0
    assert contrast.stir_infarct_ratio(stir, label)[0] == pytest.approx(1.2)


def test_lge_ratio_and_cnr(label):
    assert contrast.lge_blood_ratio(picture(label, 4.0), label) == pytest.approx(8.0, rel=0.01)
    assert contrast.lge_infarct_blood_cnr(picture(label, 20.0), label) == pytest.approx(3.0, rel=0.06)


def test_blood_noise_ignores_shading_and_papillary_muscles(label):
    image = picture(label, 20.0) + np.linspace(0, 150, 96, dtype=np.float32)[:, None, None]
    image[55:60, 45:50] = 50.0
    assert contrast.blood_noise(image, label) == pytest.approx(20.0, rel=0.07)


def test_air_noise_is_the_sigma_of_one_channel():
    rng = np.random.default_rng(0)
    image = np.hypot(*rng.normal(0, 7.0, (2, 96, 96, 9)))
    image[20:80, 20:80] += 300
    assert contrast.air_noise(image) == pytest.approx(7.0, rel=0.05)


def test_what_cannot_be_measured_says_so(heart, label):
    with pytest.raises(NotMeasurable, match="masked"):
        contrast.air_noise(picture(label))
    with pytest.raises(NotMeasurable, match="no noise"):
        contrast.blood_noise(picture(label), label)
    with pytest.raises(NotMeasurable, match="infarct: 0 pixels"):
        contrast.lge_infarct_blood_cnr(picture(heart()), heart())
    with pytest.raises(NotMeasurable, match="20 pixels of blood"):
        contrast.blood_noise(picture(label), np.zeros_like(label))
    with pytest.raises(NotMeasurable, match="no signal"):
        contrast.lge_blood_ratio(np.zeros(label.shape), label)


def test_blood_ratio_of_a_stored_psir_is_that_of_its_signal(label):
    stored = picture(label, 4.0) + 300.0
    assert contrast.lge_blood_ratio(stored, label) == pytest.approx(700 / 350, rel=0.01)
    assert contrast.lge_blood_ratio(stored, label, zero_level=300.0) == pytest.approx(8.0, rel=0.01)
    nulled = np.where(label == 2, 0.0, LEVELS[label]) + 20.0 * np.random.default_rng(2).standard_normal(label.shape)
    # Noise about a null shows its mean magnitude, 0.8 sigma.
    assert contrast.lge_blood_ratio(nulled + 300.0, label, 300.0) == pytest.approx(400 / (0.8 * 20), rel=0.05)


def test_coil_shading_is_not_spread_of_remote_myocardium(heart):
    label, rng = heart(depth=1.0, angles=(0, 90)), np.random.default_rng(1)
    shading = np.linspace(0.5, 1.5, label.shape[0])[:, None, None]
    stir = (np.where(label == 3, 130.0, 100.0) + rng.normal(0, 10, label.shape)) * shading
    roi = contrast.regions(label)
    difference = stir[roi["lesion"]].mean() - stir[roi["remote"]].mean()
    spread = difference / contrast.stir_infarct_ratio(stir, label)[1]
    assert spread < 12 < 16 < stir[roi["remote"]].std()
