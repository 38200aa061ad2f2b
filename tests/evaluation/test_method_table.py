"""Several methods in one table, and paired differences by subject."""

import pytest
from scripts.evaluation.method_table import MISSING, OVERVIEW, markdown, method_rows, overview, paired_differences


def test_a_row_holds_value_and_interval_and_what_a_method_lacks_is_a_dash():
    ours = {"all": {"mean_dice_infarct": {"value": 0.5, "low": 0.4, "high": 0.6}, "subjects": 3}}
    theirs = {"all": {"mean_dice_infarct": {"not_measurable": "none"}}, "frechet_distance": {"value": 2.0, "slices": 9}}
    rows = method_rows({"ours": ours, "theirs": theirs})
    assert rows[0] == {"method": "ours", "Dice infarct": "0.500 (0.400 to 0.600)", "Fréchet": MISSING}
    assert rows[1]["Dice infarct"] == MISSING and rows[1]["Fréchet"] == "2.000"
    table = markdown(rows).splitlines()
    assert table[0] == "| | ours | theirs |" and "| Fréchet | - | 2.000 |" in table
    assert markdown([]) == ""


def test_differences_are_paired_by_subject_and_leave_out_who_has_no_number():
    ours = [{"subject": s, "dice_infarct": v} for s, v in (("a", "0.5"), ("b", "0.7"), ("c", "0.9"), ("d", "0.1"))]
    theirs = [{"subject": s, "dice_infarct": v} for s, v in (("c", "0.6"), ("b", "0.6"), ("a", "0.3"), ("d", ""))]
    found = {row["measure"]: row for row in paired_differences({"ours": ours, "theirs": theirs}, "ours")}
    assert found["dice_infarct"]["value"] == pytest.approx(0.2) and found["dice_infarct"]["subjects"] == 3
    assert found["dice_infarct"]["low"] < 0.2 < found["dice_infarct"]["high"]
    assert "not_measurable" in found["ssim_myocardium"]


def test_seeds_of_a_method_are_one_line_with_mean_and_spread():
    def summary(dice, **more):
        return {"all": {"mean_dice_infarct": {"value": dice, "low": 0.1, "high": 0.9}} | more}

    bias = {"infarct_size_bias_percent_lv": {"value": 1.25}}
    lines = overview({"ours": summary(0.5, **bias), "net": summary(0.2), "net_seed_8": summary(0.4)}).splitlines()
    place = 3 + OVERVIEW.index("Dice infarct"), 3 + OVERVIEW.index("size bias, %LV")
    ours, net = (line.split(" | ") for line in ("x | " + line.strip("| ") for line in lines[2:]))
    assert ours[1:3] == ["ours", "1"] and [ours[n] for n in place] == ["0.500", "1.2"]
    assert net[1:3] == ["net", "2"] and [net[n] for n in place] == ["0.300 ± 0.141", MISSING]
    assert len(lines) == 4 and len({line.count("|") for line in lines}) == 1


def test_what_rounds_to_zero_has_no_sign():
    def summary(bias):
        return {"all": {"infarct_size_bias_percent_lv": {"value": bias, "low": -0.04, "high": 0.04}}}

    assert method_rows({"net": summary(-0.01)})[0]["size bias, %LV"] == "0.0 (0.0 to 0.0)"
    assert "| 0.0 ± 0.0 |" in overview({"net": summary(-0.01), "net_seed_8": summary(-0.02)})


def test_a_share_too_few_subjects_for_an_interval_says_of_how_many():
    few = {"all": {"false_positives_in_oedema_without_infarct": {"value": 0.0, "subjects": 1, "no_interval": "few"}}}
    assert method_rows({"net": few})[0]["false positives in oedema"] == "0.00 (n = 1)"
