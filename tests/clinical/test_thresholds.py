"""Thresholds on images of known grey levels and noise: the level, the mask, the size; magnitude and PSIR."""

from math import erfc, sqrt

import numpy as np
import pytest
from helpers.cone_heart import Sector, heart, two_level_picture
from helpers.ring_heart import oblique_affine, ring_label
from scipy import ndimage
from scripts.clinical import thresholds as th
from scripts.clinical.regions import remote_region, with_infarct
from scripts.clinical.transmurality import mean_transmurality_percent, wall_chords
from scripts.clinical.volumes import infarct_percent_lv
from scripts.conventions import ConfigError, DataError, NotMeasurable

REMOTE, INFARCT, BLOOD, NOISE = 100.0, 300.0, 250.0, 10.0
LEVELS = {0: 40.0, 1: BLOOD, 2: REMOTE, 3: INFARCT, 4: 90.0}
ALL = {
    "fwhm": th.fwhm_infarct,
    "otsu": th.otsu_infarct,
    **{f"{n}sd": lambda lge, label, n=n: th.n_sd_infarct(lge, label, n) for n in th.SD_FACTORS},
}


@pytest.fixture(scope="module")
def two_levels():
    label = ring_label()
    return two_level_picture(label, LEVELS, NOISE), label


def tail(n):
    """Part of normal noise beyond n SD."""
    return 0.5 * erfc(n / sqrt(2))


@pytest.mark.parametrize("n", th.SD_FACTORS)
def test_n_sd_is_remote_mean_plus_n_sd_and_counts_the_upper_tail_of_noise(n, two_levels):
    lge, label = two_levels
    found = th.n_sd_infarct(lge, label, n)
    assert found.threshold == pytest.approx(REMOTE + n * NOISE, rel=0.01)
    share = infarct_percent_lv(label) / 100
    assert found.percent_lv == pytest.approx(100 * (share + (1 - share) * tail(n)), rel=0.01)


def test_fwhm_is_half_of_the_95th_percentile_of_the_core(two_levels):
    lge, label = two_levels
    found = th.fwhm_infarct(lge, label)
    assert found.threshold == pytest.approx((INFARCT + 1.645 * NOISE) / 2, rel=0.01)
    assert (found.infarct == (label == 3)).all()
    assert found.percent_lv == pytest.approx(100 * 60 / 360, rel=0.01)


def test_fwhm_without_a_zero_level_takes_the_remote_mean_as_base(two_levels):
    lge, label = two_levels
    found = th.fwhm_infarct(lge, label, zero_level=None)
    assert found.threshold == pytest.approx((REMOTE + INFARCT + 1.645 * NOISE) / 2, rel=0.01)


def test_otsu_splits_two_levels_between_them(two_levels):
    lge, label = two_levels
    found = th.otsu_infarct(lge, label)
    assert REMOTE + 5 * NOISE < found.threshold < INFARCT - 5 * NOISE
    assert (found.infarct == (label == 3)).all()


@pytest.mark.slow
def test_otsu_level_is_the_one_of_least_variance_within_groups(two_levels):
    _, label = two_levels
    lge = np.random.default_rng(1).integers(0, 40, label.shape).astype(float)
    grey = lge[(label == 2) | (label == 3)]
    levels = np.unique(grey)
    within = [sum(part.var() * part.size for part in (grey[grey <= v], grey[grey > v])) for v in levels[:-1]]
    best = int(np.argmin(within))
    assert th.otsu_infarct(lge, label).threshold == pytest.approx((levels[best] + levels[best + 1]) / 2)


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("offset", [2048.0, -500.0])
def test_a_psir_picture_stored_with_an_offset_gives_the_same_mask(method, offset, two_levels):
    lge, label = two_levels
    signal = lge - 120.0  # remote is nulled and slightly negative
    more = {"zero_level": offset} if method == "fwhm" else {}
    stored = ALL[method](signal + offset, label, **more)
    plain = ALL[method](signal, label)
    assert stored.threshold == pytest.approx(plain.threshold + offset)
    assert (stored.infarct == plain.infarct).all()


