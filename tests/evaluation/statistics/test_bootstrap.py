"""Intervals by bootstrap over subjects: textbook values, clusters, all samples at once against one by one."""

import numpy as np
import pytest
from scripts.conventions import NotMeasurable
from scripts.evaluation.statistics.bootstrap import bootstrap_interval
from scripts.evaluation.statistics.method_comparison import (
    auc,
    icc_2_1,
    lower_limit,
    mean_difference,
    pearson_r,
    sensitivity,
    specificity,
    upper_limit,
)

PAIRED = [pearson_r, icc_2_1, mean_difference, lower_limit, upper_limit]
CALLED = [sensitivity, specificity]


def test_interval_of_a_mean_is_the_textbook_one():
    values = np.random.default_rng(1).normal(5.0, 2.0, 400)
    low, high = bootstrap_interval(np.mean, values)
    assert (low, high) == pytest.approx((values.mean() - 0.196, values.mean() + 0.196), abs=0.04)
    assert bootstrap_interval(np.mean, values) == (low, high)


def test_interval_by_subject_is_wider_than_by_slice_when_slices_of_a_subject_are_alike():
    rng = np.random.default_rng(2)
    subjects = np.repeat(np.arange(30), 8)
    values = np.repeat(rng.normal(0, 1, 30), 8) + rng.normal(0, 0.1, 240)
    pooled, clustered = (np.diff(bootstrap_interval(np.mean, values, subjects=s))[0] for s in (None, subjects))
    assert clustered > 2 * pooled


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("statistic", [*PAIRED, *CALLED, auc, np.mean])
def test_interval_of_all_samples_at_once_is_that_of_the_samples_one_by_one(statistic, clustered):
    rng = np.random.default_rng(3)
    reference = rng.gamma(2.0, 8.0, 90)
    found = reference + rng.normal(1.0, 4.0, 90)
    values = (found, reference)
    if statistic in CALLED:
        values = (found > 12, reference > 12)
    elif statistic is auc:
        values = (found.round(-1), reference > 12)  # ties
    elif statistic is np.mean:
        values = (found,)
    else:
        found[7] = np.nan
    subjects = np.repeat(np.arange(15), 6).astype(str) if clustered else None
    one_by_one = bootstrap_interval(lambda *drawn: statistic(*drawn), *values, subjects=subjects, samples=300)
    assert bootstrap_interval(statistic, *values, subjects=subjects, samples=300) == pytest.approx(one_by_one, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("statistic", PAIRED)
@pytest.mark.parametrize(
    ("found", "reference"),
    [
        ([2.26139, 0.0, 7.62602], [2.26139, 1.85615, 7.62602]),
        ([0.0] * 9, [0.0] * 8 + [31.75226]),
        ([0.0, 0.0, 0.0, 5.3, 0.0, 0.0], [0.0, 0.0, 0.0, 7.7, 0.0, 0.0]),
        ([0.011, 0.012, 0.009, 50000.0], [0.012, 0.015, 0.0105, 50000.0]),
        ([1e-8, 3e-8, 2e-8, 4e-8], [1.0, 2.0, 1.5, 3.0]),
    ],
)
def test_samples_of_equal_tiny_or_huge_values_are_no_worse_at_once(statistic, found, reference):
    values = np.array(found), np.array(reference)
    try:
        one_by_one = bootstrap_interval(lambda a, b: statistic(a, b), *values)
    except NotMeasurable as reason:
        with pytest.raises(NotMeasurable, match=str(reason)):
            bootstrap_interval(statistic, *values)
        return
    assert bootstrap_interval(statistic, *values) == pytest.approx(one_by_one, abs=1e-10, rel=1e-6)


def test_arrays_of_different_length_are_refused():
    with pytest.raises(ValueError, match=r"one length are needed, got \[4, 5\]"):
        bootstrap_interval(pearson_r, np.arange(5.0), np.arange(4.0))
    with pytest.raises(ValueError, match=r"got \[3, 5\]"):
        bootstrap_interval(np.mean, np.arange(5.0), subjects=np.arange(3))


@pytest.mark.parametrize("statistic", [pearson_r, icc_2_1])
def test_samples_that_do_not_vary_have_no_agreement(statistic):
    found, reference = np.array([0.1, 0.1, 0.7, 0.1]), np.array([0.1, 0.1, 0.9, 0.1])
    one_by_one = bootstrap_interval(lambda a, b: statistic(a, b), found, reference)
    assert bootstrap_interval(statistic, found, reference) == pytest.approx(one_by_one, abs=1e-9)
    constant = np.full(5, 0.1)
    with pytest.raises(NotMeasurable, match="only 0 of 2000"):
        bootstrap_interval(statistic, constant, constant)


def test_too_few_subjects_have_no_interval():
    with pytest.raises(NotMeasurable, match="2 subjects, an interval needs 3"):
        bootstrap_interval(np.mean, np.array([1.0, 2.0]))
