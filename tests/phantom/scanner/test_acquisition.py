"""Images of the three sequences: artefacts where they belong and nowhere else, noise, shifts, phases, label."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion
from scripts.phantom.heart import tissue
from scripts.phantom.heart.motion import END_SYSTOLE, contraction_at
from scripts.phantom.heart.render import HeartRenderer
from scripts.phantom.scanner.acquisition import (
    CINE_BLOOD_LEVEL,
    LGE_LEVEL_PER_M0,
    STIR_MYOCARDIUM_LEVEL,
    between,
    lge_levels,
)
from scripts.phantom.scanner.kspace import Sampling

BLOOD_SHARES = [tissue.LV_BLOOD, tissue.SLOW_BLOOD, tissue.RV_BLOOD, tissue.ARTERY]
ED_ES = (0.0, END_SYSTOLE)


def seeded():
    return np.random.default_rng(9)


def blood_share(heart, exam, contraction):
    """Share of any blood per pixel, (X, Y, S): of the heart and of the vessels of the chest around it."""
    shares = HeartRenderer(heart.anatomy, heart.pathology, heart.motion).fractions(contraction)
    levels = np.zeros(tissue.TISSUE_COUNT)
    levels[BLOOD_SHARES] = 1.0
    raw = exam.surroundings(levels)
    raw[(slice(None), *exam.box)] = exam.heart(raw, levels, shares)
    return np.moveaxis(raw, 0, -1)


def diastole(exam):
    return contraction_at(exam.protocol.diastolic_fraction[0])


def stir_change(heart, **stir):
    """What settings change in a noise-free T2-STIR of full resolution: change (X, Y, S), clean one, usable, blood."""
    plain, changed = (heart.scan(heart.protocol(stir=part)) for part in ({}, stir))
    before, after = plain.t2_stir(seeded()), changed.t2_stir(seeded())
    change = after[0].astype(float) - before[0]
    assert before[1].all()
    return change, before[0], after[1], blood_share(heart, plain, diastole(plain))


def test_failed_suppression_brightens_blood_only_in_the_slices_it_names(round_heart):
    change, _, usable, blood = stir_change(round_heart, suppression_failure=0.5)
    assert 0 < usable.sum() < usable.size
    assert np.abs(change[..., usable]).max() <= 1
    failed = change[..., ~usable]
    assert failed[blood[..., ~usable] > 0.999].min() > 60
    assert np.abs(failed[blood[..., ~usable] == 0]).max() <= 6


def test_slow_flow_is_a_bright_rim_at_the_stagnant_endocardium_of_some_slices(round_heart):
    stagnant = np.zeros_like(round_heart.pathology.stagnant)
    stagnant[:, :90] = 1.0
    heart = replace(round_heart, pathology=replace(round_heart.pathology, stagnant=stagnant))
    change, _, usable, blood = stir_change(heart, slow_flow=0.5)
    x, y = np.meshgrid(*(heart.anatomy.pixel_positions_mm(side) for side in (0, 1)), indexing="ij")
    radius, angle = np.hypot(x, y), np.rad2deg(np.arctan2(y, x)) % 360
    chosen = np.abs(change).max(axis=(0, 1)) > 20
    assert chosen[-1] and (~chosen).sum() > 0  # apical always at this chance, not everywhere
    assert np.abs(change[..., ~chosen]).max() <= 1 and usable[~chosen].all()
    rim = change[..., chosen] > 8
    beside = (radius > 16) & (radius < 25) & ((angle < 95) | (angle > 355))
    assert not rim[~beside].any() and not (rim & (blood[..., chosen] < 0.05)).any()
    assert (rim.sum(axis=(0, 1)) > 15).all() and change[..., chosen].max() > 40


def test_posterior_loss_scales_the_picture_by_its_map(round_heart):
    change, plain, usable, _ = stir_change(round_heart, posterior_loss=0.5)
    factor = (plain + change) / np.maximum(plain, 1)
    bright = plain > 60
    assert usable.all() and factor[bright].min() < 0.75 and factor[bright].max() < 1.02
    assert change.max() <= 1 and (np.abs(change[bright]) <= 1).mean() > 0.3


def test_a_haemorrhage_darkens_the_core_of_the_infarct_in_t2_stir_alone(round_heart):
    bled = replace(round_heart, pathology=replace(round_heart.pathology, darkening=0.6))
    plain, changed = (heart.scan(heart.protocol(1.5)) for heart in (round_heart, bled))
    before, after = (exam.t2_stir(seeded())[0].astype(float) for exam in (plain, changed))
    infarct = np.isin(plain.label(), (3, 4))
    assert (after <= before + 1).all() and after[infarct].mean() < 0.85 * before[infarct].mean()
    assert np.abs(after - before)[~binary_dilation(infarct, iterations=4)].max() <= 1
    for image in ("cine", "lge"):
        one, other = (
            getattr(exam, image)(*((ED_ES,) if image == "cine" else ()), seeded()) for exam in (plain, changed)
        )
        assert np.array_equal(one, other)


def test_patches_of_stir_vary_about_one(round_heart):
    change, plain, _, _ = stir_change(round_heart, patchiness=0.1)
    factor = ((plain + change) / np.maximum(plain, 1))[plain > 100]
    assert factor.mean() == pytest.approx(1.0, abs=0.05) and 0.05 < factor.std() < 0.15


def cine_change(heart, field_t=3.0, **changes):
    plain, changed = heart.scan(heart.protocol(field_t)), heart.scan(heart.protocol(field_t, **changes))
    before, after = (exam.cine(ED_ES + (0.18,), seeded()).astype(float) for exam in (plain, changed))
    return after - before, before, plain


def test_jets_darken_only_blood_of_basal_slices_during_ejection(round_heart):
    change, before, exam = cine_change(round_heart, cine={"jet": 0.8})
    assert np.abs(change[..., 0]).max() <= 6  # next to none at end-diastole
    assert change[..., 2].min() < -0.4 * CINE_BLOOD_LEVEL and change[..., 2].max() <= 1
    deep = round_heart.anatomy.depth_mm > 0.56 * round_heart.anatomy.shape.length_mm
    assert deep.any() and np.abs(change[:, :, deep]).max() <= 1
    blood = blood_share(round_heart, exam, contraction_at(0.18))
    assert np.abs(change[..., 2][blood == 0]).max() <= 3


def test_off_resonance_darkens_bands_and_leaves_the_rest(round_heart):
    change, before, exam = cine_change(round_heart, cine={"off_resonance_hz": 100.0, "tr_ms": 3.6})
    reference_picture = round_heart.scan(round_heart.protocol(3.0, cine={"tr_ms": 3.6})).cine(ED_ES, seeded())
    ratio = (before + change)[..., 0] / np.maximum(reference_picture[..., 0], 1)
    bright = reference_picture[..., 0] > 100
    assert ratio[bright].min() < 0.3 and 0.85 < np.median(ratio[bright]) < 1.1


def test_cine_ghosts_lie_along_phase_encoding_and_outside_the_heart(round_heart):
    change, _, _ = cine_change(round_heart, ghost=(0.05, 0.0, 0.0))
    x, _ = round_heart.anatomy.heart_box()
    assert np.abs(change[: x.start]).max() == 0 and np.abs(change[x.stop :]).max() == 0
    assert np.abs(change).max() >= 0.04 * CINE_BLOOD_LEVEL and np.abs(change).max() <= 0.12 * CINE_BLOOD_LEVEL
    outside = np.ones(change.shape[:2], dtype=bool)
    outside[round_heart.anatomy.heart_box()] = False
    assert (np.abs(change[..., 0][outside]) > 8).sum() > 200  # over the chest around the heart


def test_stir_and_lge_ghosts_repeat_the_heart_a_third_of_the_picture_away(round_heart):
    plain, ghosting = (round_heart.scan(round_heart.protocol(ghost=one)) for one in ((0.0,) * 3, (0.0, 0.08, 0.08)))
    x, _ = round_heart.anatomy.heart_box()
    for change in (
        ghosting.t2_stir(seeded())[0].astype(float) - plain.t2_stir(seeded())[0],
        ghosting.lge(seeded(), "psir").astype(float) - plain.lge(seeded(), "psir"),
    ):
        assert np.abs(change[: x.start]).max() == 0 and np.abs(change[x.stop :]).max() == 0
        assert np.abs(change[x]).max() > 5


def test_coil_bias_multiplies_the_picture_and_one_leaves_it(round_heart):
    plain = round_heart.scan(round_heart.protocol())
    above = -90.0 - plain.turn_deg  # at the top of the screen, however the body lies
    near = round_heart.scan(round_heart.protocol(bias=(1.0, 3.0, 1.0), bias_direction_deg=above))
    before, after = plain.t2_stir(seeded())[0].astype(float), near.t2_stir(seeded())[0]
    np.testing.assert_array_equal(plain.cine(ED_ES, seeded()), near.cine(ED_ES, seeded()))
    bright = before > 50
    factor = np.where(bright, after / np.maximum(before, 1), np.nan)
    size = before.shape[1]
    assert np.nanmean(factor[:, : size // 4]) > 1.25 and np.nanmean(factor[:, 3 * size // 4 :]) < 0.85


def test_inversion_time_error_raises_remote_myocardium_in_the_picture(round_heart):
    roi, remote = round_heart.rois()["myocardium"], []
    for error in (0.0, 15.0, 30.0):
        exam = round_heart.scan(round_heart.protocol(lge={"ti_error_ms": error}))
        remote.append(exam.lge(seeded(), "psir")[roi].mean() - exam.protocol.lge.offset * LGE_LEVEL_PER_M0)
    assert abs(remote[0]) < 2 and remote[1] > 20 and remote[2] > remote[1] + 20


def test_inversion_drift_changes_the_ends_of_the_stack_in_opposite_directions(round_heart):
    roi = round_heart.rois()["myocardium"]
    for drift in (0.0, 40.0):
        exam = round_heart.scan(round_heart.protocol(lge={"ti_drift_ms": drift}))
        remote = exam.lge(seeded(), "psir").astype(float) - exam.protocol.lge.offset * LGE_LEVEL_PER_M0
        ends = remote[..., 0][roi[..., 0]].mean(), remote[..., -1][roi[..., -1]].mean()
        assert ends[0] == pytest.approx(-ends[1], rel=0.2, abs=2)
        assert ends[1] > 30 if drift else abs(ends[1]) < 2


def test_magnitude_late_enhancement_is_the_size_of_the_phase_sensitive_one(round_heart):
    exam = round_heart.scan(round_heart.protocol(lge={"ti_error_ms": -40.0, "offset": 0.5}))
    signed = exam.lge(seeded(), "psir").astype(float) - 0.5 * LGE_LEVEL_PER_M0
    assert signed.min() < -60
    np.testing.assert_allclose(exam.lge(seeded(), "magnitude"), np.abs(signed), atol=1)


def test_noise_has_the_asked_signal_to_noise_ratio(round_heart):
    roi = round_heart.rois()
    sampling = Sampling((1.6, 2.0), 0.6)
    quiet, noisy = (round_heart.scan(round_heart.protocol(
        cine={"snr": cine, "sampling": sampling}, stir={"snr": stir}, lge={"snr": stir}))
        for cine, stir in ((1e9, 1e9), (50.0, 20.0)))  # fmt: skip
    cine = noisy.cine(ED_ES[:1], seeded()).astype(float) - quiet.cine(ED_ES[:1], seeded())
    assert cine[..., 0][roi["blood"]].std() == pytest.approx(CINE_BLOOD_LEVEL / 50, rel=0.15)
    stir = noisy.t2_stir(seeded())[0].astype(float) - quiet.t2_stir(seeded())[0]
    assert stir[roi["myocardium"]].std() == pytest.approx(STIR_MYOCARDIUM_LEVEL / 20, rel=0.1)
    lge = noisy.lge(seeded(), "psir").astype(float) - quiet.lge(seeded(), "psir")
    infarct = lge_levels(tissue.tissues_at(1.5), noisy.protocol, 0.0)[tissue.INFARCT] * LGE_LEVEL_PER_M0
    assert lge[roi["blood"]].std() == pytest.approx(infarct / 20, rel=0.1)
    assert lge[roi["blood"]].mean() == pytest.approx(0.0, abs=0.15 * infarct / 20)
    air = binary_erosion(quiet.t2_stir(seeded())[0] == 0, np.ones((7, 7, 1)))
    rayleigh = noisy.t2_stir(seeded())[0][air]
    assert rayleigh.mean() == pytest.approx(STIR_MYOCARDIUM_LEVEL / 20 * np.sqrt(np.pi / 2), rel=0.1)


def test_each_sequence_shows_the_heart_where_its_own_breath_hold_left_it(round_heart):
    body, protocol = round_heart.anatomy, round_heart.protocol()
    shifts = {key: np.zeros((body.slices, 3)) for key in ("cine", "t2_stir", "lge")}
    shifts["t2_stir"][1, 0] = 6.0
    shifts["lge"][2, 1] = -5.0
    exam, still = round_heart.scan(protocol, shifts), round_heart.scan(protocol)
    x, y = np.meshgrid(*(body.pixel_positions_mm(side) for side in (0, 1)), indexing="ij")

    def centre(label):
        pool = label == 1
        return np.array([x[pool].mean(), y[pool].mean()])

    moved, before = exam.label(), still.label()
    np.testing.assert_allclose(centre(moved[..., 2]) - centre(before[..., 2]), [0.0, -5.0], atol=0.15)
    other = [0, 1, 3]
    np.testing.assert_array_equal(moved[..., other], before[..., other])
    np.testing.assert_array_equal(exam.cine(ED_ES, seeded()), still.cine(ED_ES, seeded()))
    stir, stir_still = exam.t2_stir(seeded())[0], still.t2_stir(seeded())[0]
    changed = [np.abs(stir[..., k].astype(int) - stir_still[..., k]).max() > 30 for k in range(body.slices)]
    assert changed == [False, True, False, False]


def test_stir_and_lge_of_different_moments_show_different_contraction(round_heart):
    roi_free = []
    for fractions in ((0.75, 0.75), (0.75, 0.45)):
        exam = round_heart.scan(round_heart.protocol(diastolic_fraction=fractions))
        stir = exam.t2_stir(seeded())[0][..., 2]
        x, y = np.meshgrid(*(round_heart.anatomy.pixel_positions_mm(side) for side in (0, 1)), indexing="ij")
        # half of the wall's level: a border pixel that is half blood, where the label has its border, too
        dark = (stir < STIR_MYOCARDIUM_LEVEL / 2) & (np.hypot(x, y) < 30)
        roi_free.append(dark.sum() / (exam.label()[..., 2] == 1).sum())
    assert roi_free[0] == pytest.approx(1.0, abs=0.05) and roi_free[1] < 0.8


def test_phases_between_two_states_are_mixed_linearly():
    states = [(0.0, np.zeros(3)), (0.5, np.full(3, 10.0)), (1.0, np.full(3, 30.0))]
    for contraction, expected in ((0.0, 0.0), (0.25, 5.0), (0.5, 10.0), (0.75, 20.0), (1.0, 30.0)):
        np.testing.assert_allclose(between(states, contraction), expected)


def test_interpolated_phases_agree_with_their_own_rendering(round_heart):
    exam = round_heart.scan(round_heart.protocol())
    many = [phase / 30 for phase in range(30)]
    all_phases = exam.cine(many, seeded())
    own = exam.cine([many[5], many[20]], seeded())
    for mine, theirs in ((0, 5), (1, 20)):
        difference = np.abs(own[..., mine].astype(float) - all_phases[..., theirs])
        assert np.percentile(difference, 99.5) < 40 and difference.mean() < 1.5


def test_label_has_the_codes_of_the_contract_inside_the_wall_only(round_heart):
    label = round_heart.scan(round_heart.protocol()).label()
    assert label.dtype == np.uint8 and set(np.unique(label)) == {0, 1, 2, 3, 4, 5}
    for level in range(label.shape[2]):
        x, y = np.nonzero(label[..., level])
        assert np.ptp(x) * round_heart.anatomy.pixel_mm == pytest.approx(88.0, abs=8.0)
