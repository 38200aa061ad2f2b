"""Slices are matched by their place along the short-axis normal; nothing is made up."""

import numpy as np
import pytest
from scripts.registration.slice_matching import completed, match_slices
from scripts.volumes.grids import GeometryError

SHAPE = (64, 60, 6)


def _shifted(matrix, normal, mm):
    moved = matrix.copy()
    moved[:3, 3] += mm * normal
    return moved


def _towards_last(matrix):
    return matrix[:3, 2] / np.linalg.norm(matrix[:3, 2])


def test_one_grid_matches_slice_by_slice(make):
    found = match_slices(make.affine(SHAPE), 6, make.affine(SHAPE), 6)
    assert found.pairs == [(s, s) for s in range(6)]
    assert found.missing == () and found.extra == () and found.tilt_deg < 1e-6
    np.testing.assert_allclose(found.distance_mm, 0, atol=1e-9)


def test_reversed_slice_order_is_matched_by_place(make):
    cine = make.affine(SHAPE)
    other = cine.copy()
    other[:3, 3] += 5 * other[:3, 2]
    other[:3, 2] *= -1
    assert match_slices(cine, 6, other, 6).moving.tolist() == [5, 4, 3, 2, 1, 0]


def test_a_stack_that_covers_a_part_leaves_the_rest_missing(make):
    cine = make.affine(SHAPE)
    part = _shifted(cine, _towards_last(cine), 2 * 8.0 + 1.0)
    found = match_slices(cine, 6, part, 3)
    assert found.moving.tolist() == [-1, -1, 0, 1, 2, -1]
    assert found.missing == (0, 1, 5) and found.available.sum() == 3
    np.testing.assert_allclose(found.distance_mm[2:5], 1.0)


def test_more_and_thinner_slices_leave_extra_ones_and_none_is_used_twice(make):
    cine = make.affine(SHAPE)
    thin = make.affine((100, 90, 12), spacing=(0.9, 1.1, 4.0))
    found = match_slices(cine, 6, thin, 12)
    used = found.moving[found.available].tolist()
    assert len(used) == len(set(used)) == 6 and len(found.extra) == 6
    assert np.abs(found.distance_mm).max() <= 2.0 + 1e-6


def test_a_thick_slice_stands_for_one_thin_slice_only(make):
    cine = make.affine((64, 60, 7), spacing=(1.4, 1.4, 4.0))
    found = match_slices(cine, 7, make.affine((64, 60, 3), spacing=(1.4, 1.4, 12.0)), 3, tolerance_mm=6.0)
    assert found.moving.tolist() == [0, -1, -1, 1, -1, -1, 2]


def test_pairs_do_not_cross(make):
    cine = np.diag([1.0, 1.0, 2.0, 1.0])
    positions = np.array([[0, 0, -3.0], [0, 0, 0.5]])
    found = match_slices(cine, 2, positions, tolerance_mm=5.5)
    assert found.moving.tolist() == [1, -1] and found.extra == (0,)


def test_unequally_spaced_positions(make):
    cine = make.affine(SHAPE)
    origin, step = cine[:3, 3], cine[:3, 2]
    positions = np.stack([origin + n * step for n in (0.0, 1.1, 3.0, 4.9)])
    found = match_slices(cine, 6, positions, tolerance_mm=2.0)
    assert found.moving.tolist() == [0, 1, -1, 2, -1, 3]
    np.testing.assert_allclose(found.distance_mm[[1, 5]], [0.8, -0.8])


def test_distance_at_the_tolerance_counts_and_beyond_does_not(make):
    cine = make.affine(SHAPE)
    at = _shifted(cine, _towards_last(cine), 3.0)
    assert match_slices(cine, 6, at, 6, tolerance_mm=3.0).available.all()
    with pytest.raises(GeometryError, match=r"3\.0 mm apart.*\n?.*at most 2\.9 mm") as error:
        match_slices(cine, 6, at, 6, tolerance_mm=2.9)
    make.readable(error)


def test_a_small_tilt_is_measured_at_the_given_voxel_and_a_large_one_refused(make):
    cine = make.affine(SHAPE)
    angle = np.deg2rad(3.0)
    tilted = make.right * np.cos(angle) + make.normal * np.sin(angle)
    other = make.affine(SHAPE, right=tilted)
    centre = (31.5, 29.5)
    found = match_slices(cine, 6, other, 6, at=centre)
    assert found.tilt_deg == pytest.approx(3.0, abs=1e-6) and np.abs(found.distance_mm).max() < 0.1
    assert np.abs(match_slices(cine, 6, other, 6, at=(0, 0)).distance_mm).max() > 1.5
    with pytest.raises(GeometryError, match="found 3.0 degrees away.*\n?.*at most 2 degrees") as error:
        match_slices(cine, 6, other, 6, direction_deg=2.0, at=centre)
    make.readable(error)


@pytest.mark.parametrize(
    ("moving", "count", "expected"),
    [
        (np.full((4, 4), np.nan), 6, "4 x 4 finite"),
        (np.zeros((4, 4)), 6, "three independent axes"),
        (np.eye(4), None, "moving_slices found None"),
        (np.zeros((5, 2)), None, r"shape \(5, 2\)"),
        (np.full((5, 3), np.inf), None, "finite numbers in mm"),
    ],
)
def test_unusable_geometry_is_named(make, moving, count, expected):
    with pytest.raises(GeometryError, match=expected) as error:
        match_slices(np.eye(4), 6, moving, count)
    make.readable(error)


def test_one_slice_on_each_side(make):
    one = make.affine((64, 60, 1))
    assert match_slices(one, 1, _shifted(one, make.normal, 2.0), 1).pairs == [(0, 0)]


def test_every_fixed_slice_has_a_record_that_json_can_hold(make):
    cine = make.affine(SHAPE)
    matches = match_slices(cine, 6, _shifted(cine, _towards_last(cine), 1.5), 5)
    records = completed(matches, {}, {"distance": 1.0})
    assert [record.matched for record in records] == [0, 1, 2, 3, 4, None]
    assert records[0].flags == ("distance 1.5 mm, above 1",) and "no slice" in records[5].reason
    assert records[0].as_json()["displacement_mm"] == [0.0, 0.0]
