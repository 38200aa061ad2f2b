"""The JSON form: every number has a unit, every missing number a reason."""

import json

import numpy as np
import pytest
from helpers.cone_heart import INSERTION_DEGREES, Sector, heart
from helpers.ring_heart import analytic_ml, oblique_affine, ring_label
from scripts.clinical.assessment import assess_subject, spread
from scripts.clinical.quality import CineDoubt


def assess(label, **more):
    lge = np.random.default_rng(0).uniform(0.1, 1.0, label.shape)
    fields = {"affine": oblique_affine(), "sequences_used": ("cine", "t2_stir"), **more}
    return assess_subject(label=label, virtual_lge=lge, **fields)


def measurements(result):
    yield result["infarct_percent_lv"]
    for numbers in result["structures"].values():
        yield from numbers.values()


def test_every_number_of_a_good_heart_has_a_value_and_a_unit():
    result = assess(ring_label())
    assert all(set(m) == {"value", "unit"} for m in measurements(result))
    assert result["infarct_percent_lv"]["value"] == pytest.approx(16.67, rel=0.01)
    assert result["structures"]["infarct"]["mass"]["unit"] == "g"
    assert result["slices"] == {"total": 4, "with_myocardium": 3, "with_infarct": 3}
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_an_empty_label_gives_reasons_and_no_zero():
    result = assess(np.zeros((16, 16, 3), np.uint8))
    assert all(set(m) == {"not_measurable"} for m in measurements(result))
    assert result["review_needed"] is True


def test_a_reference_label_gives_its_infarct_size_beside_ours():
    result = assess(ring_label(infarct=False), reference_label=ring_label())
    assert result["infarct_percent_lv"]["value"] == 0.0
    assert result["reference_infarct_percent_lv"]["value"] == pytest.approx(16.67, rel=0.01)


def test_spread_of_samples_counts_those_without_a_wall_apart():
    found = spread(np.array([10.0, 14.0, np.nan]))
    assert (found["mean"], found["samples"], found["samples_measured"]) == (12.0, 3, 2)
    assert found["sd"] == pytest.approx(np.sqrt(8), abs=1e-3)


def test_spread_of_one_sample_is_not_measurable():
    assert "needs 2" in spread(np.array([10.0]))["not_measurable"]


def test_an_unknown_field_is_refused():
    with pytest.raises(TypeError, match="colour"):
        assess(ring_label(), colour=1)


INFARCT = (Sector(70, 110, 0.5), Sector(80, 100, 0.25, code=4))


def regional(sectors=INFARCT, rv=True, **more):
    label, affine = heart(sectors, rv=rv, pixel_mm=(0.5, 0.5))
    return assess(label, affine=affine, **more)


@pytest.mark.slow
def test_size_without_no_reflow_leaves_it_out_of_the_infarct_but_not_of_the_wall():
    result = regional()
    core = INFARCT[1].wall_share() * 100
    whole = result["infarct_percent_lv"]["value"]
    without = result["infarct_percent_lv_without_no_reflow"]
    rings_of_wall = 0.92  # the cap is wall as well and holds none
    assert without["unit"] == "%"
    assert whole - without["value"] == pytest.approx(core * rings_of_wall, rel=0.05)


@pytest.mark.slow
def test_a_label_that_marks_no_no_reflow_has_no_size_without_it_unless_its_maker_says_so():
    unmarked = regional(INFARCT[:1])["infarct_percent_lv_without_no_reflow"]
    assert "may count it as infarct" in unmarked["not_measurable"]
    marked = regional(INFARCT[:1], no_reflow_marked=True)
    assert marked["infarct_percent_lv_without_no_reflow"] == marked["infarct_percent_lv"]
    assert regional(())["infarct_percent_lv_without_no_reflow"]["value"] == 0.0


@pytest.mark.slow
def test_transmurality_of_the_report_has_means_and_grades_of_all_chords():
    found = regional()["transmurality"]
    assert found["mean"]["value"] == pytest.approx(100 * 0.5 * 40 / 360, rel=0.02)
    assert found["mean_of_infarcted_chords"]["value"] == pytest.approx(50, rel=0.1)
    grades = found["chords_by_grade_percent"]
    assert sum(grades.values()) == 900 and grades["0"] == pytest.approx(800, abs=20)


