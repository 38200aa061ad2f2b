"""Agreement of two measurements, against values computed by hand."""

import numpy as np
import pytest
from scripts.conventions import NotMeasurable
from scripts.evaluation.statistics.method_comparison import (
    auc,
    bland_altman,
    icc_2_1,
    pearson_r,
    sensitivity,
    specificity,
)


def test_bland_altman_gives_bias_and_limits():
    found = bland_altman(np.array([11.0, 22.0, 33.0]), np.array([10.0, 20.0, 30.0]))
    assert (found.bias, found.sd) == (2.0, 1.0) and found.limits == pytest.approx((0.04, 3.96))


def test_a_bias_lowers_the_icc_and_leaves_the_correlation():
    reference = np.linspace(0, 40, 30)
    assert pearson_r(reference + 10, reference) == pytest.approx(1.0)
    assert icc_2_1(reference, reference) == pytest.approx(1.0)
    # Without noise: variance between subjects over itself and half of the squared bias.
    variance = reference.var(ddof=1)
    assert icc_2_1(reference + 10, reference) == pytest.approx(variance / (variance + 10**2 / 2))


def test_icc_of_noise_is_the_share_of_the_variance_between_subjects():
    rng = np.random.default_rng(0)
    truth = rng.normal(20, 10, 20000)
    found = icc_2_1(truth + rng.normal(0, 5, 20000), truth + rng.normal(0, 5, 20000))
    assert found == pytest.approx(100 / 125, abs=0.01)


def test_auc_counts_ties_half():
    assert auc(np.array([3.0, 2.0, 2.0, 1.0]), np.array([True, True, False, False])) == pytest.approx(3.5 / 4)
    assert auc(np.array([0.0, 1.0]), np.array([True, False])) == 0.0


def test_sensitivity_and_specificity():
    found, present = np.array([1, 0, 1, 0, 0], bool), np.array([1, 1, 0, 0, 0], bool)
    assert sensitivity(found, present) == 0.5 and specificity(found, present) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("measure", "arguments", "reason"),
    [
        (bland_altman, ([1.0, 2.0], [1.0, 2.0]), "2 pairs"),
        (bland_altman, ([1.0, 2.0, np.nan], [1.0, 2.0, 3.0]), "2 pairs"),
        (pearson_r, ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]), "the same in all of 3 pairs"),
        (icc_2_1, ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0]), "the same in all of 3 pairs"),
        (auc, ([1.0, 2.0], [True, True]), "2 with and 0 without"),
        (sensitivity, ([True], [False]), "no subject with"),
        (specificity, ([True], [True]), "no subject without"),
    ],
)
def test_what_cannot_be_compared_is_said_so(measure, arguments, reason):
    with pytest.raises(NotMeasurable, match=reason):
        measure(*(np.array(one) for one in arguments))
