"""Keys are shown as a reader writes them."""

import pytest
from scripts.reports.words import in_words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("infarct_size_bias_percent_lv", "infarct size bias, %LV"),
        ("infarct_size_icc_2_1", "infarct size ICC(2,1)"),
        ("infarct_size_r", "infarct size R"),
        ("mean_hd95_lv_myocardium_mm", "mean HD95 LV myocardium, mm"),
        ("field_strength_t", "field strength, T"),
        ("acute_mi", "acute MI"),
        ("takotsubo", "Takotsubo"),
        ("mean_psnr_db", "mean PSNR, dB"),
        ("lv_blood_pool", "LV blood pool"),
        ("viable_myocardium", "viable myocardium"),
        ("t2_stir", "T2-STIR"),
        ("no_reflow", "no-reflow"),
        ("0 to 5 %LV", "0 to 5 %LV"),
        ("", ""),
        ("t", "t"),
    ],
)
def test_a_key_is_shown_in_words(name, words):
    assert in_words(name) == words
