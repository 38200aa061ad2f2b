"""Calibration and risk-coverage against numbers known by hand."""

import struct

import numpy as np
import pytest
from scripts.conventions import NotMeasurable
from scripts.evaluation.plots import calibration_png
from scripts.evaluation.statistics.reliability import (
    area_under_risk_coverage,
    expected_calibration_error,
    reliability_counts,
    risk_coverage,
)


def test_a_probability_that_means_what_it_says_has_no_error():
    probability = np.repeat([0.25, 0.75], 400)
    present = np.concatenate([np.arange(400) % 4 == 0, np.arange(400) % 4 != 0])
    counts = reliability_counts(probability, present)
    assert counts[:, 0].sum() == 800 and expected_calibration_error(counts) == pytest.approx(0.0)


def test_the_error_is_the_distance_weighted_by_pixels():
    counts = reliability_counts(np.array([0.9] * 30 + [0.1] * 10), np.array([False] * 30 + [True] * 10))
    assert expected_calibration_error(counts) == pytest.approx((30 * 0.9 + 10 * 0.9) / 40)


def test_counts_of_subjects_add_up_and_the_ends_of_the_range_are_counted():
    parts = [reliability_counts(np.array([0.0, 1.0]), np.array([False, True])) for _ in range(2)]
    whole = np.sum(parts, axis=0)
    assert whole[0, 0] == 2 and whole[-1, 0] == 2 and expected_calibration_error(whole) == 0.0


def test_no_pixel_and_too_few_subjects_are_not_measurable():
    with pytest.raises(NotMeasurable, match="no pixel"):
        expected_calibration_error(reliability_counts(np.empty(0), np.empty(0)))
    with pytest.raises(NotMeasurable, match="2 subjects"):
        risk_coverage([1, 2], [1, 2])


def test_uncertainty_that_points_at_the_errors_lowers_the_curve():
    risk = np.array([1.0, 2.0, 3.0, 4.0])
    coverage, mean_risk = risk_coverage(risk, risk)
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0] and mean_risk.tolist() == [1.0, 1.5, 2.0, 2.5]
    assert area_under_risk_coverage(risk, risk) == pytest.approx(1.75)
    assert area_under_risk_coverage(-risk, risk) == pytest.approx((4 + 3.5 + 3 + 2.5) / 4)


@pytest.mark.slow
@pytest.mark.parametrize("samples", [0, 5])
def test_the_figure_is_drawn_with_and_without_samples(samples):
    counts = reliability_counts(np.linspace(0, 1, 50), np.arange(50) > 20)
    png = calibration_png(counts, np.arange(samples, dtype=float), np.arange(samples, dtype=float))
    assert png.startswith(b"\x89PNG") and struct.unpack(">II", png[16:24]) == (1210, 550)
