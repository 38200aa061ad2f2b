"""The structured report: every number with its unit and segment, and what was not measured never as a number."""

import copy
import math

import highdicom
import numpy as np
import pydicom
import pytest
from helpers.dicom_phantom import stack
from helpers.dicom_study import cine_headers
from highdicom.sr.utils import find_content_items
from pydicom.uid import EnhancedSRStorage
from scripts.clinical.assessment import assess_subject
from scripts.conventions import DISCLAIMER, DataError
from scripts.dicom.export_results import Results, export_results
from scripts.dicom.geometry import affine_from_stack
from scripts.dicom.report import FINDINGS

SHAPE = (24, 20, 3)
AFFINE = affine_from_stack(stack("oblique"))


def number(value, unit):
    return {"value": value, "unit": unit}


def full_result():
    """Every number differs, so that one in the wrong place shows."""
    return {
        "infarct_percent_lv": number(27.4, "%"),
        "infarct_percent_lv_without_no_reflow": {"not_measurable": "the label map marks no no-reflow"},
        "structures": {
            "lv_blood_pool": {"volume": number(121.1, "ml")},
            "lv_myocardium": {"volume": number(99.9, "ml"), "mass": number(104.9, "g")},
            "viable_myocardium": {"volume": number(72.5, "ml"), "mass": number(76.1, "g")},
            "infarct": {"volume": number(27.3, "ml"), "mass": number(28.7, "g")},
        },
        "transmurality": {"mean": number(25.7, "%"), "mean_of_infarcted_chords": number(71.8, "%")},
        "qc": [{"flag": "apex_missing", "message": "the stack ends above the apex", "review": True}],
        "review_needed": True,
    }


def sources():
    return cine_headers(SHAPE)


def label_map(codes=(0, 1, 2, 3)):
    return np.random.default_rng(2).choice(codes, SHAPE).astype(np.uint8)


def written(folder, result, label=None):
    label = label_map() if label is None else label
    paths = export_results(Results(np.zeros(SHAPE, np.float32), label, AFFINE, result), sources(), folder)
    return highdicom.sr.srread(paths[-1])


def groups(report):
    return {group.tracking_identifier: group for group in _groups_of(report)}


def _groups_of(report):
    return [*report.content.get_volumetric_roi_measurement_groups(), *report.content.get_image_measurement_groups()]


def numbers(report):
    """(group, concept) -> (value, unit)."""
    return {
        (title, one.name.meaning): (float(one.value), one.unit.value)
        for title, group in groups(report).items()
        for one in group.get_measurements()
    }


def texts(report):
    return [item.value for item in find_content_items(report, value_type="TEXT", recursive=True)]


@pytest.mark.slow
def test_each_number_is_read_back_with_its_unit_in_the_group_of_its_structure(tmp_path):
    report = written(tmp_path, full_result())
    assert report.SOPClassUID == EnhancedSRStorage
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert numbers(report) == {
        ("Infarct including no-reflow", "Volume"): (27.3, "ml"),
        ("Infarct including no-reflow", "Mass"): (28.7, "g"),
        ("Infarct including no-reflow", "Infarct size, percent of LV mass"): (27.4, "%"),
        ("Infarct including no-reflow", "Mean transmurality"): (25.7, "%"),
        ("Infarct including no-reflow", "Mean transmurality of infarcted chords"): (71.8, "%"),
        ("LV myocardium including infarct", "Volume"): (99.9, "ml"),
        ("LV myocardium including infarct", "Mass"): (104.9, "g"),
        ("LV myocardium without infarct", "Volume"): (72.5, "ml"),
        ("LV myocardium without infarct", "Mass"): (76.1, "g"),
        ("LV blood pool", "Volume"): (121.1, "ml"),
    }


@pytest.mark.slow
def test_a_result_as_assess_subject_makes_it_is_taken_whole(tmp_path):
    label = label_map()
    result = assess_subject(label=label, virtual_lge=np.zeros(SHAPE), affine=AFFINE, sequences_used=("cine",))
    found = numbers(written(tmp_path, result, label))
    volume = result["structures"]["infarct"]["volume"]
    assert found["Infarct including no-reflow", "Volume"] == (volume["value"], "ml")
    assert found["Infarct including no-reflow", "Infarct size, percent of LV mass"][0] > 0


