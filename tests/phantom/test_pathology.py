"""Infarction: sizes of the cohort, wavefront, territories, wall motion."""

import numpy as np
import pytest
from scripts.phantom.anatomy import ANGLES, draw_anatomy
from scripts.phantom.pathology import Pathology, draw_pathology, wall_at, wall_share

CONTRACTION = 0.17


@pytest.fixture(scope="module")
def cases() -> list[tuple]:
    made = []
    for seed in range(150):
        anatomy = draw_anatomy(np.random.default_rng([seed, 1]))
        made.append((anatomy, draw_pathology(anatomy, CONTRACTION, np.random.default_rng([seed, 2]))))
    return made


def infarct_percent(anatomy, ill: Pathology) -> float:
    return 100 * wall_share(wall_at(anatomy, CONTRACTION), ill.infarct_depth)


def test_infarct_sizes_follow_the_published_cohort(cases):
    sizes = np.array([infarct_percent(*case) for case in cases if case[1].territory != "none"])
    low, middle, high = np.percentile(sizes, [25, 50, 75])
    assert 5 < low < 12 and 13 < middle < 23 and 24 < high < 37
    assert sizes.max() < 51


def test_about_one_subject_in_ten_is_healthy_without_oedema(cases):
    healthy = [ill for _, ill in cases if ill.territory == "none"]
    assert 5 <= len(healthy) <= 28
    for ill in healthy:
        assert not ill.infarct_depth.any() and not ill.area_at_risk.any() and (ill.motion == 1).all()


def test_area_at_risk_contains_the_infarct_and_is_larger(cases):
    for anatomy, ill in cases:
        if ill.territory == "none":
            continue
        assert ill.area_at_risk[ill.infarct_depth > 0].all()
        assert 100 * wall_share(wall_at(anatomy, CONTRACTION), ill.area_at_risk * 1.0) > infarct_percent(anatomy, ill)


def test_no_reflow_stays_within_the_infarct_in_about_half_of_the_infarcts(cases):
    present = []
    for _, ill in cases:
        if ill.territory == "none":
            continue
        low, high = ill.no_reflow
        assert (high <= ill.infarct_depth + 1e-9).all() and (low >= 0).all()
        present.append((high > low).any())
    assert 0.4 < np.mean(present) < 0.7


@pytest.mark.parametrize(("territory", "degrees"), [("LAD", 55.0), ("RCA", -72.0), ("LCX", 178.0)])
def test_area_at_risk_lies_in_its_territory(cases, territory, degrees):
    found = [case for case in cases if case[1].territory == territory]
    assert found
    angle = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
    for anatomy, ill in found:
        direction = (ill.area_at_risk.sum(axis=0) * np.exp(1j * angle)).sum()
        turn = np.angle(direction * np.exp(-1j * (anatomy.septum_angle + np.deg2rad(degrees))))
        assert abs(np.rad2deg(turn)) < 40


def test_infarcted_wall_hardly_thickens_and_remote_wall_does(cases):
    for _, ill in cases:
        deep = ill.infarct_depth > 0.9
        if deep.sum() > 300:
            assert np.median(ill.motion[deep]) < 0.4
            assert ill.motion.max() > 0.8
