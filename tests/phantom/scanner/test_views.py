"""Further series: localiser, long-axis cines, magnitude LGE, with a geometry that fits the stack."""

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from scripts.dicom.geometry import affine_from_stack
from scripts.phantom.parameters import PhantomParameters
from scripts.phantom.subject import make_subject

LONG_AXIS = ("2ch", "3ch", "4ch")
GIVEN = {"condition": "acute_mi", "infarct_percent_lv": 25.0, "vendor": "siemens", "slices": 10}


@pytest.fixture(scope="module")
def subject(subject_of):
    return subject_of(14, views=True, **GIVEN)


@pytest.fixture(scope="module")
def heart(heart_of):
    return heart_of(14, **GIVEN)


def named(subject, kind, name=None):
    found = [view for view in subject.views if view.kind == kind and name in (None, view.name)]
    assert found
    return found[0] if name else found


def normal(stack):
    return stack.slice_step_mm / np.linalg.norm(stack.slice_step_mm)


def lps(body, stack, x_mm, y_mm, depth_mm):
    """Points of the heart's frame in the patient, (n, 3)."""
    right, down = (mm - body.pixel_positions_mm(side)[0] for side, mm in ((0, x_mm), (1, y_mm)))
    along = np.multiply.outer(np.asarray(depth_mm) - body.depth_mm[0], normal(stack))
    return (
        stack.position_mm
        + np.multiply.outer(right, stack.row_cosines)
        + np.multiply.outer(down, stack.column_cosines)
        + along
    )


def sampled(view, points_mm, phase):
    """Image values at points (n, 3) of the view's plane, and how far they lie off it, mm."""
    offset = points_mm - view.stack.position_mm
    at = [offset @ view.stack.row_cosines / view.stack.spacing_mm[0],
          offset @ view.stack.column_cosines / view.stack.spacing_mm[1]]  # fmt: skip
    return map_coordinates(view.pixels[:, :, 0, phase].astype(float), at, order=1), np.abs(offset @ normal(view.stack))


@pytest.mark.slow
def test_hospital_sends_three_localisers_three_long_axis_cines_and_the_magnitude_lge(subject):
    assert [view.name for view in named(subject, "localiser")] == ["axial", "coronal", "sagittal"]
    assert [view.name for view in named(subject, "cine_long_axis")] == list(LONG_AXIS)
    assert len(named(subject, "lge_magnitude")) == 1 and subject.meta["protocol"]["lge"]["kind"] == "psir"
    phases = subject.volumes["cine"].shape[3]
    for view in subject.views:
        assert view.pixels.dtype == np.int16 and view.pixels.ndim == 4 and view.pixels.min() >= 0
        assert view.pixels.shape[3] == (phases if view.kind == "cine_long_axis" else 1)
        assert view.pixels.std() > 20
        affine_from_stack(view.stack)  # refuses cosines that are not orthonormal


@pytest.mark.slow
def test_localisers_are_planes_of_the_patient(subject):
    directions = {"axial": 2, "coronal": 1, "sagittal": 0}
    for view in named(subject, "localiser"):
        assert abs(normal(view.stack)[directions[view.name]]) == pytest.approx(1.0)
    assert normal(named(subject, "localiser", "axial").stack)[2] > 0


@pytest.mark.slow
def test_a_long_axis_of_three_slices_has_the_single_one_in_its_middle(subject):
    given = {"stored_phases": "key", "difficulty": "clean"} | GIVEN
    thick = make_subject(1, 14, PhantomParameters(**given), views=3)
    for name in LONG_AXIS:
        one, three = named(subject, "cine_long_axis", name), named(thick, "cine_long_axis", name)
        assert three.pixels.shape == (*one.pixels.shape[:2], 3, one.pixels.shape[3])
        step = np.asarray(three.stack.slice_step_mm)
        np.testing.assert_allclose(three.stack.position_mm + step, one.stack.position_mm, atol=1e-9)
        assert [abs(step @ normal(one.stack)), np.linalg.norm(step)] == pytest.approx([8, 8])
        middle, outer = (three.pixels[:, :, k].astype(float) for k in (1, 0))
        alike = [np.corrcoef(one.pixels[:, :, 0].ravel(), other.ravel())[0, 1] for other in (middle, outer)]
        assert alike[0] > 0.97 > alike[1]
    for role, volume in subject.volumes.items():
        np.testing.assert_array_equal(volume, thick.volumes[role])


@pytest.mark.parametrize("name", LONG_AXIS)
def test_long_axis_plane_contains_the_axis_of_the_stack(subject, name):
    view = named(subject, "cine_long_axis", name)
    assert abs(normal(view.stack) @ normal(subject.stack)) < 1e-9
    # The apex is at the top of the image.
    assert view.stack.column_cosines @ normal(subject.stack) == pytest.approx(-1.0)


def test_long_axis_planes_turn_about_the_axis_as_views_do(subject):
    rows = {name: named(subject, "cine_long_axis", name).stack.row_cosines for name in LONG_AXIS}
    two, three = (np.rad2deg(np.arccos(np.clip(rows["4ch"] @ rows[name], -1, 1))) for name in ("2ch", "3ch"))
    assert two == pytest.approx(90.0, abs=15.0) and 20 < three < 70


