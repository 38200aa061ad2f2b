"""Area at risk, salvage index and no-reflow by hand-made label maps."""

import numpy as np
import pytest
from scripts.clinical.assessment import assess_subject
from scripts.clinical.salvage import area_at_risk_percent_lv, no_reflow_percent_of_infarct, salvage_index
from scripts.conventions import NotMeasurable

WALL, INFARCT, NO_REFLOW, OEDEMA = 2, 3, 4, 5


def label_of(infarct=20, no_reflow=5, oedema=25, wall=50):
    """One row of wall beside a row of blood; ``infarct`` without its no-reflow."""
    codes = [INFARCT] * infarct + [NO_REFLOW] * no_reflow + [OEDEMA] * oedema + [WALL] * wall
    return np.stack([np.ones(len(codes)), codes]).astype(np.uint8)[..., None]


def test_area_at_risk_holds_infarct_no_reflow_and_oedema():
    label = label_of()
    assert area_at_risk_percent_lv(label) == 50.0
    assert no_reflow_percent_of_infarct(label) == 20.0
    assert salvage_index(25.0, 50.0) == 0.5


def test_nothing_is_salvaged_where_there_is_no_infarct_or_no_oedema():
    for sizes, reason in (((0.0, 30.0), "no infarct"), ((25.0, 25.0), "no oedema")):
        with pytest.raises(NotMeasurable, match=reason):
            salvage_index(*sizes)
    with pytest.raises(NotMeasurable, match="no infarct"):
        no_reflow_percent_of_infarct(label_of(infarct=0, no_reflow=0))
    with pytest.raises(NotMeasurable):
        area_at_risk_percent_lv(np.zeros((4, 4, 1), np.uint8))


def assessed(label, sequences=("cine", "t2_stir"), **more):
    return assess_subject(
        label=label, virtual_lge=label / 6, affine=np.diag([1.0, 1, 8, 1]), sequences_used=sequences, **more
    )


def test_a_report_has_them_with_their_caveats_only_where_both_are_marked():
    numbers = assessed(label_of(), no_reflow_marked=True, oedema_marked=True)
    assert numbers["area_at_risk_percent_lv"]["value"] == 50.0 and numbers["salvage_index"]["value"] == 0.5
    assert numbers["no_reflow_percent_of_infarct"]["value"] == 20.0
    assert numbers["infarct_percent_lv_without_no_reflow"]["value"] == 20.0
    for name in ("area_at_risk_percent_lv", "salvage_index", "no_reflow_percent_of_infarct"):
        assert len(numbers[name]["caveat"]) > 10
    assert "salvage_index" not in assessed(label_of())


def test_without_t2_stir_oedema_is_not_measured_and_no_reflow_is():
    numbers = assessed(label_of(), sequences=("cine",), no_reflow_marked=True, oedema_marked=True)
    assert "T2-STIR" in numbers["area_at_risk_percent_lv"]["not_measurable"]
    assert "T2-STIR" in numbers["salvage_index"]["not_measurable"]
    assert numbers["no_reflow_percent_of_infarct"]["value"] == 20.0


def test_slices_without_t2_stir_leave_oedema_unmeasured():
    label = np.concatenate([label_of(), label_of()], axis=2)
    marked = {"no_reflow_marked": True, "oedema_marked": True}
    numbers = assessed(label, **marked, t2_stir_slices=np.array([True, False]))
    assert "1 of 2 slices with LV wall have no T2-STIR" in numbers["area_at_risk_percent_lv"]["not_measurable"]
    assert "not_measurable" in numbers["salvage_index"] and "value" in numbers["no_reflow_percent_of_infarct"]
    assert "value" in assessed(label, **marked, t2_stir_slices=np.array([True, True]))["salvage_index"]


def test_an_infarct_apart_from_the_lv_has_no_share_of_no_reflow():
    label = np.zeros((12, 12, 1), np.uint8)
    label[1, 1:4], label[3, 1:4], label[9, 9:11], label[9, 11] = 1, WALL, INFARCT, NO_REFLOW
    with pytest.raises(NotMeasurable):
        no_reflow_percent_of_infarct(label)


def test_where_no_infarct_can_be_measured_none_of_them_is():
    numbers = assessed(label_of(), no_reflow_marked=True, oedema_marked=True, infarct_marked=False)
    for name in ("area_at_risk_percent_lv", "salvage_index", "no_reflow_percent_of_infarct"):
        assert "not_measurable" in numbers[name] and "value" not in numbers[name]
