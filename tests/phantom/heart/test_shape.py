"""Shapes: adult sizes by sex, closed at the apex, tapered, periodic; volume of the wall."""

from dataclasses import replace

import numpy as np
import pytest
from scripts.phantom.heart.shape import ANGLE, ANGLES, DEPTHS, draw_shape, rough_field, smooth_field


@pytest.fixture(scope="module")
def shapes():
    return {sex: [draw_shape(sex, 1.0, 1.0, np.random.default_rng(seed)) for seed in range(60)]
            for sex in ("female", "male")}  # fmt: skip


# Inner diameter and its 95th centile (CMR atlas), wall at mid level (MESA): mean and SD, mm.
@pytest.mark.slow
@pytest.mark.parametrize(("sex", "inner", "largest", "wall", "wall_sd"), [
    ("female", 46.0, 51.0, 5.3, 0.9), ("male", 50.0, 59.0, 6.3, 1.1)])  # fmt: skip
def test_sizes_are_those_of_healthy_adults_of_the_sex(shapes, sex, inner, largest, wall, wall_sd):
    basal, mid = DEPTHS // 6, DEPTHS // 2
    diameters = np.array([2 * shape.endo_mm[basal].mean() for shape in shapes[sex]])
    walls = np.array([(shape.epi_mm - shape.endo_mm)[mid].mean() for shape in shapes[sex]])
    assert diameters.mean() == pytest.approx(inner, abs=2.0)
    assert np.percentile(diameters, 95) < largest + 1.0
    assert walls.mean() == pytest.approx(wall, abs=0.7 * wall_sd) and 0.3 * wall_sd < walls.std() < 1.3 * wall_sd
    lengths = [shape.length_mm for shape in shapes[sex]]
    assert min(lengths) >= 75.0 and max(lengths) <= 98.0


@pytest.mark.slow
def test_left_ventricles_have_the_mass_of_adults(shapes):
    # UK Biobank: 53 +- 9 and 42 +- 7 g per m2 of body surface, here 1.9 and 1.65 m2.
    for sex, mass, sd in (("male", 100.0, 17.0), ("female", 69.0, 12.0)):
        found = [1.05 * shape.wall_volume.sum() / 1000 for shape in shapes[sex]]
        assert np.mean(found) == pytest.approx(mass, abs=sd)


