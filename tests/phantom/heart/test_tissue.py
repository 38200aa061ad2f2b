"""Tissue table: completeness, scatter between subjects, severity and haemorrhage, refusal of other field strengths."""

import numpy as np
import pytest
from scripts.conventions import LABEL_NAMES, ConfigError
from scripts.phantom.heart import tissue
from scripts.phantom.heart.tissue import Acuteness, subject_tissues

EXACT = Acuteness(scatter=0.0)


def test_every_code_has_values_at_both_field_strengths_and_a_label_of_the_contract():
    for table in tissue.TISSUES.values():
        assert sorted(table) == list(range(tissue.TISSUE_COUNT))
        assert all(min(one.t1_ms, one.t2_ms, one.t2_star_ms) > 0 and one.t2_ms < one.t1_ms for one in table.values())
        assert all(0 <= one.pd <= 1 and 0 <= one.ecv <= 0.75 for one in table.values())
    assert tissue.TO_LABEL.shape == (tissue.TISSUE_COUNT,)
    assert list(tissue.TO_LABEL[:7]) == list(range(len(LABEL_NAMES)))
    assert tissue.TO_LABEL[tissue.PAPILLARY] == LABEL_NAMES.index("lv_blood_pool")


def test_unknown_field_strength_is_refused():
    with pytest.raises(ConfigError, match=r"field_strength_t: found 7.0, allowed are \[1.5, 3.0\]"):
        tissue.tissues_at(7.0)


@pytest.mark.parametrize("field_t", [1.5, 3.0])
def test_without_scatter_a_subject_has_the_reference_table(field_t):
    assert subject_tissues(field_t, EXACT, np.random.default_rng(2)) == tissue.tissues_at(field_t)


def test_subjects_scatter_but_keep_the_order_of_t2_and_share_remote_tissue():
    draws = [subject_tissues(1.5, Acuteness(), np.random.default_rng(seed)) for seed in range(300)]
    native = np.array([table[tissue.MYOCARDIUM].t1_ms for table in draws])
    assert native.mean() == pytest.approx(1000.0, rel=0.01) and 0.015 < native.std() / 1000.0 < 0.045
    t2 = np.array([table[tissue.MYOCARDIUM].t2_ms for table in draws])
    assert 0.03 < t2.std() / t2.mean() < 0.08
    for table in draws:
        assert table[tissue.INFARCT].t2_ms > table[tissue.OEDEMA].t2_ms > table[tissue.NO_REFLOW].t2_ms
        assert table[tissue.RV_WALL] == table[tissue.PAPILLARY] == table[tissue.MYOCARDIUM]
        assert table[tissue.SLOW_BLOOD] == table[tissue.LV_BLOOD]
        assert table[tissue.FAT].t1_ms < 330.0


def test_severity_moves_a_lesion_from_normal_muscle_to_the_table_and_keeps_the_access_of_contrast():
    table = tissue.tissues_at(1.5)
    none = subject_tissues(1.5, Acuteness(0.0, 0.0, scatter=0.0), np.random.default_rng(1))
    half = subject_tissues(1.5, Acuteness(0.5, 0.5, scatter=0.0), np.random.default_rng(1))
    for code in (tissue.INFARCT, tissue.OEDEMA):
        assert none[code].t2_ms == pytest.approx(table[tissue.MYOCARDIUM].t2_ms)
        assert half[code].t2_ms == pytest.approx(0.5 * (table[tissue.MYOCARDIUM].t2_ms + table[code].t2_ms))
        assert none[code].ecv == table[code].ecv


def test_oedema_has_its_own_severity():
    tracking = subject_tissues(3.0, Acuteness(1.0, 0.1, scatter=0.0), np.random.default_rng(1))
    assert tracking[tissue.OEDEMA].t2_ms < 48.0 and tracking[tissue.INFARCT].t2_ms == pytest.approx(60.0)


def test_haemorrhage_shortens_t2_of_the_core():
    for field_t in (1.5, 3.0):
        bled = subject_tissues(field_t, Acuteness(haemorrhage=True, scatter=0.0), np.random.default_rng(1))
        without = subject_tissues(field_t, EXACT, np.random.default_rng(1))
        assert bled[tissue.NO_REFLOW] == tissue.HAEMORRHAGE[field_t]
        assert bled[tissue.NO_REFLOW].t2_ms < without[tissue.NO_REFLOW].t2_ms
        assert bled[tissue.NO_REFLOW].t2_star_ms < 20.0


def test_infarct_takes_up_more_contrast_in_patients_than_in_the_table():
    ecv = [subject_tissues(1.5, Acuteness(), np.random.default_rng(seed))[tissue.INFARCT].ecv for seed in range(40)]
    assert 0.50 < min(ecv) < max(ecv) <= 0.80 and np.std(ecv) > 0.005
