"""The interval of an infarct size grows with what the probabilities leave open, and ends at 0 and 100 %LV."""

import numpy as np
import pytest
from scripts.clinical.size_interval import half_widths_percent_lv, size_uncertainty, terms, undecided

CALIBRATED = {"weights": [1.0, 0.5, 2.0, 0.25], "review_above_percent_lv": 8.0}


def probabilities(infarct, wall=1.0, pixels=100):
    """(4, pixels): a wall with this probability of infarct and of being wall."""
    infarct = np.broadcast_to(infarct, pixels).astype(float)
    return np.stack([np.full(pixels, 1 - wall), np.zeros(pixels), wall * (1 - infarct), wall * infarct])


def test_a_network_that_is_sure_leaves_nothing_open():
    found = undecided(probabilities([1.0] * 30 + [0.0] * 70))
    assert found == pytest.approx(
        {"infarct_expected_percent": 30, "infarct_undecided_percent": 0, "wall_undecided_percent": 0}
    )


def test_what_is_open_is_counted_in_percent_of_the_wall():
    found = undecided(probabilities([0.4] * 50 + [0.0] * 50))
    assert found["infarct_expected_percent"] == pytest.approx(20)
    assert found["infarct_undecided_percent"] == pytest.approx(20)
    assert undecided(probabilities(0.0, wall=0.6))["wall_undecided_percent"] == pytest.approx(100 * 0.4 / 0.6)


def test_without_any_wall_nothing_is_said():
    assert undecided(np.zeros((4, 3, 3, 2))) == {}


def test_the_width_is_the_weighted_sum_of_its_terms():
    left_open = {"infarct_expected_percent": np.array([12.0, 5.0]), "infarct_undecided_percent": np.array([4.0, 0.0])}
    left_open["wall_undecided_percent"] = np.array([8.0, 0.0])
    assert terms(np.array([10.0, 5.0]), left_open).tolist() == [[1, 4, 2, 8], [1, 0, 0, 0]]
    assert half_widths_percent_lv(CALIBRATED["weights"], np.array([10.0, 5.0]), left_open).tolist() == [9.0, 1.0]


@pytest.mark.parametrize(("found", "low", "high"), [(3.0, 0.0, 12.0), (50.0, 41.0, 59.0), (97.0, 88.0, 100.0)])
def test_bounds_lie_around_the_size_and_within_0_and_100(found, low, high):
    left_open = {"infarct_expected_percent": found + 2, "infarct_undecided_percent": 4.0, "wall_undecided_percent": 8.0}
    made = size_uncertainty(CALIBRATED, 0.95, found, left_open)
    assert made.bounds_percent_lv(found) == pytest.approx((low, high)) and made.review and made.coverage == 0.95


def test_a_narrow_interval_asks_for_no_review():
    left_open = {"infarct_expected_percent": 10.0, "infarct_undecided_percent": 1.0, "wall_undecided_percent": 1.0}
    assert not size_uncertainty(CALIBRATED, 0.95, 10.0, left_open).review
