"""Ground truth of segments: thickening, strain and infarct of a heart built by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scripts.phantom.heart.grid import apart
from scripts.phantom.heart.motion import Motion
from scripts.phantom.heart.render import HeartRenderer
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


def test_wall_at_risk_is_the_infarct_and_the_living_part_of_the_bed(round_heart):
    shape, flat = round_heart.anatomy.shape, np.zeros((DEPTHS, ANGLES))
    segments = segment_map(shape)
    inner_half = np.stack([flat, 0.5 * np.isin(segments, (4, 10))])
    ill = replace(round_heart.pathology, infarct=inner_half, at_risk=(segments == 10).astype(float))
    found = segment_truth(shape, ill, round_heart.motion, flat + 1.0)["segments"]
    # the inner half of a wall from 24 to 44 mm
    share = 100 * (34.0**2 - 24.0**2) / (44.0**2 - 24.0**2)
    assert [found[key]["infarct_percent"] for key in ("4", "10")] == pytest.approx([share, share], abs=0.02)
    assert [found[key]["at_risk_percent"] for key in ("4", "10")] == pytest.approx([share, 100.0], abs=0.02)


def test_septum_moved_by_the_rv_shortens_as_the_labels_show(round_heart):
    shape, flat = replace(round_heart.anatomy.shape, bowing=0.3), np.ones((DEPTHS, ANGLES))
    anatomy = replace(round_heart.anatomy, shape=shape)
    ill = replace(round_heart.pathology, infarct=np.zeros((2, DEPTHS, ANGLES)), at_risk=0 * flat)
    found = segment_truth(shape, ill, round_heart.motion, flat)["segments"]
    renderer = HeartRenderer(anatomy, ill, round_heart.motion)
    x, y = (anatomy.pixel_positions_mm(side)[part] for side, part in enumerate(renderer.box))
    away = np.abs(apart(np.arctan2(y[None, :], x[:, None]), shape.septum_angle))
    for sector, numbers in ((away < np.pi / 3, ("8", "9")), (away > 2 * np.pi / 3, ("11", "12"))):
        middles = []
        for contraction in (0.0, 1.0):
            label = renderer.label(contraction)[2][sector]
            areas = np.array([np.sum(label == 1), np.isin(label, (1, 2, 3, 4, 5)).sum()]) * anatomy.pixel_mm**2
            middles.append(np.sqrt(areas / (np.pi / 3)).mean())
        shown = 100 * (middles[1] / middles[0] - 1)
        told = np.mean([found[number]["circumferential_strain_percent"] for number in numbers])
        assert told == pytest.approx(shown, abs=1.5)


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