def test_fwhm_of_a_psir_picture_without_its_zero_level_is_another_number(two_levels):
    lge, label = two_levels
    right, wrong = (th.fwhm_infarct(lge + 2048, label, zero_level=zero) for zero in (2048.0, 0.0))
    assert right.percent_lv == pytest.approx(16.67, rel=0.01) and wrong.percent_lv > 90


@pytest.mark.slow
@pytest.mark.parametrize("method", ALL)
def test_a_dark_core_under_the_endocardium_is_filled_in(method):
    sectors = [Sector(60, 160), Sector(90, 130, 0.5, code=4)]
    marked, _ = heart(sectors, pixel_mm=(0.5, 0.5))
    lge = two_level_picture(marked, LEVELS, 2.0)
    unmarked = np.where(marked == 4, 3, marked).astype(np.uint8)
    for label in (marked, unmarked):  # the second: a core the label map counts as infarct
        found = ALL[method](lge, label)
        assert found.infarct[marked == 4].all()
        assert found.percent_lv == pytest.approx(infarct_percent_lv(marked), rel=0.15 if method == "2sd" else 0.01)


def test_dark_wall_that_reaches_the_epicardium_is_not_filled_in():
    marked, _ = heart([Sector(60, 160), Sector(90, 130, 1.0, code=4)], pixel_mm=(0.5, 0.5))
    lge = two_level_picture(marked, LEVELS, 2.0)
    unmarked = np.where(marked == 4, 3, marked).astype(np.uint8)
    assert not th.fwhm_infarct(lge, unmarked).infarct[marked == 4].any()
    assert th.fwhm_infarct(lge, marked).infarct[marked == 4].all()


def test_fwhm_leaves_out_bright_wall_that_is_not_connected_with_the_core(two_levels):
    lge, label = two_levels
    island = np.zeros_like(label, bool)
    island[40:46, 90:96, 1] = label[40:46, 90:96, 1] == 2
    assert island.sum() > 20
    bright = np.where(island, INFARCT, lge)
    assert not th.fwhm_infarct(bright, label).infarct[island].any()
    assert th.n_sd_infarct(bright, label, 5).infarct[island].all()


def test_remote_region_keeps_away_from_lesions_and_borders():
    label = ring_label()
    label[100:, 100:][label[100:, 100:] == 2] = 5
    x, y = np.nonzero(remote_region(label)[..., 0])
    lesions = np.argwhere(label[..., 0] != 2)
    nearest = min(np.abs(lesions - [a, b]).sum(axis=1).min() for a, b in zip(x, y, strict=True))
    assert nearest == 2  # one pixel of wall in between
    ill = np.argwhere(np.isin(label[..., 0], (3, 5)))
    assert min(np.abs(ill - [a, b]).sum(axis=1).min() for a, b in zip(x, y, strict=True)) == 3


def test_a_remote_region_given_as_mask_is_used(two_levels):
    lge, label = two_levels
    half = (label == 2) & (np.arange(label.shape[0]) < 96)[:, None, None]
    shifted = lge + 50.0 * half
    assert th.n_sd_infarct(shifted, label, 5, remote=half).threshold == pytest.approx(200, rel=0.01)


def test_a_core_given_as_mask_stands_in_for_a_label_without_infarct(two_levels):
    lge, label = two_levels
    wall_only = np.where(label == 3, 2, label).astype(np.uint8)
    far = (label == 2) & (np.arange(label.shape[0]) < 80)[:, None, None]
    found = th.fwhm_infarct(lge, wall_only, core=label == 3, remote=far)
    assert (found.infarct == (label == 3)).all()


@pytest.mark.parametrize("method", ["fwhm", "otsu"])
def test_without_hyperenhancement_there_is_no_maximum_and_nothing_to_split(method):
    label = ring_label(infarct=False)
    with pytest.raises(NotMeasurable, match="core.*: 0 pixels"):
        ALL[method](two_level_picture(label, LEVELS), label)


