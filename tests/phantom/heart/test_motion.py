"""Motion: cycle, incompressible wall, fixed apex, descending base, twist, ejection fraction asked and reached."""

from dataclasses import replace

import numpy as np
import pytest
from scripts.phantom.heart.motion import END_SYSTOLE, Motion, contraction_at, motion_for
from scripts.phantom.heart.shape import ANGLES, DEPTHS, draw_shape


@pytest.fixture(scope="module")
def shape():
    return draw_shape("male", 1.05, 1.1, np.random.default_rng(2))


@pytest.fixture(scope="module")
def motion():
    strength = np.ones((DEPTHS, ANGLES))
    strength[:, 100:200] = 0.1
    return Motion(strength, shortening=0.35, mapse_mm=12.0, rv_shortening=0.2)


def test_cycle_contracts_once_and_returns():
    times = np.linspace(0.0, 1.0, 201)
    curve = np.array([contraction_at(t) for t in times])
    assert contraction_at(0.0) == 0.0 and contraction_at(1.0) == 0.0 and contraction_at(1.25) == contraction_at(0.25)
    assert contraction_at(END_SYSTOLE) == pytest.approx(1.0) and curve.max() <= 1.0 and curve.min() >= 0.0
    peak = int(curve.argmax())
    assert (np.diff(curve[: peak + 1]) >= 0).all() and (np.diff(curve[peak:]) <= 1e-12).all()
    assert 0.05 < contraction_at(0.75) < 0.3


@pytest.mark.parametrize("contraction", [0.17, 0.6, 1.0])
def test_every_ray_of_the_wall_keeps_its_volume(shape, motion, contraction):
    endo, epi = motion.surfaces_mm(shape, contraction)
    stretch = 1.0 - motion.mapse_mm * contraction / shape.length_mm
    np.testing.assert_allclose((epi**2 - endo**2) * stretch, shape.epi_mm**2 - shape.endo_mm**2, rtol=1e-9, atol=1e-9)
    assert stretch < 1.0 and (epi >= endo).all()


def test_surfaces_at_end_diastole_are_the_shape(shape, motion):
    for moved, still in zip(motion.surfaces_mm(shape, 0.0), (shape.endo_mm, shape.epi_mm), strict=True):
        np.testing.assert_allclose(moved, still)


def test_healthy_wall_moves_in_and_thickens_and_the_akinetic_part_hardly(shape, motion):
    endo, epi = motion.surfaces_mm(shape, 1.0)
    row = DEPTHS // 3
    thickening = (epi - endo)[row] / (shape.epi_mm - shape.endo_mm)[row] - 1.0
    kept = endo[row] / shape.endo_mm[row]
    assert 0.40 < thickening[300] < 1.2 and thickening[150] < 0.3
    assert kept[300] == pytest.approx(0.65) and kept[150] > 0.95


def test_apex_stays_and_the_mitral_plane_descends(shape, motion):
    for contraction in (0.0, 0.5, 1.0):
        ends = motion.material_depth_mm(shape, np.array([12.0 * contraction, shape.length_mm]), contraction)
        np.testing.assert_allclose(ends, [0.0, shape.length_mm], atol=1e-9)
    assert motion.material_depth_mm(shape, np.array([6.0]), 1.0)[0] < 0.0


def test_base_and_apex_twist_in_opposite_directions(shape, motion):
    turns = motion.twist(shape, np.array([0.0, 0.5 * shape.length_mm, shape.length_mm]), 1.0)
    # Angles grow clockwise: seen from the apex the base turns clockwise, the apex against it.
    assert turns[2] < 0 < turns[0] and turns[2] < turns[1] < turns[0] and 8 <= turns[0] - turns[2] <= 20
    assert not motion.twist(shape, np.array([0.0, shape.length_mm]), 0.0).any()


def test_cavity_shrinks_steadily_and_ejection_rises_with_shortening(shape, motion):
    volumes = [motion.cavity_ml(shape, contraction) for contraction in np.linspace(0, 1, 9)]
    assert (np.diff(volumes) < 0).all() and 80 < volumes[0] < 250
    ejected = [replace(motion, shortening=s).ejection_fraction_percent(shape) for s in np.linspace(0, 0.6, 9)]
    assert (np.diff(ejected) > 0).all()


def test_ejection_fraction_of_a_tube_follows_the_formula(round_heart):
    shape, motion = round_heart.anatomy.shape, round_heart.motion
    kept = (1 - motion.shortening) ** 2 * (1 - motion.mapse_mm / shape.length_mm)
    assert motion.ejection_fraction_percent(shape) == pytest.approx(100 * (1 - kept))
    assert motion.cavity_ml(shape, 0.0) == pytest.approx(np.pi * 24.0**2 * 90.0 / 1000)


@pytest.mark.parametrize("wanted", [15.0, 30.0, 45.0, 60.0, 70.0])
def test_ejection_fraction_is_the_one_asked_for(shape, wanted):
    motion = motion_for(shape, np.ones((DEPTHS, ANGLES)), wanted, np.random.default_rng(1))
    assert motion.ejection_fraction_percent(shape) == pytest.approx(wanted, abs=0.5)
    found = 100 * (1 - motion.cavity_ml(shape, 1.0) / motion.cavity_ml(shape, 0.0))
    assert found == pytest.approx(wanted, abs=0.5)


def test_ejection_out_of_reach_stays_short_of_it(shape):
    strength = np.zeros((DEPTHS, ANGLES))
    strength[:, :60] = 1.0
    motion = motion_for(shape, strength, 70.0, np.random.default_rng(1))
    assert motion.shortening <= 0.62 and motion.ejection_fraction_percent(shape) < 50.0


def test_long_axis_descent_follows_the_ejection_fraction(shape):
    healthy = np.ones((DEPTHS, ANGLES))
    falls = [np.mean([motion_for(shape, healthy, ef, np.random.default_rng(k)).mapse_mm for k in range(8)])
             for ef in (20.0, 40.0, 60.0)]  # fmt: skip
    assert falls[0] < falls[1] < falls[2] and falls[2] == pytest.approx(13.0, abs=1.5)
