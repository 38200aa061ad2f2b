"""Clinical numbers of drawn phantom hearts against what the phantom knows about them."""

import numpy as np
import pytest
from scripts.clinical import contrast, thresholds
from scripts.clinical.aha17 import aha17
from scripts.clinical.short_axis import anterior_insertion_degrees, short_axis_frame
from scripts.clinical.transmurality import mean_transmurality_percent, wall_chords
from scripts.clinical.volumes import infarct_percent_lv
from scripts.phantom.heart.territory import SEGMENTS_OF
from scripts.phantom.parameters import PhantomParameters
from scripts.phantom.subject import draw_heart, make_subject

SEEDS = {"LAD": 2, "RCA": 1, "LCX": 5}


@pytest.fixture(scope="module", params=SEEDS)
def drawn(request):
    """``(subject, heart, territory)``; the heart is the one that was scanned."""
    parameters = PhantomParameters(
        stored_phases="key", difficulty="clean", condition="acute_mi", territory=request.param, infarct_percent_lv=18.0
    )
    seed = SEEDS[request.param]
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0, 1]).spawn(1)[0])
    return make_subject(1, seed, parameters), draw_heart(parameters, rng), request.param


@pytest.mark.slow
def test_infarct_size_is_the_one_the_phantom_recorded(drawn):
    subject, _, _ = drawn
    truth = subject.meta["truth"]["infarct_percent_lv"]
    assert infarct_percent_lv(subject.volumes["label"]) == pytest.approx(truth, abs=0.01)


@pytest.mark.slow
def test_the_anterior_insertion_lies_where_the_phantom_ends_the_septum(drawn):
    subject, heart, _ = drawn
    label = subject.volumes["label"]
    frame = short_axis_frame(label, subject.affine)
    angle = heart.anatomy.shape.septum_angle + np.radians(60.0)  # in the image, x to the right and y down
    truth = frame.degrees(np.array([np.cos(angle), np.sin(angle)]), np.zeros(2))
    error = (anterior_insertion_degrees(label, frame) - truth + 180) % 360 - 180
    assert abs(error) < 20  # the phantom's RV ends up to 15 degrees away from its AHA border, as drawn


@pytest.mark.slow
def test_the_infarct_lies_in_the_segments_of_the_artery(drawn):
    subject, _, territory = drawn
    label = subject.volumes["label"]
    percent = np.nan_to_num(aha17(label, subject.affine).infarct_percent)
    own = [k - 1 for k in SEGMENTS_OF[territory]]
    assert percent[own].sum() > 0.6 * percent.sum()
    assert int(np.argmax(percent)) in own


@pytest.mark.slow
def test_transmurality_is_near_the_infarcted_share_of_the_rings(drawn):
    subject, _, _ = drawn
    label = subject.volumes["label"]
    chords = wall_chords(label, subject.affine)
    rings = label[..., np.unique(chords.slice_index)]
    assert mean_transmurality_percent(chords) == pytest.approx(infarct_percent_lv(rings), abs=4)


@pytest.mark.slow
def test_thresholds_find_the_infarct_and_contrast_has_the_right_sign(drawn):
    subject, _, _ = drawn
    label, lge = subject.volumes["label"], subject.volumes["lge"].astype(np.float64)
    zero = subject.meta["protocol"]["lge"]["zero_level"]
    truth = np.isin(label, (3, 4))
    found = thresholds.fwhm_infarct(lge, label, zero_level=zero)
    dice = 2 * (found.infarct & truth).sum() / (found.infarct.sum() + truth.sum())
    assert dice > 0.75
    assert found.percent_lv == pytest.approx(infarct_percent_lv(label), abs=8)
    sizes = [thresholds.n_sd_infarct(lge, label, n).percent_lv for n in thresholds.SD_FACTORS]
    assert sizes == sorted(sizes, reverse=True)
    assert contrast.contrast_ratio(lge, label, ("infarct", "remote"), zero) > 2
    assert contrast.contrast_to_noise(lge, label, ("infarct", "remote")) > 5