@pytest.mark.parametrize("name", LONG_AXIS)
def test_same_point_of_the_patient_looks_the_same_in_short_and_long_axis(subject, heart, name):
    """Along the line where a long-axis plane crosses each short-axis slice, at end-diastole and end-systole."""
    view, body = named(subject, "cine_long_axis", name), heart.anatomy
    angle = body.shape.septum_angle + np.deg2rad({"2ch": 90.0, "3ch": 35.0, "4ch": 0.0}[name])
    middle = body.axis_at(np.array(0.45 * body.shape.length_mm))
    along = np.arange(-55.0, 55.0, 1.0)
    x_mm, y_mm = (middle[side] + along * direction for side, direction in ((0, np.cos(angle)), (1, np.sin(angle))))
    x, y = ((mm - body.pixel_positions_mm(side)[0]) / body.pixel_mm for side, mm in ((0, x_mm), (1, y_mm)))
    for level, phase in ((2, 0), (4, 0), (6, 0), (4, 1)):
        points = lps(body, subject.stack, x_mm, y_mm, body.depth_mm[level])
        long, off = sampled(view, points, phase)
        short = map_coordinates(subject.volumes["cine"][:, :, level, phase].astype(float), [x, y], order=1)
        assert off.max() < 0.01
        assert np.corrcoef(short, long)[0, 1] > 0.85
        assert np.median(np.abs(short - long)) < 40


def test_long_axis_shows_each_slice_at_its_own_depth(subject, heart):
    """Moved along the axis by 8 mm either way, the slices fit the long-axis image less well."""
    view, body = named(subject, "cine_long_axis", "4ch"), heart.anatomy
    angle = body.shape.septum_angle
    middle = body.axis_at(np.array(0.45 * body.shape.length_mm))
    along = np.arange(-55.0, 55.0, 1.0)
    x_mm, y_mm = (middle[side] + along * direction for side, direction in ((0, np.cos(angle)), (1, np.sin(angle))))
    at = [(mm - body.pixel_positions_mm(side)[0]) / body.pixel_mm for side, mm in ((0, x_mm), (1, y_mm))]
    apart = {-8.0: 0.0, 0.0: 0.0, 8.0: 0.0}
    for level in range(1, body.slices):
        short = map_coordinates(subject.volumes["cine"][:, :, level, 0].astype(float), at, order=1)
        for offset in apart:
            points = lps(body, subject.stack, x_mm, y_mm, body.depth_mm[level] + offset)
            apart[offset] += np.abs(sampled(view, points, 0)[0] - short).mean()
    assert apart[0.0] < 0.8 * min(apart[-8.0], apart[8.0])


@pytest.mark.parametrize("name", LONG_AXIS)
def test_blood_is_bright_along_the_axis_and_the_apex_is_muscle(subject, heart, name):
    view, body = named(subject, "cine_long_axis", name), heart.anatomy
    depth = np.linspace(0.15, 0.6, 20) * body.shape.length_mm
    centre = body.axis_at(depth)
    points = lps(body, subject.stack, centre[:, 0], centre[:, 1], depth)
    values, off = sampled(view, points, 0)
    assert off.max() < 15.0 and np.median(values) > 300  # blood has 350
    middle = view.pixels.shape[0] // 2
    assert view.pixels[middle - 15 : middle + 15, :, 0, 0].mean() > 100


def test_heart_moves_in_the_long_axis_cine_and_the_chest_does_not(subject):
    view = named(subject, "cine_long_axis", "4ch")
    diastole, systole = (view.pixels[..., 0, phase].astype(float) for phase in (0, 1))
    assert (np.abs(diastole - systole) > 80).sum() > 200
    far = np.ones(diastole.shape, dtype=bool)
    far[15:-15, 15:-15] = False
    assert np.abs(diastole - systole)[far].mean() < 6


def test_magnitude_lge_is_the_size_of_the_phase_sensitive_one_on_the_same_slices(subject):
    assert subject.meta["protocol"]["lge"]["kind"] == "psir"
    view = named(subject, "lge_magnitude", "mag")
    signed = subject.volumes["lge"].astype(float) - subject.meta["protocol"]["lge"]["zero_level"]
    shown = subject.volumes["lge"] > 0  # what is darker was cut
    assert view.pixels.shape == (*subject.volumes["lge"].shape, 1)
    difference = view.pixels[..., 0].astype(float) - np.abs(signed)
    assert np.percentile(np.abs(difference[shown]), 99) < 12
    np.testing.assert_array_equal(view.stack.position_mm, subject.stack.position_mm)


@pytest.mark.slow
def test_same_seed_gives_the_same_views(subject):
    given = {"stored_phases": "key", "difficulty": "clean"} | GIVEN
    again = make_subject(1, 14, PhantomParameters(**given), views=True)
    for first, second in zip(subject.views, again.views, strict=True):
        np.testing.assert_array_equal(first.pixels, second.pixels)
