"""Bodies: stack and field of view of a clinical protocol, oblique orthonormal geometry, box that holds the heart."""

from dataclasses import replace

import numpy as np
import pytest
from scripts.dicom.geometry import affine_from_stack
from scripts.phantom.heart import tissue
from scripts.phantom.heart.anatomy import Anatomy, draw_anatomy
from scripts.phantom.heart.motion import Motion
from scripts.phantom.heart.pathology import Pathology
from scripts.phantom.heart.render import HeartRenderer
from scripts.phantom.parameters import PhantomParameters

ANY = PhantomParameters()


def drawn(seed: int, parameters: PhantomParameters = ANY) -> Anatomy:
    return draw_anatomy(parameters, ("female", "male")[seed % 2], 1.0, 1.0, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def bodies() -> list[Anatomy]:
    return [drawn(seed) for seed in range(60)]


@pytest.mark.slow
def test_stack_has_the_slices_of_a_clinical_protocol(bodies):
    for body in bodies:
        assert 7 <= body.slices <= 14 and 6 <= body.slice_thickness_mm <= 8 and 0 <= body.slice_gap_mm <= 4
        np.testing.assert_allclose(np.diff(body.depth_mm), body.slice_thickness_mm + body.slice_gap_mm)
        # Begins at the base or up to two slices above it, ends from two slices short of the apex to two beyond it.
        assert 3.4 - 2 * body.pitch_mm < body.depth_mm[0] < 9.1
        short = body.shape.length_mm - body.depth_mm[-1]
        assert -2 * body.pitch_mm < short < 2 * body.pitch_mm + 6.0 or body.slices in (7, 14)
    assert len({body.slice_gap_mm for body in bodies}) > 3
    above = np.array([body.depth_mm[0] < 0 for body in bodies])
    beyond = np.array([body.depth_mm[-1] > body.shape.length_mm for body in bodies])
    assert 0.2 < above.mean() < 0.8 and 0.1 < beyond.mean() < 0.7


@pytest.mark.slow
def test_field_of_view_and_pixel_are_those_of_cardiac_scans(bodies):
    for body in bodies:
        for side in (0, 1):
            assert 300.0 <= body.matrix[side] * body.pixel_mm <= 380.0
            assert body.matrix[side] % 2 == 0
            middle = body.pixel_positions_mm(side)
            assert middle.mean() == pytest.approx(0.0, abs=1e-9) and np.diff(middle)[0] == pytest.approx(body.pixel_mm)
        assert 1.3 < body.pixel_mm < 1.8


def test_slices_and_gap_are_the_ones_asked_for():
    body = drawn(2, PhantomParameters(slices=14, slice_gap_mm=1.5))
    assert body.slices == 14 and body.slice_gap_mm == 1.5
    assert body.pitch_mm == body.slice_thickness_mm + 1.5


def test_heart_lies_off_centre_and_its_axis_is_tilted(bodies):
    middles = np.array([body.axis_at(np.array(0.5 * body.shape.length_mm)) for body in bodies])
    assert np.linalg.norm(middles, axis=1).min() > 10.0 and np.linalg.norm(middles, axis=1).max() < 36.0
    tilts = [np.linalg.norm(np.diff(body.axis_at(np.array([0.0, body.shape.length_mm])), axis=0)) / body.shape.length_mm
             for body in bodies]  # fmt: skip
    assert 2.0 < np.rad2deg(np.arctan(np.mean(tilts))) < 9.0


def test_stack_is_oblique_and_orthonormal_and_runs_from_base_to_apex(bodies):
    for body in bodies:
        affine = affine_from_stack(body.stack)
        steps = np.linalg.norm(affine[:3, :3], axis=0)
        np.testing.assert_allclose(steps, [body.pixel_mm, body.pixel_mm, body.pitch_mm], rtol=1e-6)
        axes = affine[:3, :3] / steps
        np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-9)
        assert np.abs(axes).max() < 0.999
        # RAS: the apex lies to the left, in front and below the base.
        assert (np.sign(axes[:, 2]) == [-1, 1, -1]).all()


def test_picture_is_seen_from_the_apex_as_readers_expect(bodies):
    """Right ventricle at the left of the image is the patient's right; down in the image is down in the patient."""
    for body in bodies:
        assert body.stack.row_cosines[0] > 0.0 and body.stack.column_cosines[2] < -0.3
    assert np.mean([body.stack.row_cosines[0] for body in bodies]) > 0.5


def test_box_holds_the_heart_of_every_breath_hold_and_phase(bodies):
    flat = np.ones_like(bodies[0].shape.endo_mm)
    for body in bodies[:12]:
        ill = _healthy(flat)
        for shift in (-10.0, 10.0):
            shifts = np.full((body.slices, 3), (shift, shift, 0.0))
            shares = HeartRenderer(body, ill, Motion(flat, 0.3, 12.0, 0.2), shifts, layers=1).fractions(0.0)
            border = np.concatenate([shares[tissue.AIR][:, edge].ravel() for edge in (0, -1)]
                                    + [shares[tissue.AIR][:, :, edge].ravel() for edge in (0, -1)])  # fmt: skip
            assert border.min() > 0.999
        for part, side in zip(body.heart_box(), body.matrix, strict=True):
            assert 0 <= part.start < part.stop <= side


def test_axis_is_a_parabola_through_its_middle():
    body = drawn(1)
    body = replace(body, axis_mm=np.array([[3.0, -2.0], [8.0, 0.0], [4.0, 0.0]]))
    length = body.shape.length_mm
    np.testing.assert_allclose(body.axis_at(np.array([0.0, 0.5, 1.0]) * length), [[0.0, -2], [3.0, -2], [8.0, -2]])


def _healthy(flat: np.ndarray) -> Pathology:
    nothing = np.zeros((2, *flat.shape))
    return Pathology(nothing, nothing, 0 * flat, flat, flat, 0 * flat)
