"""Statistics over a cohort and the verdict on them."""

import numpy as np
import pytest
from scripts.conventions import NotMeasurable
from scripts.phantom.realism import targets
from scripts.phantom.realism.target_table import realism_targets
from scripts.phantom.realism.targets import Target, judge


def target(measure, low=1.0, high=2.0):
    return Target("block", "quantity", "1-2", "key", low, high, measure)


@pytest.mark.parametrize(
    ("value", "verdict", "reason"), [(1.5, "pass", ""), (0.5, "FAIL", "below 1"), (3.0, "FAIL", "above 2")]
)
def test_verdicts(cohort_of, value, verdict, reason):
    row = judge(target(targets.mean("a")), cohort_of([{"a": value}] * 6))
    assert (row.verdict, row.reason, row.realised.value, row.realised.count) == (verdict, reason, value, 6)


def test_a_row_without_band_is_reported_without_verdict(cohort_of):
    assert judge(target(targets.mean("a"), None, None), cohort_of([{"a": 1.0}] * 6)).verdict == "no target"


def test_too_few_subjects_are_not_measurable_and_the_commonest_reason_is_named(cohort_of):
    cohort = cohort_of([{"a": 1.0}] * 4 + [{}] * 3)
    for one in cohort[4:]:
        one.reasons["a"] = "there is no lge"
    row = judge(target(targets.mean("a")), cohort)
    assert row.realised is None and row.verdict == "not measurable"
    assert "4 of 7 subjects" in row.reason and "there is no lge" in row.reason


def test_healthy_subjects_do_not_enter_infarct_statistics(cohort_of):
    cohort = cohort_of([{"infarct": v, "area_at_risk": v} for v in (0, 0, 10, 20, 30, 40, 50)])
    assert targets.quantile("infarct", 0.5, targets.infarcted)(cohort).value == 30
    assert len(targets.free_of_infarct(cohort)) == 2
    assert targets.share("infarct", lambda v: v == 0)(cohort).value == pytest.approx(200 / 7)


def test_an_unreadable_subject_is_not_healthy(cohort_of):
    assert targets.free_of_infarct(cohort_of([{}])) == [] and targets.infarcted(cohort_of([{}])) == []


def test_fact_share_counts_only_recorded_facts(cohort_of):
    cohort = (
        cohort_of([{}] * 6, territory="LAD") + cohort_of([{}] * 2, territory="RCA") + cohort_of([{}], territory=None)
    )
    assert targets.fact_share("territory", "LAD", list)(cohort).value == 75
    with pytest.raises(NotMeasurable, match="haemorrhage for 0 subjects"):
        targets.fact_share("haemorrhage", True, list)(cohort)


def test_segment_grades(cohort_of):
    cohort = cohort_of([{"infarct": 10.0}] * 5)
    for one in cohort:
        one.segments = np.array([0.0] * 11 + [0.5, 10, 30, 60, 100])
    assert [targets.segment_grade(k)(cohort).value for k in range(4)] == [25, 25, 25, 25]
    assert targets.positive_segments(cohort).value == pytest.approx(100 * 4 / 16)


def test_ejection_fraction_line_is_recovered(cohort_of):
    sizes = np.linspace(2, 40, 20)
    off = np.tile([2.0, -2.0], 10)
    cohort = cohort_of(
        [{"infarct": s, "ejection_fraction": 59 - 0.37 * s + o} for s, o in zip(sizes, off, strict=True)]
    )
    assert targets.ef_line("slope")(cohort).value == pytest.approx(-0.37, abs=0.03)
    assert targets.ef_line("intercept")(cohort).value == pytest.approx(59, abs=0.7)
    assert targets.ef_line("scatter")(cohort).value == pytest.approx(2.0, abs=0.05)


def test_ejection_fraction_line_of_a_cohort_without_cine_is_not_measurable(cohort_of):
    with pytest.raises(NotMeasurable, match="0 of 6 subjects"):
        targets.ef_line("slope")(cohort_of([{"infarct": 5.0}] * 6))


def test_every_row_of_an_empty_handed_cohort_is_not_measurable(cohort_of):
    rows = [judge(one, cohort_of([{}] * 6)) for one in realism_targets()]
    assert {row.verdict for row in rows} == {"not measurable"} and all(row.reason for row in rows)


def test_target_names_are_unique_and_bands_are_ordered():
    rows = realism_targets()
    assert len({(row.block, row.quantity) for row in rows}) == len(rows)
    assert all(row.low is None or row.low < row.high for row in rows) and all(row.source for row in rows)


def test_a_stunned_heart_is_not_healthy_and_an_old_scar_not_acute(cohort_of):
    clean = {"infarct": 0.0, "area_at_risk": 0.0}
    assert len(targets.healthy(cohort_of([clean], condition="stunning") + cohort_of([clean], condition="healthy"))) == 1
    assert len(targets.healthy(cohort_of([clean], condition=None))) == 1
    scar, acute = {"infarct": 9.0, "area_at_risk": 9.0}, {"infarct": 9.0, "area_at_risk": 20.0}
    assert [one.values for one in targets.acute(cohort_of([scar, acute, clean]))] == [acute]


def test_less_than_a_twentieth_of_a_segment_does_not_make_it_positive(cohort_of):
    cohort = cohort_of([{"infarct": 10.0}] * 5)
    for one in cohort:
        one.segments = np.array([4.9] * 15 + [30.0])
    assert targets.positive_segments(cohort).value == pytest.approx(100 / 16)
