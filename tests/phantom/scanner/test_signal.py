"""Signal equations against the ratio table (docs/SOURCES.md, Signal ratios), null times against the closed form."""

import numpy as np
import pytest
from scripts.phantom.heart import tissue
from scripts.phantom.scanner import signal
from scripts.phantom.scanner.signal import InversionRecovery, inversion_recovery_gre_signal, null_inversion_time_ms

TOLERANCE = 0.05
CINE_FLIP = {1.5: 65.0, 3.0: 45.0}
STIR_TI = {1.5: 170.0, 3.0: 210.0}
STIR_TR = 1600.0
LGE_REPEAT = 1700.0


def tissue_of(row: str, field: float) -> tissue.Tissue:
    if row == "imh":
        return tissue.HAEMORRHAGE[field]
    codes = {
        "blood": tissue.LV_BLOOD,
        "infarct": tissue.INFARCT,
        "aar": tissue.OEDEMA,
        "fat": tissue.FAT,
        "myo": tissue.MYOCARDIUM,
    }
    return tissue.tissues_at(field)[codes[row]]


def cine(row: str, field: float) -> float:
    t = tissue_of(row, field)
    return float(signal.bssfp_signal(t.t1_ms, t.t2_ms, t.pd, 3.0, 1.5, CINE_FLIP[field]))


def stir(row: str, field: float, washout: float = 0.0) -> float:
    t = tissue_of(row, field)
    return float(signal.triple_ir_tse_signal(t.t1_ms, t.t2_ms, t.pd, STIR_TI[field], STIR_TR, 75.0, washout))


@pytest.mark.parametrize(
    ("row", "field", "ratio"),
    [
        ("blood", 1.5, 2.97),
        ("blood", 3.0, 2.46),
        ("infarct", 1.5, 1.17),
        ("infarct", 3.0, 1.20),
        ("aar", 1.5, 1.10),
        ("aar", 3.0, 1.13),
        ("imh", 1.5, 1.02),
        ("imh", 3.0, 1.00),
        ("fat", 1.5, 4.0),
        ("fat", 3.0, 3.2),
    ],
)
def test_cine_ratio_to_myocardium(row, field, ratio):
    assert cine(row, field) / cine("myo", field) == pytest.approx(ratio, rel=TOLERANCE)


@pytest.mark.parametrize(
    ("row", "field", "ratio"),
    [
        ("blood", 1.5, 3.3),
        ("blood", 3.0, 3.6),
        ("infarct", 1.5, 1.43),
        ("infarct", 3.0, 1.54),
        ("aar", 1.5, 1.31),
        ("aar", 3.0, 1.38),
        ("imh", 1.5, 0.99),
        ("imh", 3.0, 0.97),
        ("fat", 1.5, 0.42),
        ("fat", 3.0, 0.61),
    ],
)
def test_stir_ratio_to_myocardium_with_stagnant_blood(row, field, ratio):
    assert stir(row, field) / stir("myo", field) == pytest.approx(ratio, rel=TOLERANCE)


def test_washed_out_blood_is_dark_in_stir():
    assert stir("blood", 1.5, washout=1.0) == 0.0
    assert signal.null_inversion_time_ms(1550.0, 1800.0) == pytest.approx(650.0, rel=TOLERANCE)


def post_t1(row: str, blood_t1: float) -> float:
    t = tissue_of(row, 1.5)
    return tissue.post_contrast_t1_ms(t.t1_ms, t.ecv, tissue_of("blood", 1.5).t1_ms, blood_t1)


@pytest.mark.parametrize(
    ("row", "low_dose", "high_dose"),
    [
        ("blood", 400.0, 300.0),
        ("myo", 537.0, 444.0),
        ("aar", 512.0, 412.0),
        ("infarct", 380.0, 293.0),
        ("fat", 290.0, 290.0),
    ],
)
def test_post_contrast_t1_follows_the_extracellular_volume(row, low_dose, high_dose):
    assert post_t1(row, 400.0) == pytest.approx(low_dose, rel=0.01)
    assert post_t1(row, 300.0) == pytest.approx(high_dose, rel=0.01)


