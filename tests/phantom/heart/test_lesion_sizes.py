"""Cohort of lesions: published marginals and their joint structure, what the user fixed, what a condition implies."""

import numpy as np
import pytest
from scripts.phantom.heart.lesion_sizes import Lesion, draw_lesion
from scripts.phantom.parameters import CONDITIONS, INFARCTED, PhantomParameters


def drawn(count, **parameters) -> list[Lesion]:
    given = PhantomParameters(**parameters)
    return [draw_lesion(given, "male", np.random.default_rng(seed)) for seed in range(count)]


@pytest.fixture(scope="module")
def infarctions():
    return drawn(3000, condition="acute_mi")


def test_infarct_sizes_follow_the_published_cohort(infarctions):
    # Stone 2016: median 17.9, interquartile range 8.0-29.8 %LV; check_phantom compares the written cohort.
    low, middle, high = np.percentile([100 * lesion.infarct for lesion in infarctions], [25, 50, 75])
    assert low == pytest.approx(8.0, abs=2.5) and middle == pytest.approx(17.9, abs=3.0)
    assert high == pytest.approx(29.8, abs=4.5)


def test_area_at_risk_holds_the_infarct_and_gives_the_published_salvage(infarctions):
    assert all(lesion.infarct < lesion.area_at_risk <= 0.7 for lesion in infarctions)
    salvage = [1 - lesion.infarct / lesion.area_at_risk for lesion in infarctions]
    assert 0.38 < np.mean(salvage) < 0.53


def test_no_reflow_is_in_half_of_infarcts_and_more_often_in_large_ones(infarctions):
    assert all(0 <= lesion.no_reflow <= 0.4 * lesion.infarct + 1e-9 for lesion in infarctions)
    assert 0.48 < np.mean([lesion.no_reflow > 0 for lesion in infarctions]) < 0.62
    small = [lesion.no_reflow > 0 for lesion in infarctions if lesion.infarct < 0.08]
    large = [lesion.no_reflow > 0 for lesion in infarctions if lesion.infarct > 0.30]
    assert np.mean(small) < 0.35 and np.mean(large) > 0.8


def test_haemorrhage_lies_only_in_no_reflow_in_a_third_or_so(infarctions):
    assert all(lesion.no_reflow > 0 for lesion in infarctions if lesion.haemorrhage)
    assert 0.28 < np.mean([lesion.haemorrhage for lesion in infarctions]) < 0.48
    assert all((lesion.darkening > 0.15) == lesion.haemorrhage for lesion in infarctions)
    assert not any(lesion.darkening for lesion in drawn(60, condition="acute_mi", difficulty="clean"))


def test_ejection_fraction_falls_with_infarct_size(infarctions):
    size = np.array([100 * lesion.infarct for lesion in infarctions])
    ejected = np.array([lesion.ejection_fraction_percent for lesion in infarctions])
    slope, start = np.polyfit(size, ejected, 1)
    assert slope == pytest.approx(-0.37, abs=0.07) and start == pytest.approx(59.0, abs=3.0)
    assert 5.5 < (ejected - slope * size - start).std() < 9.0


def test_culprit_arteries_have_their_shares_and_the_left_anterior_larger_infarcts(infarctions):
    share = {name: np.mean([lesion.territory == name for lesion in infarctions]) for name in ("LAD", "RCA", "LCX")}
    assert sum(share.values()) == pytest.approx(1.0)
    for name, published in (("LAD", 0.45), ("RCA", 0.40), ("LCX", 0.15)):
        assert share[name] == pytest.approx(published, abs=0.06)
    sizes = {own: np.mean([lesion.infarct for lesion in infarctions if (lesion.territory == "LAD") == own])
             for own in (True, False)}  # fmt: skip
    assert sizes[True] > 1.15 * sizes[False]


def test_both_regimes_of_oedema_occur(infarctions):
    tracking = np.mean([lesion.oedema_regime == "tracking" for lesion in infarctions])
    assert {lesion.oedema_regime for lesion in infarctions} == {"wide", "tracking"} and 0.2 < tracking < 0.6


def test_cohort_is_mostly_infarctions_with_every_hard_negative():
    conditions = [lesion.condition for lesion in drawn(1500)]
    assert 0.62 < np.mean([one == "acute_mi" for one in conditions]) < 0.76
    assert set(conditions) == set(CONDITIONS)


def test_hard_negatives_lack_what_they_must_lack():
    for condition in [one for one in CONDITIONS if one not in INFARCTED]:
        for lesion in drawn(50, condition=condition):
            assert lesion.infarct == lesion.no_reflow == 0.0 and not lesion.haemorrhage
            assert (lesion.oedema_regime == "wide") == (condition == "takotsubo") == (lesion.acute_severity > 0)
            assert (lesion.area_at_risk > 0) == (condition in ("stunning", "takotsubo", "hibernating"))
    for lesion in drawn(50, condition="old_scar"):
        assert lesion.infarct > 0 and lesion.no_reflow == 0.0 and lesion.oedema_regime == "none"
        assert lesion.acute_severity == 0.0 and lesion.days > 100


def test_fixed_sizes_are_taken_as_given():
    for lesion in drawn(30, infarct_percent_lv=37.0, territory="RCA", ejection_fraction_percent=33.0):
        assert lesion.condition in ("acute_mi", "old_scar") and lesion.territory == "RCA"
        assert lesion.infarct == pytest.approx(0.37) and lesion.ejection_fraction_percent == 33.0
        assert lesion.area_at_risk > lesion.infarct


def test_clean_has_exactly_the_oedema_of_the_table_and_realistic_scatters():
    assert {lesion.acute_severity for lesion in drawn(60, condition="acute_mi", difficulty="clean")} == {1.0}
    scattered = [lesion.acute_severity for lesion in drawn(200, condition="acute_mi")]
    assert np.std(scattered) > 0.2 and min(scattered) < 0.35
