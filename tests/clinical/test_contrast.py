"""Contrast of images with known levels and noise; what a zero level changes."""

import numpy as np
import pytest
from helpers.cone_heart import two_level_picture
from helpers.ring_heart import ring_label
from scripts.clinical import contrast
from scripts.conventions import ConfigError, DataError, NotMeasurable

LEVELS = {0: 20.0, 1: 200.0, 2: 100.0, 3: 300.0}
ON_PAPER = {("blood", "myocardium"): 2.0, ("infarct", "remote"): 3.0, ("infarct", "blood"): 1.5}


@pytest.fixture(scope="module")
def picture():
    label = ring_label(slices=16)
    return two_level_picture(label, LEVELS, 10.0), label


@pytest.mark.parametrize("pair", contrast.PAIRS)
def test_ratio_and_cnr_are_those_of_the_levels(pair, picture):
    lge, label = picture
    names = {"blood": 200, "myocardium": 100, "remote": 100, "infarct": 300}
    assert contrast.contrast_ratio(lge, label, pair) == pytest.approx(ON_PAPER[pair], rel=0.01)
    cnr = (names[pair[0]] - names[pair[1]]) / 10
    assert contrast.contrast_to_noise(lge, label, pair) == pytest.approx(cnr, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("pair", contrast.PAIRS)
def test_an_offset_cancels_in_cnr_and_with_its_zero_level_in_the_ratio(pair, picture):
    lge, label = picture
    assert contrast.contrast_to_noise(lge + 4096, label, pair) == pytest.approx(
        contrast.contrast_to_noise(lge, label, pair), rel=1e-6
    )
    assert contrast.contrast_ratio(lge + 4096, label, pair, 4096.0) == pytest.approx(ON_PAPER[pair], rel=0.01)
    assert contrast.contrast_ratio(lge + 4096, label, pair) < 1.1


def test_remote_below_the_null_of_a_psir_picture_counts_with_its_magnitude(picture):
    lge, label = picture
    signed = np.where(label == 2, -lge, lge)
    assert contrast.contrast_ratio(signed, label, ("blood", "myocardium")) == pytest.approx(2.0, rel=0.01)


def test_shading_and_papillary_muscles_do_not_count_as_noise(picture):
    lge, label = picture
    shaded = lge + 0.5 * np.arange(lge.shape[0])[:, None, None]
    shaded[90:100, 90:100] -= 120.0
    assert contrast.blood_noise(shaded, label) == pytest.approx(10.0, rel=0.03)


def test_small_regions_and_bad_pictures_are_not_measurable(picture):
    lge, label = picture
    with pytest.raises(NotMeasurable, match="infarct: 0 pixels"):
        contrast.contrast_ratio(lge, np.where(label == 3, 2, label), ("infarct", "remote"))
    with pytest.raises(NotMeasurable, match="20 pixels of blood"):
        contrast.blood_noise(lge, np.where(label == 1, 0, label))
    with pytest.raises(NotMeasurable, match="no noise"):
        contrast.blood_noise(np.full(label.shape, 5.0), label)
    with pytest.raises(NotMeasurable, match="NaN"):
        contrast.blood_noise(np.where(label == 1, np.nan, lge), label)
    with pytest.raises(NotMeasurable, match="no signal"):
        contrast.contrast_ratio(np.where(label == 2, 0.0, lge), label, ("blood", "myocardium"))


def test_an_unknown_pair_and_another_grid_are_refused(picture):
    lge, label = picture
    with pytest.raises(ConfigError, match="allowed are blood:myocardium"):
        contrast.contrast_ratio(lge, label, ("remote", "infarct"))
    with pytest.raises(DataError, match="one grid"):
        contrast.contrast_to_noise(lge[..., :2], label, ("infarct", "remote"))


def test_infarct_outside_the_wall_only_has_no_contrast():
    label = ring_label(infarct=False)
    label[:20, :20, 1] = 3
    picture = np.random.default_rng(0).normal(100.0, 5.0, label.shape)
    for measure in (contrast.contrast_ratio, contrast.contrast_to_noise):
        with pytest.raises(NotMeasurable, match="outside the LV myocardium"):
            measure(picture, label, ("infarct", "remote"))
