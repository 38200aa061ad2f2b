"""Tissue table: completeness, scatter between subjects, refusal of other field strengths."""

import numpy as np
import pytest
from scripts.conventions import LABEL_NAMES, ConfigError
from scripts.phantom import tissue


def test_every_code_has_values_at_both_field_strengths_and_a_label_of_the_contract():
    for table in tissue.TISSUES.values():
        assert sorted(table) == list(range(tissue.TISSUE_COUNT))
    assert tissue.TO_LABEL.shape == (tissue.TISSUE_COUNT,)
    assert list(tissue.TO_LABEL[:7]) == list(range(len(LABEL_NAMES)))
    assert tissue.TO_LABEL[tissue.PAPILLARY] == LABEL_NAMES.index("lv_blood_pool")


def test_unknown_field_strength_is_refused():
    with pytest.raises(ConfigError, match=r"field_strength_t: found 7.0, allowed are \[1.5, 3.0\]"):
        tissue.tissues_at(7.0)


def test_subjects_differ_but_keep_the_order_of_t2():
    draws = [tissue.subject_tissues(1.5, False, np.random.default_rng(seed)) for seed in range(20)]
    assert np.std([table[tissue.MYOCARDIUM].t1_ms for table in draws]) > 5.0
    for table in draws:
        assert table[tissue.INFARCT].t2_ms > table[tissue.OEDEMA].t2_ms > table[tissue.NO_REFLOW].t2_ms
        assert table[tissue.RV_WALL] == table[tissue.MYOCARDIUM]


def test_haemorrhage_shortens_t2_of_the_core():
    with_blood = tissue.subject_tissues(3.0, True, np.random.default_rng(1))
    without = tissue.subject_tissues(3.0, False, np.random.default_rng(1))
    assert with_blood[tissue.NO_REFLOW].t2_ms < without[tissue.NO_REFLOW].t2_ms
