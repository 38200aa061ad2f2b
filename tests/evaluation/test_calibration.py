"""Calibration of the infarct probability, and uncertainty against error, over hand-made subjects."""

import numpy as np
import pytest
import torch
from helpers.pairs import pair_of, squares
from scripts.clinical.volumes import infarct_percent_lv
from scripts.evaluation.calibration import Calibration


def test_it_counts_the_wall_and_uncertainty_is_the_spread_of_the_samples(tmp_path):
    part, errors, spreads = Calibration(), [], []
    for shift in range(4):
        label, reference = squares(infarct=1), squares(infarct=1 + shift)
        samples = torch.as_tensor(np.stack([label, reference]))
        part.collect(pair_of(label, reference, sample_labels=samples))
        sizes = [infarct_percent_lv(one) for one in (label, reference)]
        errors, spreads = [*errors, abs(sizes[0] - sizes[1])], [*spreads, np.std(sizes, ddof=1)]
    found = part.write(tmp_path)["calibration"]
    assert found["mean_error_of_infarct_size_percent_lv"]["value"] == pytest.approx(np.mean(errors))
    assert found["mean_sd_of_infarct_size_percent_lv"]["value"] == pytest.approx(np.mean(spreads))
    assert found["area_under_risk_coverage_percent_lv"]["value"] < np.mean(errors)
    wrong = sum(12 * shift * 2 for shift in range(4))
    wall = 4 * (12 * 12 - 16) * 2
    assert found["expected_calibration_error"]["value"] == pytest.approx(wrong / wall, abs=1e-3)
    assert (tmp_path / "calibration.png").read_bytes().startswith(b"\x89PNG")


def test_one_sample_has_a_calibration_and_no_risk_coverage(tmp_path):
    part = Calibration()
    part.collect(pair_of(squares(infarct=2), squares(infarct=2)))
    found = part.write(tmp_path)["calibration"]
    assert found["expected_calibration_error"]["value"] == 0.0
    assert found["not_measurable_subjects"] == {}
    assert "0 subjects" in found["area_under_risk_coverage_percent_lv"]["not_measurable"]
    part.start()
    assert "not_measurable" in part.write(tmp_path)["calibration"]["expected_calibration_error"]


def test_a_subject_whose_samples_have_no_wall_keeps_its_reason(tmp_path):
    part = Calibration()
    part.collect(pair_of(squares(infarct=1), squares(infarct=1), sample_labels=torch.zeros(2, 24, 24, 2)))
    assert "no viable LV myocardium" in part.write(tmp_path)["calibration"]["not_measurable_subjects"]["a"]
