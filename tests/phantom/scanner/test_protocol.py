"""Scanners and settings: vendor ranges, sites, what difficulty adds and clean leaves out."""

import numpy as np
import pytest
from scripts.conventions import ConfigError
from scripts.phantom.parameters import SCANNER_VENDORS, PhantomParameters
from scripts.phantom.scanner.protocol import draw_protocol
from scripts.phantom.scanner.texture import TextureStrength


def drawn(count, rr_ms=880.0, **parameters):
    given = PhantomParameters(**parameters)
    return [draw_protocol(given, rr_ms, np.random.default_rng(seed)) for seed in range(count)]


def test_a_seed_draws_the_examination_of_its_generator():
    # Generator 5. Draws in another order give another phantom for the same seed: that is a new generator.
    one = draw_protocol(PhantomParameters(), 880.0, np.random.default_rng(3))
    assert (one.vendor, one.field_strength_t, one.lge.kind, one.stir.echo_train) == ("siemens", 1.5, "psir", 18)
    cine = (one.cine.tr_ms, one.cine.te_ms, one.cine.flip_deg, one.cine.snr, one.cine.inflow, one.cine.jet)
    assert cine == pytest.approx((3.3345772, 1.1568360, 61.736846, 72.050979, 1.1280756, 0.10828174))
    assert one.cine.sampling.resolution_mm == pytest.approx((1.6437154, 1.8798695))
    stir = (one.stir.ti_ms, one.stir.te_ms, one.stir.snr, one.stir.washout, one.stir.posterior_loss)
    assert stir == pytest.approx((167.55489, 78.852387, 11.394498, 0.93051244, 0.0073774131))
    lge = (one.lge.tr_ms, one.lge.te_ms, one.lge.flip_deg, one.lge.snr, one.lge.ti_error_ms, one.lge.offset)
    assert lge == pytest.approx((6.7225121, 3.1735971, 23.689189, 36.518940, 4.4241706, 0.10504470))
    assert one.bias == pytest.approx((4.9746496, 1.9943813, 1.2749723))


# Cine TR and TE, STIR TE, echo train, LGE TR: docs/SOURCES.md, Protocols.
@pytest.mark.parametrize(
    ("vendor", "cine_tr", "cine_te", "stir_te", "train"),
    [
        ("siemens", (2.6, 3.6), (1.1, 1.6), (60, 100), (15, 33)),
        ("philips", (2.8, 3.4), (1.4, 1.7), (80, 100), (10, 40)),
        ("ge", (3.2, 3.9), (1.4, 1.7), (80, 100), (24, 32)),
        ("uih", (2.8, 3.6), (1.2, 1.6), (65, 90), (10, 40)),
    ],
)
def test_settings_lie_in_the_practice_of_the_vendor(vendor, cine_tr, cine_te, stir_te, train):
    protocols = drawn(60, vendor=vendor)
    for one in protocols:
        assert one.vendor == vendor
        assert cine_tr[0] <= one.cine.tr_ms <= cine_tr[1] and cine_te[0] <= one.cine.te_ms <= cine_te[1]
        assert stir_te[0] <= one.stir.te_ms <= stir_te[1] and train[0] <= one.stir.echo_train <= train[1]
        low, high = (150, 180) if one.field_strength_t == 1.5 else (190, 230)
        assert low <= one.stir.ti_ms <= high
        assert 15 <= one.lge.flip_deg <= 25 and 5 <= one.lge.tr_ms <= 9 and one.lge.te_ms <= 4
    assert len({one.cine.tr_ms for one in protocols}) == 60


def test_flip_angles_of_cine_fall_with_field_strength():
    means = [np.mean([one.cine.flip_deg for one in drawn(60, field_strength_t=field)]) for field in (1.5, 3.0)]
    assert means[0] > means[1] + 5.0


def test_signal_to_noise_lies_in_working_ranges():
    for one in drawn(100):
        assert 30 <= one.cine.snr <= 90 and 8 <= one.stir.snr <= 30 and 12 <= one.lge.snr <= 40


def test_external_site_is_a_scanner_that_internal_subjects_never_have():
    internal = {(one.vendor, one.field_strength_t) for one in drawn(150, site="internal")}
    external = {(one.vendor, one.field_strength_t) for one in drawn(60, site="external")}
    assert len(internal) >= 3 and {field for _, field in external}.isdisjoint(field for _, field in internal)
    assert {vendor for vendor, _ in external}.isdisjoint(vendor for vendor, _ in internal)
    assert {one.vendor for one in drawn(200)} == set(SCANNER_VENDORS)
    assert {one.field_strength_t for one in drawn(100)} == {1.5, 3.0}


def test_scanner_that_was_asked_for_is_used():
    for one in drawn(20, vendor="ge", field_strength_t=3.0):
        assert (one.vendor, one.field_strength_t) == ("ge", 3.0)
    with pytest.raises(ConfigError, match="internal.* ge .*3.0.*--site any"):
        drawn(1, vendor="ge", field_strength_t=3.0, site="internal")