def test_a_core_outside_the_wall_is_not_measurable(two_levels):
    lge, label = two_levels
    with pytest.raises(NotMeasurable, match="core.*: 0 pixels"):
        th.fwhm_infarct(lge, label, core=label == 1)


def test_a_core_darker_than_remote_is_not_measurable():
    label = ring_label()
    with pytest.raises(NotMeasurable, match="not brighter than remote"):
        th.fwhm_infarct(two_level_picture(label, {**LEVELS, 3: 50.0}), label)


def test_a_wall_full_of_infarct_has_no_remote(two_levels):
    lge, label = two_levels
    with pytest.raises(NotMeasurable, match="no viable LV myocardium"):
        th.n_sd_infarct(lge, np.where(label == 2, 3, label), 5)


@pytest.mark.parametrize("method", ALL)
def test_bad_pictures_are_not_measurable(method, two_levels):
    lge, label = two_levels
    with pytest.raises(NotMeasurable, match="constant"):
        ALL[method](np.full(label.shape, 7.0), label)
    with pytest.raises(NotMeasurable, match="NaN or infinite"):
        ALL[method](np.where(label == 3, np.nan, lge), label)
    with pytest.raises(NotMeasurable, match="no viable LV myocardium"):
        ALL[method](lge, np.where(label == 1, label, 0))
    with pytest.raises(DataError, match=r"found shape \(192, 192, 3\)"):
        ALL[method](lge, label[..., :3])


def test_a_remote_region_without_noise_has_no_standard_deviations():
    label = ring_label()
    with pytest.raises(NotMeasurable, match="no spread"):
        th.n_sd_infarct(two_level_picture(label, LEVELS, 0.0), label, 5)


@pytest.mark.parametrize("n", [1, 7, 2.5])
def test_a_factor_nobody_uses_is_refused(n, two_levels):
    with pytest.raises(ConfigError, match="2, 3, 4, 5, 6"):
        th.n_sd_infarct(*two_levels, n)


def test_one_slice_is_enough_for_a_threshold(two_levels):
    lge, label = two_levels
    assert th.fwhm_infarct(lge[..., :1], label[..., :1]).percent_lv == pytest.approx(16.67, rel=0.01)


def test_a_thresholded_infarct_goes_on_into_transmurality(two_levels):
    lge, label = two_levels
    again = with_infarct(label, th.otsu_infarct(lge, label).infarct)
    assert (again == label).all()
    assert mean_transmurality_percent(wall_chords(again, oblique_affine())) == pytest.approx(16.67, rel=0.01)


def test_the_viable_rim_under_a_circular_scar_of_the_outer_wall_is_no_no_reflow():
    label, _ = heart(pixel_mm=(0.5, 0.5))
    inner = heart([Sector(0, 360, 0.4)], pixel_mm=(0.5, 0.5))[0] == 3
    scarred = np.where((label == 2) & ~inner, 3, label).astype(np.uint8)
    found = th.otsu_infarct(two_level_picture(scarred, LEVELS, 2.0), scarred)
    assert found.percent_lv == pytest.approx(infarct_percent_lv(scarred), rel=0.01)


@pytest.mark.parametrize("method", ALL)
def test_infarct_outside_the_myocardium_only_has_no_threshold_size(method):
    label = ring_label(infarct=False)
    label[:5, :5, 1] = 3
    with pytest.raises(NotMeasurable, match="outside the LV myocardium"):
        ALL[method](two_level_picture(label, LEVELS, 2.0), label)


def test_a_stray_pixel_of_blood_in_a_dark_core_does_not_make_it_viable():
    marked, _ = heart([Sector(60, 160), Sector(90, 130, 0.5, code=4)], pixel_mm=(0.5, 0.5))
    lge = two_level_picture(marked, LEVELS, 2.0)
    unmarked = np.where(marked == 4, 3, marked).astype(np.uint8)
    x, y = np.argwhere(ndimage.binary_erosion(marked[..., 2] == 4, iterations=3))[0]
    unmarked[x, y, 2] = 1
    assert th.otsu_infarct(lge, unmarked).infarct[(marked == 4) & (unmarked == 3)].all()
