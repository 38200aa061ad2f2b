"""Transmurality of rings of known infarct depth, and the reason when there is no ring."""

import numpy as np
import pytest
from helpers.cone_heart import INNER_MM, Sector, heart, stack_affine
from helpers.ring_heart import oblique_affine, ring_label
from scripts.clinical import transmurality as tm
from scripts.conventions import NotMeasurable

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("depth", [0.25, 0.5, 0.75, 1.0])
def test_mean_transmurality_of_a_subendocardial_sector_is_its_depth_times_its_angle(depth):
    label, affine = heart([Sector(30, 120, depth)], pixel_mm=(0.25, 0.25))
    chords = tm.wall_chords(label, affine)
    assert tm.mean_transmurality_percent(chords) == pytest.approx(100 * depth * 90 / 360, rel=0.01)
    middle = chords.infarcted_percent[chords.infarcted_percent > 0]
    assert np.median(middle) == pytest.approx(100 * depth, rel=0.01)


def test_every_ring_slice_has_100_chords_and_the_cap_none():
    label, affine = heart([Sector(0, 90)], pixel_mm=(0.6, 0.6))
    chords = tm.wall_chords(label, affine)
    assert chords.infarcted_percent.shape == (100 * len(INNER_MM), tm.LINES)
    assert set(chords.slice_index) == set(range(len(INNER_MM)))


def test_pixels_that_are_not_square_do_not_change_the_depth():
    label, affine = heart([Sector(200, 290, 0.5)], pixel_mm=(0.25, 0.5), turn_degrees=33)
    assert tm.mean_transmurality_percent(tm.wall_chords(label, affine)) == pytest.approx(12.5, rel=0.01)


def test_pixels_of_a_clinical_scan_give_the_depth_to_two_points():
    label, affine = heart([Sector(30, 120, 0.5)], pixel_mm=(1.5, 1.5), turn_degrees=17)
    assert tm.mean_transmurality_percent(tm.wall_chords(label, affine)) == pytest.approx(12.5, abs=1)


def test_chords_stand_upright_on_an_oval_wall_of_uneven_thickness():
    x, y = np.meshgrid(np.arange(-120, 120) * 0.25, np.arange(-120, 120) * 0.25, indexing="ij")
    cavity, heart_ = np.hypot(x / 14, y / 10) < 1, np.hypot((x - 2) / 24, y / 18) < 1
    contours = tm.lv_contours(np.where(cavity, 1, np.where(heart_, 2, 0)).astype(np.uint8), 0.25 * np.eye(2))
    point, inner, outer = tm.chord_ends(contours)
    assert np.linalg.norm(point - inner, axis=1) == pytest.approx(np.linalg.norm(point - outer, axis=1), abs=0.6)
    steps = np.linalg.norm(np.roll(point, -1, axis=0) - point, axis=1)
    assert steps.max() / steps.min() < 1.02
    along, across = np.roll(point, -1, axis=0) - np.roll(point, 1, axis=0), outer - inner
    cosine = (along * across).sum(axis=1) / np.linalg.norm(along, axis=1) / np.linalg.norm(across, axis=1)
    assert np.abs(cosine).max() < 0.05


def test_infarcted_chords_are_averaged_apart():
    label, affine = heart([Sector(30, 120, 0.5)], pixel_mm=(0.25, 0.25))
    chords = tm.wall_chords(label, affine)
    assert tm.mean_transmurality_percent(chords, infarcted_only=True) == pytest.approx(
        50, rel=0.05
    )  # its ends are partial


def test_a_heart_without_infarct_has_zero_transmurality_and_no_infarcted_chord():
    label, affine = heart(pixel_mm=(0.6, 0.6))
    chords = tm.wall_chords(label, affine)
    assert tm.mean_transmurality_percent(chords) == 0.0
    with pytest.raises(NotMeasurable, match="no chord meets infarct"):
        tm.mean_transmurality_percent(chords, infarcted_only=True)


def test_no_reflow_counts_as_infarct():
    with_core = [Sector(30, 120), Sector(50, 100, 0.6, code=4)]
    found = [tm.wall_chords(*heart(sectors, pixel_mm=(0.6, 0.6))) for sectors in (with_core, with_core[:1])]
    assert np.array_equal(found[0].infarcted_percent, found[1].infarcted_percent)


@pytest.mark.parametrize(
    ("percent", "name"),
    [
        (0, "0"), (0.1, "1-25"), (25, "1-25"), (25.1, "26-50"), (50, "26-50"), (75, "51-75"), (75.1, "76-100"),
        (100, "76-100"),
    ],
)  # fmt: skip
def test_grades_end_at_their_upper_bound(percent, name):
    assert tm.grade(percent) == name


def test_grades_are_counted_without_chords_that_have_no_wall():
    counts = tm.grade_counts(np.array([0.0, 0.0, 10.0, 60.0, np.nan, 100.0]))
    assert counts == {"0": 2, "1-25": 1, "26-50": 0, "51-75": 1, "76-100": 1}


@pytest.mark.parametrize("percent", [np.nan, -1.0, 100.5])
def test_a_transmurality_outside_its_range_has_no_grade(percent):
    with pytest.raises(NotMeasurable, match="has no grade"):
        tm.grade(percent)


def test_a_narrow_hole_in_the_wall_is_bridged_but_an_open_wall_is_no_ring():
    label, affine = ring_label(slices=1, empty_slices=0), oblique_affine()
    hole = label.copy()
    hole[95:98, :90][label[95:98, :90] == 2] = 0
    assert len(tm.wall_chords(hole, affine).slice_index) == 100
    hole[80:112, :90][label[80:112, :90] == 2] = 0
    with pytest.raises(NotMeasurable, match="closes around a cavity"):
        tm.wall_chords(hole, affine)


@pytest.mark.parametrize("code", [0, 1, 2])
def test_a_label_without_wall_or_without_cavity_is_not_measurable(code):
    label = np.zeros((40, 40, 3), np.uint8)
    label[10:30, 10:30] = code
    with pytest.raises(NotMeasurable, match="closes around a cavity"):
        tm.wall_chords(label, np.eye(4))


def test_infarct_outside_the_wall_is_not_measurable_instead_of_zero():
    label, affine = ring_label(infarct=False), oblique_affine()
    label[:6, :6] = 3
    with pytest.raises(NotMeasurable, match="outside the LV wall"):
        tm.wall_chords(label, affine)


def test_an_affine_without_pixel_size_is_not_measurable():
    for broken in (np.diag([0.0, 1, 1, 1]), np.full((4, 4), np.nan)):
        with pytest.raises(NotMeasurable, match="pixel size"):
            tm.wall_chords(ring_label(), broken)


def test_the_helper_places_the_same_heart_on_any_grid():
    affine, shape = stack_affine(apex_first=True)
    last = affine @ [0, 0, shape[2] - 1, 1]
    first = stack_affine()[0] @ [0, 0, 0, 1]
    assert last == pytest.approx(first)
