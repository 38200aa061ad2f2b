"""Contrast of the three sequences: published ratios, as levels per tissue and measured in clean images."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_erosion
from scripts.phantom.heart import tissue
from scripts.phantom.parameters import PhantomParameters
from scripts.phantom.scanner.acquisition import LGE_LEVEL_PER_M0, cine_levels, lge_levels, stir_levels
from scripts.phantom.scanner.protocol import draw_protocol

FIELDS = (1.5, 3.0)
# Over remote myocardium (docs/SOURCES.md, Signal ratios); fat of cine opposes water, its size is meant.
CINE = {"blood": (2.97, 2.46), "infarct": (1.17, 1.20), "aar": (1.10, 1.13), "imh": (1.02, 1.00), "fat": (4.0, 3.2)}
STIR = {"blood": (3.3, 3.6), "infarct": (1.43, 1.54), "aar": (1.31, 1.38), "imh": (0.99, 0.97), "fat": (0.42, 0.61)}
CODE = {"blood": tissue.LV_BLOOD, "infarct": tissue.INFARCT, "aar": tissue.OEDEMA, "imh": tissue.NO_REFLOW}
CODE["fat"] = tissue.FAT
BLOOD_SHARES = [tissue.LV_BLOOD, tissue.SLOW_BLOOD, tissue.RV_BLOOD, tissue.ARTERY]


def seeded():
    return np.random.default_rng(9)


def bled(field_t):
    return tissue.subject_tissues(field_t, tissue.Acuteness(haemorrhage=True, scatter=0.0), np.random.default_rng(0))


def reference(field_t):
    return draw_protocol(PhantomParameters(difficulty="clean", field_strength_t=field_t), 880.0, seeded())


@pytest.mark.parametrize("field", [0, 1])
@pytest.mark.parametrize("row", CINE)
def test_cine_level_has_the_published_ratio_to_myocardium(row, field):
    levels = cine_levels(bled(FIELDS[field]), reference(FIELDS[field]))
    assert abs(levels[CODE[row]]) / levels[tissue.MYOCARDIUM] == pytest.approx(CINE[row][field], rel=0.05)
    assert (levels[tissue.FAT] < 0) and levels[tissue.AIR] == 0


@pytest.mark.parametrize("field", [0, 1])
@pytest.mark.parametrize("row", STIR)
def test_stir_level_has_the_published_ratio_to_myocardium(row, field):
    levels = stir_levels(bled(FIELDS[field]), reference(FIELDS[field]), washout=0.0)
    assert levels[CODE[row]] / levels[tissue.MYOCARDIUM] == pytest.approx(STIR[row][field], rel=0.05)


def test_washed_out_blood_is_black_in_stir_and_half_washed_out_half_bright():
    stagnant, half, gone = (stir_levels(bled(1.5), reference(1.5), washout) for washout in (0.0, 0.5, 1.0))
    for code in BLOOD_SHARES:
        assert gone[code] == 0.0 and half[code] == pytest.approx(0.5 * stagnant[code])
    assert gone[tissue.MYOCARDIUM] == stagnant[tissue.MYOCARDIUM]


@pytest.mark.parametrize("field_t", FIELDS)
def test_late_enhancement_levels_at_the_null(field_t):
    """Blood T1 350 ms lies between the table's two doses: blood 0.16-0.24, infarct 0.17-0.23, fat 0.26-0.36 of M0.

    Fat decays with T2* unless the echo time is zero; the table has it at 1.5 T.
    """
    protocol = reference(field_t)
    protocol = replace(protocol, lge=replace(protocol.lge, te_ms=0.0))
    table = tissue.tissues_at(field_t)
    levels = lge_levels(table, protocol, 0.0)
    assert levels[tissue.MYOCARDIUM] == pytest.approx(0.0, abs=1e-9)
    assert 0.16 * 0.95 < levels[tissue.LV_BLOOD] < 0.24 * 1.05 and 0.17 * 0.95 < levels[tissue.INFARCT] < 0.23 * 1.05
    assert 0.09 < levels[tissue.OEDEMA] / levels[tissue.INFARCT] < 0.21
    assert abs(levels[tissue.NO_REFLOW]) < 0.5 * levels[tissue.INFARCT] and levels[tissue.NO_REFLOW] < 0
    assert field_t > 2 or 0.26 * 0.9 < levels[tissue.FAT] < 0.36 * 1.05


def test_wrong_inversion_time_brings_remote_myocardium_back():
    signals = (lge_levels(tissue.tissues_at(1.5), reference(1.5), error) for error in (-30, 0, 15, 30))
    levels = [one[tissue.MYOCARDIUM] for one in signals]
    assert levels[0] < -0.02 and levels[1] == pytest.approx(0, abs=1e-9) and 0.01 < levels[2] < levels[3]


def clean_scan(heart, field_t):
    """The round heart, bled into, on the clean protocol with its resolution and noise."""
    protocol = replace(reference(field_t), diastolic_fraction=heart.protocol(field_t).diastolic_fraction)
    return heart.scan(protocol, tissues=bled(field_t))


@pytest.mark.slow
@pytest.mark.parametrize("field", [0, 1])
def test_ratios_hold_in_the_pictures_of_a_clean_scan(round_heart, field):
    exam, roi = clean_scan(round_heart, FIELDS[field]), round_heart.rois()
    lge_moment = exam.protocol.diastolic_fraction[0]
    cine, stir = exam.cine([lge_moment], seeded())[..., 0], exam.t2_stir(seeded())[0]
    lge = exam.lge(seeded(), "psir") - exam.protocol.lge.offset * LGE_LEVEL_PER_M0
    for picture, table in ((cine, CINE), (stir, STIR)):
        remote = picture[roi["myocardium"]].mean()
        for name in ("infarct", "aar", "imh"):
            assert picture[roi[name]].mean() / remote == pytest.approx(table[name][field], rel=0.05)
    assert cine[roi["blood"]].mean() / cine[roi["myocardium"]].mean() == pytest.approx(CINE["blood"][field], rel=0.05)
    assert stir[roi["blood"]].mean() < 0.03 * stir[roi["myocardium"]].mean()
    infarct = lge[roi["infarct"]].mean()
    assert abs(lge[roi["myocardium"]].mean()) < 0.03 * infarct
    assert 0.09 < lge[roi["aar"]].mean() / infarct < 0.21
    assert 0.12 < infarct / LGE_LEVEL_PER_M0 < 0.25 and 0.12 < lge[roi["blood"]].mean() / LGE_LEVEL_PER_M0 < 0.25


@pytest.mark.slow
def test_ratios_hold_in_drawn_clean_subjects(subject_of):
    """By eroded label; the median of five hearts, since a thin wall holds few pixels without blood in them."""
    for field, infarct in ((0, 45.0), (1, 50.0)):
        found = []
        for seed in (2, 3, 6, 8, 9):
            subject = subject_of(seed, condition="acute_mi", infarct_percent_lv=infarct, field_strength_t=FIELDS[field])
            label = subject.volumes["label"]
            blood, remote, dead = (binary_erosion(label == code, np.ones((3, 3, 1))) for code in (1, 2, 3))
            cine, stir = subject.volumes["cine"][..., 2], subject.volumes["t2_stir"]
            lge = subject.volumes["lge"].astype(float) - subject.meta["protocol"]["lge"]["zero_level"]
            pairs = ((cine, blood, remote), (cine, dead, remote), (stir, dead, remote), (lge, remote, dead))
            found.append([np.median(one[a]) / np.median(one[b]) for one, a, b in pairs])
        ratios = np.median(found, axis=0)
        wanted = [CINE["blood"][field], CINE["infarct"][field], STIR["infarct"][field]]
        np.testing.assert_allclose(ratios[:3], wanted, rtol=0.05)
        assert abs(ratios[3]) < 0.12