@pytest.mark.slow
def test_wall_is_closed_at_the_apex_and_thins_towards_it(shapes):
    for shape in shapes["male"] + shapes["female"]:
        wall = (shape.epi_mm - shape.endo_mm).mean(axis=1)
        assert (shape.epi_mm >= shape.endo_mm).all() and (shape.endo_mm >= 0).all()
        assert not shape.endo_mm[-3:].any() and not shape.epi_mm[-1].any()
        assert wall[DEPTHS // 10] > wall[DEPTHS // 2] > wall[int(0.8 * DEPTHS)] > 2.0
        cavity = shape.endo_mm.mean(axis=1)
        assert cavity[int(0.8 * DEPTHS)] < 0.75 * cavity[0]


@pytest.mark.slow
def test_epicardial_fat_is_uneven_often_none_towards_the_lung_and_leaves_the_apex_bare(shapes):
    facing = []
    for shape in shapes["male"] + shapes["female"]:
        thickness = shape.fat_mm[DEPTHS // 4]
        assert thickness.mean() < 6.0 and 0.3 < shape.fat_share < 1.0
        assert shape.fat_mm[int(0.9 * DEPTHS)].mean() < 0.3 and shape.fat_mm[-1].mean() < 0.3
        septal = np.abs((np.rad2deg(ANGLE - shape.septum_angle) + 180) % 360 - 180)
        facing.append((thickness[septal > 120].mean(), thickness[septal < 60].mean(), shape.fat_mm[0].mean()))
    lung, right, base = np.array(facing).T
    assert 0.3 < (lung < 0.3).mean() < 0.8 and right.mean() > lung.mean() + 0.5 and base.mean() > right.mean() - 0.5


@pytest.mark.slow
def test_surfaces_have_no_seam_where_the_angles_meet(shapes):
    for shape in shapes["male"]:
        for surface in (shape.endo_mm, shape.epi_mm, shape.rv_radius_mm, shape.fat_mm):
            steps = np.abs(np.diff(surface, axis=1)).max()
            assert np.abs(surface[:, 0] - surface[:, -1]).max() <= 1.5 * steps + 1e-9


@pytest.mark.slow
def test_right_ventricle_lies_behind_the_septum_and_ends_before_the_apex(shapes):
    for shape in shapes["male"]:
        assert np.deg2rad(120) <= shape.septum_angle <= np.deg2rad(240)
        assert abs(shape.rv_angle - shape.septum_angle) < np.deg2rad(15)
        septal = int(np.rint(np.rad2deg(shape.rv_angle))) % ANGLES
        reach = shape.rv_offset_mm + shape.rv_radius_mm[:, septal]
        assert reach[DEPTHS // 4] > shape.epi_mm[DEPTHS // 4, septal] + 8.0
        lateral = (septal + 180) % ANGLES
        assert (shape.rv_radius_mm[:, lateral] - shape.rv_offset_mm)[: DEPTHS // 2].max() < shape.epi_mm.max() * 0.7
        assert not shape.rv_radius_mm[-4:].any()


@pytest.mark.slow
def test_direction_of_the_right_ventricle_is_anything_from_120_to_240_degrees(shapes):
    found = np.rad2deg([shape.septum_angle for shape in shapes["male"] + shapes["female"]])
    assert found.min() < 135 and found.max() > 225
    assert 0.45 < ((found > 150) & (found < 200)).mean() < 0.9


@pytest.mark.slow
def test_ring_of_wall_is_half_there_in_the_mitral_plane(shapes):
    for shape in shapes["male"]:
        assert np.median(shape.base_mm) == pytest.approx(0.0, abs=1e-9) and np.abs(shape.base_mm).max() <= 8.0
        late = np.rad2deg(ANGLE[shape.base_mm.argmax()] - shape.septum_angle)
        assert abs((late + 180) % 360 - 180) < 75  # the outflow tract


def test_dilatation_widens_the_cavity_and_hypertrophy_thickens_the_wall():
    plain, wide, thick = (draw_shape("male", *factors, np.random.default_rng(1))
                          for factors in ((1.0, 1.0), (1.2, 1.0), (1.0, 1.3)))  # fmt: skip
    mid = DEPTHS // 3
    np.testing.assert_allclose(wide.endo_mm[mid], 1.2 * plain.endo_mm[mid])
    assert thick.endo_mm == pytest.approx(plain.endo_mm)
    walls = [(shape.epi_mm - shape.endo_mm)[mid].mean() for shape in (plain, thick)]
    assert 1.2 < walls[1] / walls[0] < 1.45


@pytest.mark.slow
def test_wall_volume_is_that_of_a_tube(shapes):
    flat = np.zeros((DEPTHS, ANGLES))
    tube = replace(shapes["male"][0], length_mm=80.0, endo_mm=flat + 20.0, epi_mm=flat + 30.0)
    rows = tube.wall_volume.sum(axis=1)
    assert rows.sum() - 0.5 * (rows[0] + rows[-1]) == pytest.approx(np.pi * (30**2 - 20**2) * 80.0)


@pytest.mark.slow
def test_random_fields_have_unit_spread_and_the_asked_grain():
    smooth = np.array([smooth_field(6, np.random.default_rng(seed)) for seed in range(200)])
    assert smooth.std() == pytest.approx(1.0, abs=0.15) and abs(smooth.mean()) < 0.15
    fine, coarse = (rough_field(angle, 12.0, 85.0, np.random.default_rng(3)) for angle in (4.0, 20.0))
    assert fine.std() == pytest.approx(1.0) and coarse.std() == pytest.approx(1.0)
    assert np.abs(np.diff(coarse, axis=1)).mean() < 0.5 * np.abs(np.diff(fine, axis=1)).mean()


def test_same_generator_draws_the_same_shape():
    first, second, other = (draw_shape("female", 1.0, 1.0, np.random.default_rng(seed)) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first.epi_mm, second.epi_mm)
    assert np.abs(first.epi_mm - other.epi_mm).max() > 0.1
