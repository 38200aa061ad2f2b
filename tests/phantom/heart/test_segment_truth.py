"""Ground truth of segments: thickening, strain and infarct of a heart built by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scripts.phantom.heart.motion import Motion
from scripts.phantom.heart.segment_truth import segment_truth
from scripts.phantom.heart.shape import ANGLES, DEPTHS
from scripts.phantom.heart.territory import segment_map


def test_a_tube_that_shortens_evenly_has_the_numbers_of_its_geometry(round_heart):
    shape, flat = round_heart.anatomy.shape, np.ones((DEPTHS, ANGLES))
    ill = replace(round_heart.pathology, infarct=np.zeros((2, DEPTHS, ANGLES)), at_risk=0 * flat)
    found = segment_truth(shape, ill, Motion(flat, 0.25, 0.0, 0.2), flat)
    inner, outer = 24.0 * 0.75, np.sqrt((24.0 * 0.75) ** 2 + 44.0**2 - 24.0**2)
    for one in found["segments"].values():
        assert one["radial_thickening_percent"] == pytest.approx(100 * ((outer - inner) / 20.0 - 1), abs=0.02)
        assert one["circumferential_strain_percent"] == pytest.approx(100 * ((outer + inner) / 68.0 - 1), abs=0.02)
        assert one["infarct_percent"] == one["at_risk_percent"] == 0.0
    assert found["global_circumferential_strain_percent"] == pytest.approx(100 * ((outer + inner) / 68.0 - 1), abs=0.02)


def test_infarct_of_one_segment_is_found_there_and_nowhere_else(round_heart):
    shape, flat = round_heart.anatomy.shape, np.ones((DEPTHS, ANGLES))
    infarct = np.stack([0 * flat, (segment_map(shape) == 4).astype(float)])
    ill = replace(round_heart.pathology, infarct=infarct, at_risk=0 * flat)
    found = segment_truth(shape, ill, round_heart.motion, flat)["segments"]
    assert found["4"]["infarct_percent"] == pytest.approx(100, abs=0.1)
    assert found["4"]["at_risk_percent"] == pytest.approx(100, abs=0.1)
    assert all(one["infarct_percent"] == 0.0 for number, one in found.items() if number != "4")


def test_segments_outside_the_stack_are_left_out(round_heart):
    seen = np.zeros((DEPTHS, ANGLES))
    seen[: DEPTHS // 4] = 1.0
    found = segment_truth(round_heart.anatomy.shape, round_heart.pathology, round_heart.motion, seen)
    assert set(found["segments"]) == {"1", "2", "3", "4", "5", "6"}


def test_a_subject_records_its_segments(subject_of):
    truth = subject_of(3, condition="acute_mi", infarct_percent_lv=25.0).meta["truth"]
    shares = [one["infarct_percent"] for one in truth["segments"].values()]
    assert len(shares) >= 12 and max(shares) > 40 and min(shares) < 10
    assert -40 < truth["global_circumferential_strain_percent"] < -3