def test_no_reflow_keeps_a_long_t1_after_contrast():
    t = tissue.tissues_at(1.5)[tissue.NO_REFLOW]
    assert tissue.post_contrast_t1_ms(t.t1_ms, t.ecv, 1550.0, 400.0) == pytest.approx(940.0, rel=0.01)
    assert tissue.post_contrast_t1_ms(t.t1_ms, t.ecv, 1550.0, 300.0) == pytest.approx(870.0, rel=0.01)


@pytest.mark.parametrize(("blood_t1", "null_ms"), [(400.0, 350.0), (300.0, 298.0)])
def test_null_inversion_time_of_remote_myocardium(blood_t1, null_ms):
    ti = null_inversion_time_ms(post_t1("myo", blood_t1), LGE_REPEAT)
    assert ti == pytest.approx(null_ms, abs=1.5)
    timing = InversionRecovery(ti, LGE_REPEAT)
    assert inversion_recovery_gre_signal(post_t1("myo", blood_t1), 35.0, 0.8, timing) == pytest.approx(0.0, abs=1e-12)


def test_null_inversion_time_at_3t_and_high_dose():
    assert null_inversion_time_ms(580.0, LGE_REPEAT) == pytest.approx(372.0, abs=1.5)
    assert null_inversion_time_ms(474.0, LGE_REPEAT) == pytest.approx(315.0, abs=1.5)


# TE 2 ms; the table's fat row holds without T2* decay. Half a unit of the last printed digit is added to 5 %.
@pytest.mark.parametrize(
    ("row", "te_ms", "low_dose", "high_dose"),
    [("blood", 2.0, 0.16, 0.24), ("infarct", 2.0, 0.17, 0.23), ("aar", 2.0, 0.02, 0.04), ("fat", 0.0, 0.36, 0.26)],
)
def test_late_enhancement_signal_at_the_null(row, te_ms, low_dose, high_dose):
    t = tissue_of(row, 1.5)
    for blood_t1, expected in ((400.0, low_dose), (300.0, high_dose)):
        timing = InversionRecovery(null_inversion_time_ms(post_t1("myo", blood_t1), LGE_REPEAT), LGE_REPEAT, te_ms)
        found = float(inversion_recovery_gre_signal(post_t1(row, blood_t1), t.t2_star_ms, t.pd, timing))
        assert found == pytest.approx(expected, abs=TOLERANCE * expected + 0.005)


@pytest.mark.parametrize(("post_ms", "blood_t1", "expected"), [(940.0, 400.0, -0.17), (870.0, 300.0, -0.22)])
def test_no_reflow_is_dark_in_psir_and_falsely_bright_in_magnitude(post_ms, blood_t1, expected):
    timing = InversionRecovery(null_inversion_time_ms(post_t1("myo", blood_t1), LGE_REPEAT), LGE_REPEAT, 2.0)
    t = tissue.tissues_at(1.5)[tissue.NO_REFLOW]
    signed = float(inversion_recovery_gre_signal(post_ms, t.t2_star_ms, t.pd, timing))
    magnitude = float(inversion_recovery_gre_signal(post_ms, t.t2_star_ms, t.pd, timing, phase_sensitive=False))
    assert signed == pytest.approx(expected, rel=TOLERANCE)
    assert magnitude == pytest.approx(-signed)


def test_rician_noise_has_the_rayleigh_floor_and_is_unbiased_where_signal_is_strong():
    rng = np.random.default_rng(0)
    real, imaginary = rng.standard_normal((2, 300, 300), dtype=np.float32)
    floor = signal.magnitude(np.zeros((300, 300), dtype=np.float32), 2.0, real, imaginary)
    assert floor.mean() == pytest.approx(2.0 * np.sqrt(np.pi / 2), rel=0.02)
    assert floor.std() == pytest.approx(2.0 * np.sqrt(2 - np.pi / 2), rel=0.02)
    strong = signal.magnitude(np.full((300, 300), 100.0, dtype=np.float32), 2.0, real, imaginary)
    assert strong.mean() == pytest.approx(100.0, abs=0.1) and strong.std() == pytest.approx(2.0, rel=0.02)
    negative = signal.magnitude(np.full((300, 300), -100.0, dtype=np.float32), 2.0, real, imaginary)
    assert negative.mean() == pytest.approx(100.0, abs=0.1)