@pytest.mark.slow
def test_what_is_not_measurable_is_a_failure_with_its_reason_and_no_number(tmp_path):
    result = assess_subject(
        label=np.zeros(SHAPE, np.uint8), virtual_lge=np.zeros(SHAPE), affine=AFFINE, sequences_used=("cine",)
    )
    report = written(tmp_path, result, np.zeros(SHAPE, np.uint8))
    assert numbers(report) == {}
    assert not find_content_items(report, value_type="NUM", recursive=True)
    infarct = groups(report)["Infarct including no-reflow"]
    failed = {one.name.meaning: one.value.value for one in infarct.get_qualitative_evaluations()}
    assert failed["Mass"] == failed["Volume"] == failed["Infarct size, percent of LV mass"] == "114006"
    reason = result["structures"]["infarct"]["mass"]["not_measurable"]
    assert f"structures infarct mass: not measurable: {reason}" in texts(report)


def test_a_measured_infarct_of_zero_stays_a_number(tmp_path):
    result = full_result()
    result["structures"]["infarct"] = {"volume": number(0.0, "ml"), "mass": number(0.0, "g")}
    assert numbers(written(tmp_path, result))["Infarct including no-reflow", "Mass"] == (0.0, "g")


def test_one_reason_for_all_of_transmurality_goes_to_each_of_its_numbers(tmp_path):
    result = full_result() | {"transmurality": {"not_measurable": "no closed ring in any slice"}}
    report = written(tmp_path, result)
    noted = [text for text in texts(report) if text.endswith("no closed ring in any slice")]
    assert len(noted) == 2 and all(text.startswith("transmurality mean") for text in noted)
    assert not [name for _, name in numbers(report) if "transmurality" in name]


def test_groups_refer_to_their_segments_and_to_the_source_series(tmp_path):
    report = written(tmp_path, full_result())
    seg = pydicom.dcmread(tmp_path / "label_seg.dcm")
    segments = {}
    for title, group in groups(report).items():
        for item in find_content_items(group[0], value_type="IMAGE", recursive=True):
            reference = item.ReferencedSOPSequence[0]
            if reference.ReferencedSOPInstanceUID == seg.SOPInstanceUID:
                found = reference.ReferencedSegmentNumber
                segments[title] = [found] if isinstance(found, int) else list(found)
    assert segments == {
        "Infarct including no-reflow": [3],
        "LV myocardium including infarct": [2, 3],
        "LV myocardium without infarct": [2],
        "LV blood pool": [1],
    }
    evidence = {uid for _, _, uid, _ in report.get_evidence()} | {uids[2] for uids in report.get_evidence()}
    assert {"2.25.100", "2.25.101", "2.25.102", seg.SOPInstanceUID} <= evidence
    assert "2.25.2" in {uids[1] for uids in report.get_evidence()}


def test_an_infarct_with_no_reflow_refers_to_both_segments(tmp_path):
    report = written(tmp_path, full_result(), label_map((0, 1, 2, 3, 4)))
    group = groups(report)["Infarct including no-reflow"]
    images = find_content_items(group[0], value_type="IMAGE", recursive=True)
    assert list(images[0].ReferencedSOPSequence[0].ReferencedSegmentNumber) == [3, 4]


def test_the_report_says_first_that_it_is_synthetic_and_what_a_reader_has_to_look_at(tmp_path):
    report = written(tmp_path, full_result())
    remarks = [text for text in texts(report) if DISCLAIMER in text or "Review" in text or "apex" in text]
    assert remarks == [
        f"{DISCLAIMER} Measured on a virtual LGE.",
        "Review needed before use: yes.",
        "apex_missing: the stack ends above the apex",
    ]
    assert report.SyntheticData == "YES"
    assert "research use only" in report.SeriesDescription
    assert (report.VerificationFlag, report.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")


@pytest.mark.parametrize(
    "entry", [None, {}, {"value": 3.0}, number(3.0, "ml"), number(math.nan, "g"), number("3", "g"), number(True, "g")]
)
def test_a_number_that_is_missing_or_without_its_unit_is_refused(tmp_path, entry):
    result = copy.deepcopy(full_result())
    result["structures"]["infarct"]["mass"] = entry
    with pytest.raises(DataError, match=r"structures\.infarct\.mass is .*expected a finite value in g.*Fix:"):
        written(tmp_path, result)


def test_an_older_result_without_transmurality_still_gives_a_report(tmp_path):
    result = full_result()
    del result["transmurality"], result["infarct_percent_lv_without_no_reflow"]
    assert len(numbers(written(tmp_path, result))) == 8


def test_private_concepts_have_codes_of_legal_length():
    quantities = [quantity for finding in FINDINGS for quantity in finding.quantities]
    assert all(len(quantity.name.value) <= 16 and len(quantity.name.meaning) <= 64 for quantity in quantities)