@pytest.mark.slow
def test_the_report_has_17_segments_with_units_and_grades_or_reasons():
    result = regional()
    segments = result["aha17"]
    assert [segment["segment"] for segment in segments] == list(range(1, 18))
    third = segments[2]
    assert third["name"] == "basal inferoseptal"
    assert third["infarct"]["value"] == pytest.approx(100 * INFARCT[0].wall_share(60, "basal"), rel=0.03)
    assert third["transmurality"]["value"] == pytest.approx(33.3, rel=0.03)
    assert (third["transmurality"]["unit"], third["transmurality"]["grade_percent"]) == ("%", "26-50")
    assert segments[0]["infarct"] == {"value": 0.0, "unit": "%"}
    assert segments[16]["transmurality"] == {"not_measurable": "no chord crosses this segment"}
    assert json.loads(json.dumps(result, allow_nan=False)) == result


@pytest.mark.slow
def test_a_label_without_rv_gives_the_reason_and_with_an_angle_the_segments():
    assert "no RV blood pool" in regional(rv=False)["aha17"]["not_measurable"]
    given = regional(rv=False, rv_insertion_degrees=INSERTION_DEGREES)["aha17"]
    assert [k["segment"] for k in given if k["infarct"].get("value", 0) > 5] == [3, 9, 14]


def test_regional_numbers_of_an_empty_label_are_reasons():
    result = assess(np.zeros((16, 16, 3), np.uint8))
    for key in ("transmurality", "aha17", "infarct_percent_lv_without_no_reflow"):
        assert set(result[key]) == {"not_measurable"}


def test_infarct_outside_the_myocardium_only_gives_reasons_wherever_it_would_count():
    label = ring_label(infarct=False)
    label[:5, :5, 1] = 3
    result = assess(label)
    structures = result["structures"]
    numbers = [structures["infarct"]["volume"], structures["lv_myocardium"]["mass"], result["transmurality"]]
    for found in (result["infarct_percent_lv"], result["infarct_percent_lv_without_no_reflow"], *numbers):
        assert "outside the LV" in found["not_measurable"]
    assert structures["viable_myocardium"]["volume"]["value"] > 0
    assert "infarct_outside_myocardium" in {flag["flag"] for flag in result["qc"]}


@pytest.mark.slow
def test_infarct_in_slices_without_chords_is_named_and_alone_has_no_transmurality():
    label, affine = heart([Sector(20, 60)], pixel_mm=(1.0, 1.0))
    label[..., 9][label[..., 9] == 2] = 3  # the cap
    depth = assess(label, affine=affine)["transmurality"]
    assert depth["infarct_slices_without_chords"] == [10] and depth["mean"]["value"] > 0
    label[..., :9][label[..., :9] == 3] = 2
    result = assess(label, affine=affine)
    assert "no full ring" in result["transmurality"]["not_measurable"]
    assert result["aha17"][16]["infarct"]["value"] == 100.0 and result["aha17"][0]["infarct"]["value"] == 0.0
    assert result["infarct_percent_lv"]["value"] > 0


def test_a_wall_of_infarct_only_has_no_size_no_transmurality_and_no_segments():
    label, affine = heart([Sector(20, 60)], pixel_mm=(1.0, 1.0))
    result = assess(np.where(label == 2, 3, label), affine=affine)
    for key in ("infarct_percent_lv", "transmurality", "aha17"):
        assert "no viable LV myocardium" in result[key]["not_measurable"]


def test_a_size_that_is_refused_has_no_samples_beside_it():
    label = ring_label(infarct=False)
    label[:5, :5, 1] = 3
    result = assess(label, sample_infarct_percent=np.array([3.0, 4.0]))
    assert result["infarct_percent_lv_samples"] == result["infarct_percent_lv"]


def test_slices_without_a_reference_between_two_with_one_do_not_join_them():
    label = np.zeros((24, 24, 6), np.uint8)
    label[4:16, 4:16, 0], label[8:12, 8:12, 0], label[6:10, 6:10, 5] = 2, 1, 3
    result = assess(label, reference_label=label, reference_slices=np.array([1, 0, 0, 0, 0, 1], bool))
    assert result["reference_slices"] == 2
    for key in ("reference_infarct_percent_lv", "infarct_percent_lv_on_reference_slices"):
        assert "outside the LV myocardium" in result[key]["not_measurable"]


def test_slices_without_reference_do_not_count_against_the_overlap():
    label = np.zeros((8, 8, 4), np.uint8)
    label[1], label[2], label[3] = 1, 2, 3
    reference = label.copy()
    reference[..., 2:] = 0
    arrays = {"virtual_lge": np.random.default_rng(0).random(label.shape), "affine": np.eye(4)}
    arrays |= {"label": label, "sequences_used": ("cine",), "reference_label": reference}
    half = assess_subject(**arrays, reference_slices=np.array([1, 1, 0, 0]))
    assert half["reference_slices"] == 2
    assert [d["value"] for d in half["reference_dice"].values()] == [1, 1, 1]
    assert half["reference_infarct_percent_lv"]["value"] == 50
    assert half["infarct_percent_lv_on_reference_slices"]["value"] == 50
    whole = assess_subject(**arrays)
    assert whole["reference_slices"] == 4
    assert whole["reference_dice"]["infarct"]["value"] < 0.7
    assert "infarct_percent_lv_on_reference_slices" not in whole