@pytest.mark.parametrize("direction", [-90.0, 0.0, 40.0, 135.0])
def test_coil_bias_is_brightest_on_the_side_of_the_coil(direction):
    bias = signal.coil_bias((65, 65), 2.0, direction)
    assert np.exp(np.log(bias).mean()) == pytest.approx(1.0, rel=TOLERANCE)
    c, s = np.cos(np.deg2rad(direction)), np.sin(np.deg2rad(direction))
    near, far = (bias[int(np.rint(32 + sign * 32 * c)), int(np.rint(32 + sign * 32 * s))] for sign in (1, -1))
    assert near / far == pytest.approx(2.0, rel=TOLERANCE)
    assert np.abs(np.diff(bias, axis=1)).max() < 0.03


def test_coil_bias_of_strength_one_is_none():
    np.testing.assert_array_equal(signal.coil_bias((20, 30), 1.0, -90.0), 1.0)


def test_coil_array_has_the_asked_range_and_is_bright_beside_each_coil():
    bias = signal.coil_array_bias((81, 61), 5.0, -90.0, ((30.0, 0.6),))
    assert bias.shape == (81, 61) and bias.dtype == np.float32
    assert bias.max() / bias.min() == pytest.approx(5.0, rel=0.01)
    assert np.exp(np.log(bias).mean()) == pytest.approx(1.0, rel=TOLERANCE)
    top, right, opposite = bias[40, 0], bias[76, 45], bias[2, 58]
    assert top > 1.5 * opposite and right > 1.5 * opposite
    assert np.abs(np.diff(np.log(bias), axis=0)).max() < 0.15


def test_coil_array_of_one_coil_is_the_coil_bias_and_of_strength_one_none():
    one = signal.coil_array_bias((30, 30), 2.0, -90.0, ())
    np.testing.assert_array_equal(one, signal.coil_bias((30, 30), 2.0, -90.0))
    np.testing.assert_allclose(signal.coil_array_bias((30, 30), 1.0, -90.0, ((0.0, 0.8),)), 1.0, atol=1e-6)


@pytest.mark.parametrize("tr_ms", [3.0, 3.6])
def test_bands_are_dark_at_half_the_repetition_rate_and_nothing_changes_on_resonance(tr_ms):
    band = 1000.0 / (2 * tr_ms)
    at = np.array([0.0, 20.0, 0.9 * band, band, 1.1 * band, -band, 2 * band])
    found = signal.bssfp_off_resonance(1550.0, 250.0, tr_ms, 50.0, at)
    assert found[0] == pytest.approx(1.0) and found[1] == pytest.approx(1.0, abs=0.05)
    assert found[3] == found.min() and found[3] < 0.1 and found[5] == pytest.approx(found[3], abs=1e-4)
    assert found[2] == pytest.approx(found[4], rel=1e-3) and found[6] == pytest.approx(1.0, abs=1e-4)


def test_off_resonance_form_agrees_with_the_signal_on_resonance():
    """On resonance the general steady state has the closed form that cine images use, but for the echo time."""
    t1, t2, tr, flip = 1000.0, 52.0, 3.0, np.deg2rad(65.0)
    e1, e2 = np.exp(-tr / t1), np.exp(-tr / t2)
    c = e2 * (e1 - 1) * (1 + np.cos(flip))
    d = 1 - e1 * np.cos(flip) - (e1 - np.cos(flip)) * e2**2
    general = (1 - e1) * np.sin(flip) * (1 + e2) / (d - c)
    assert general == pytest.approx(float(signal.bssfp_signal(t1, t2, 1.0, tr, 0.0, 65.0)))