def test_clean_has_no_disturbance_the_reference_settings_and_a_tenth_of_the_noise():
    for field_t, flip, ti in ((1.5, 65.0, 170.0), (3.0, 45.0, 210.0)):
        for one in drawn(10, difficulty="clean", field_strength_t=field_t):
            assert (one.cine.tr_ms, one.cine.te_ms, one.cine.flip_deg) == (3.0, 1.5, flip)
            assert (one.stir.ti_ms, one.stir.te_ms) == (ti, 75.0) and one.lge.repeat_ms == 1700.0
            assert one.bias == (1.0, 1.0, 1.0) and one.ghost == (0.0, 0.0, 0.0) and one.level == 0.0
            assert one.cine.jet == one.cine.off_resonance_hz == 0.0 and one.cine.inflow == one.stir.washout == 1.0
            stir = one.stir
            assert stir.slow_flow == stir.posterior_loss == stir.suppression_failure == stir.patchiness == 0.0
            assert one.lge.ti_error_ms == one.lge.ti_drift_ms == 0.0 and one.lge.dephasing == 1.0
            assert one.diastolic_fraction[0] == one.diastolic_fraction[1]
            assert one.texture == (TextureStrength(),) * 3 and one.coils == () and one.bias_along_axis == 0.0
            assert one.cine.saturation == float("inf") and one.cine.sampling.blur_mm == 0.0
            assert one.cine.snr >= 400 and one.stir.snr >= 100 and one.lge.snr >= 200


def test_disturbances_grow_with_difficulty():
    def mean(level, of):
        return np.mean([of(one) for one in drawn(60, difficulty=level)])

    for of in (
        lambda one: one.bias[1],
        lambda one: np.mean(one.ghost),
        lambda one: one.cine.jet,
        lambda one: one.bias[0],
        lambda one: one.cine.off_resonance_hz,
        lambda one: one.stir.slow_flow,
        lambda one: one.stir.posterior_loss,
        lambda one: one.stir.suppression_failure,
        lambda one: abs(one.lge.ti_error_ms),
        lambda one: abs(one.diastolic_fraction[1] - one.diastolic_fraction[0]),
    ):
        clean, easy, realistic, hard = (mean(level, of) for level in ("clean", "easy", "realistic", "hard"))
        assert clean < easy < realistic < hard


def test_ghosts_occur_in_part_of_the_examinations():
    ghosts = np.array([one.ghost for one in drawn(300)])
    often = (ghosts > 0).mean(axis=0)
    assert often.min() > 0.05 and often.max() < 0.5
    assert ghosts[ghosts > 0].min() > 0.01 and ghosts.max() < 0.09


def test_the_inferolateral_wall_is_lost_in_a_minority_and_hardly_changed_elsewhere():
    # 9 of 31 turbo spin echo examinations were not readable or read wrongly (Kellman07).
    loss = np.array([one.stir.posterior_loss for one in drawn(400)])
    assert 0.2 < (loss > 0.04).mean() < 0.4 and 0.3 < loss.max() <= 0.35 and loss.min() == 0.0


def test_the_internal_site_sends_phase_sensitive_pictures_only():
    kinds = [one.lge.kind for one in drawn(100, site="internal")]
    assert set(kinds) == {"psir"}


def test_most_late_enhancement_is_phase_sensitive_and_both_kinds_occur():
    kinds = [one.lge.kind for one in drawn(200)]
    assert set(kinds) == {"psir", "magnitude"} and np.mean([kind == "psir" for kind in kinds]) > 0.6


def test_inversion_repeats_every_second_beat_unless_the_heart_is_slow():
    fast, slow = drawn(1, rr_ms=800.0)[0], drawn(1, rr_ms=1200.0)[0]
    assert fast.lge.repeat_ms == pytest.approx(1600.0) and slow.lge.repeat_ms == pytest.approx(1200.0)
    assert 1200.0 <= fast.stir.tr_ms <= 1900.0


def test_shading_of_the_cine_is_mild_in_most_and_strong_in_a_minority():
    bias = np.array([one.bias[0] for one in drawn(400)])
    assert 0.12 < (bias > 2.5).mean() < 0.35 and np.median(bias) < 2.0 and 5.0 < bias.max() <= 6.0
    assert max(max(one.bias[1:]) for one in drawn(100)) < 3.3
    assert {len(one.coils) for one in drawn(100)} == {0, 1, 2, 3}


def test_resolution_blur_and_saturation_of_the_cine_vary():
    protocols = drawn(300)
    coarse = np.array([max(one.cine.sampling.resolution_mm) for one in protocols])
    blur = np.array([one.cine.sampling.blur_mm for one in protocols])
    cut = np.array([one.cine.saturation for one in protocols])
    assert coarse.min() >= 1.8 and np.percentile(coarse, 90) > 2.4 and coarse.max() < 3.2
    assert np.median(blur) < 0.7 and 0.9 < blur.max() <= 1.5
    assert 0.05 < np.isfinite(cut).mean() < 0.3 and cut.min() >= 1.2


def test_texture_is_for_the_cine_above_all():
    protocols = drawn(100)
    for cine, stir, lge in (one.texture for one in protocols):
        assert 0.05 <= cine.blood <= 0.22 and 0.02 <= cine.wall <= 0.09 and 0.6 <= cine.chest <= 1.4
        assert stir.blood == stir.wall == 0.0 and lge.blood <= 0.015 and lge.wall <= 0.02
    easy, realistic = (
        np.mean([one.texture[0].blood for one in drawn(60, difficulty=d)]) for d in ("easy", "realistic")
    )
    assert easy == pytest.approx(0.5 * realistic, rel=0.01)