INFARCT_KEYS = ("infarct_percent_lv", "infarct_percent_lv_without_no_reflow", "transmurality", "aha17")


def test_a_cine_without_motion_gives_wall_and_blood_and_no_number_of_the_infarct():
    label = ring_label()
    more = {"reference_label": label, "reference_slices": np.array([1, 1, 0, 0], bool)}
    result = assess(label, cine_doubt=CineDoubt(static=True), sample_infarct_percent=np.array([3.0, 4.0]), **more)
    numbers = [result[key] for key in (*INFARCT_KEYS, "infarct_percent_lv_samples")]
    numbers += [result["infarct_percent_lv_on_reference_slices"], result["slices"]["with_infarct"]]
    numbers += [one for name in ("infarct", "viable_myocardium") for one in result["structures"][name].values()]
    assert all("no motion" in one["not_measurable"] and "allow_static_cine" in one["not_measurable"] for one in numbers)
    assert all(
        "value" in one for name in ("lv_blood_pool", "lv_myocardium") for one in result["structures"][name].values()
    )
    assert result["reference_infarct_percent_lv"]["value"] > 0 and result["slices"]["with_myocardium"] == 3
    assert result["review_needed"] is True and [flag["flag"] for flag in result["qc"]] == ["cine_static"]


@pytest.mark.slow
def test_an_allowed_static_cine_is_measured_and_still_wants_a_review():
    plain, allowed = assess(ring_label()), assess(ring_label(), cine_doubt=CineDoubt(static=True, static_allowed=True))
    assert {key: allowed[key] for key in INFARCT_KEYS} == {key: plain[key] for key in INFARCT_KEYS}
    assert allowed["structures"] == plain["structures"] and plain["review_needed"] is False
    assert allowed["review_needed"] is True and [flag["flag"] for flag in allowed["qc"]] == ["cine_static"]


@pytest.mark.slow
def test_a_doubtful_cine_phase_is_flagged_with_its_reason_and_the_numbers_stay():
    result = assess(ring_label(), cine_doubt=CineDoubt(phase="t2_stir agrees with no phase"))
    assert result["qc"] == [
        {"flag": "cine_phase_uncertain", "message": "t2_stir agrees with no phase", "review": True}
    ]  # fmt: skip
    assert result["review_needed"] is True and result["structures"] == assess(ring_label())["structures"]


def test_codes_without_infarct_make_all_that_needs_it_not_measurable_and_leave_wall_and_blood():
    result = assess(ring_label(infarct=False), infarct_marked=False)
    unknown = [result[key] for key in ("infarct_percent_lv", "infarct_percent_lv_without_no_reflow", "transmurality")]
    unknown += [result["aha17"], result["slices"]["with_infarct"]]
    unknown += [*result["structures"]["infarct"].values(), *result["structures"]["viable_myocardium"].values()]
    assert all("no infarct class" in one["not_measurable"] and len(one) == 1 for one in unknown)
    wall, blood = (result["structures"][name]["volume"] for name in ("lv_myocardium", "lv_blood_pool"))
    assert wall["value"] == pytest.approx(analytic_ml()["lv_myocardium"], rel=0.01)
    assert blood["value"] == pytest.approx(analytic_ml()["lv_blood_pool"], rel=0.01)


def test_a_reference_without_infarct_class_is_no_reference_for_the_infarct_alone():
    result = assess(ring_label(), reference_label=ring_label(infarct=False), reference_infarct_marked=False)
    for one in (result["reference_infarct_percent_lv"], result["reference_dice"]["infarct"]):
        assert "no infarct class" in one["not_measurable"] and "value" not in one
    assert result["reference_dice"]["lv_myocardium"]["value"] == 1 and result["infarct_percent_lv"]["value"] > 15


def test_a_reference_at_another_moment_of_the_heartbeat_is_compared_in_size_and_not_in_overlap():
    result = assess(ring_label(), reference_label=ring_label(), reference_apart="drawn on phase 0")
    assert set(result["reference_dice"]) == {"lv_blood_pool", "lv_myocardium", "infarct"}
    assert all(one == {"not_measurable": "drawn on phase 0"} for one in result["reference_dice"].values())
    assert result["reference_infarct_percent_lv"] == result["infarct_percent_lv"]
