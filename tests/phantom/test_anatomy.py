"""Hearts: adult sizes, motion over the cycle, an oblique stack that is orthonormal."""

import numpy as np
import pytest
from scripts.dicom.geometry import affine_from_stack
from scripts.phantom.anatomy import ANGLES, MATRIX, Anatomy, contraction_at, draw_anatomy


@pytest.fixture(scope="module")
def hearts() -> list[Anatomy]:
    return [draw_anatomy(np.random.default_rng(seed)) for seed in range(40)]


def test_contraction_peaks_in_systole_and_returns_to_end_diastole():
    assert contraction_at(0.0) == contraction_at(1.0) == 0.0
    assert contraction_at(0.36) == pytest.approx(1.0)
    assert 0.1 < contraction_at(0.75) < 0.3


def test_sizes_are_those_of_adults(hearts):
    for heart in hearts:
        third = heart.slices // 3
        assert 8 <= heart.slices <= 10
        assert 1.3 <= heart.pixel_mm <= 1.5 and 330 <= MATRIX * heart.pixel_mm <= 380
        assert 40 < 2 * heart.inner_radius_mm[third].mean() < 58
        assert 5 < heart.wall_mm[third].mean() < 8.5
        assert heart.wall_mm[-1].mean() < heart.wall_mm[0].mean()
        assert heart.inner_radius_mm[-1].mean() < 0.7 * heart.inner_radius_mm[0].mean()


def test_ejection_fraction_of_normal_motion_is_normal(hearts):
    normal = np.ones((10, ANGLES))
    fractions = []
    for heart in hearts:
        motion = normal[: heart.slices]
        areas = [
            (np.maximum(heart.outer_radius_mm(c, motion) - heart.wall_thickness_mm(c, motion), 0) ** 2).sum()
            for c in (0.0, 1.0)
        ]
        fractions.append(100 * (1 - areas[1] / areas[0]))
    assert 52 < np.mean(fractions) < 64


def test_shape_changes_smoothly_from_slice_to_slice(hearts):
    for heart in hearts:
        assert np.abs(np.diff(heart.centre_mm, axis=0)).max() < 5.0
        assert np.diff(heart.wall_mm, axis=0).max() < 1.5


def test_heart_lies_off_centre_and_inside_the_picture(hearts):
    centres = np.array([heart.centre_mm.mean(axis=0) for heart in hearts])
    assert np.linalg.norm(centres, axis=1).min() > 12.0
    assert (centres > 10).any(axis=0).all() and (centres < -10).any(axis=0).all()
    for heart in hearts:
        reach = np.abs(heart.centre_mm).max() + (heart.rv_offset_mm + heart.rv_radii_mm[:, 0]).max()
        assert reach < 0.5 * MATRIX * heart.pixel_mm


def test_stack_is_oblique_with_orthonormal_axes_and_runs_from_base_to_apex(hearts):
    for heart in hearts:
        affine = affine_from_stack(heart.stack)
        steps = np.linalg.norm(affine[:3, :3], axis=0)
        np.testing.assert_allclose(steps, [heart.pixel_mm, heart.pixel_mm, heart.slice_pitch_mm], rtol=1e-6)
        axes = affine[:3, :3] / steps
        np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-9)
        assert np.abs(axes).max() < 0.999
        # RAS: the apex lies to the left, in front and below the base.
        assert (np.sign(axes[:, 2]) == [-1, 1, -1]).all()
