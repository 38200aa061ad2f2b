"""AHA 17 segments of an analytic heart: which segment, how much of it, and the same on any grid."""

import numpy as np
import pytest
from helpers.cone_heart import AXIS, INSERTION_DEGREES, LEVEL_SLICES, SLICE_MM, Sector, heart, stack_affine
from helpers.ring_heart import oblique_affine, ring_label
from scripts.clinical import aha17 as aha
from scripts.clinical.short_axis import anterior_insertion_degrees, lv_centre, short_axis_frame, slice_levels
from scripts.conventions import ConfigError, NotMeasurable

pytestmark = pytest.mark.slow

# Where each basal segment lies, degrees from the anterior insertion.
BASAL_SECTORS = {1: (300, 360), 2: (0, 60), 3: (60, 120), 4: (120, 180), 5: (180, 240), 6: (240, 300)}
APICAL_SECTORS = {13: (285, 375), 14: (15, 105), 15: (105, 195), 16: (195, 285)}
SOME_INFARCT = (Sector(70, 110, 0.5), Sector(200, 230, 1.0, LEVEL_SLICES["mid"]),
                Sector(310, 350, 0.25, LEVEL_SLICES["basal"]))  # fmt: skip
COARSE = (0.5, 0.5)


def filled(found):
    return {k + 1 for k in np.flatnonzero(np.nan_to_num(found.infarct_percent) > 5)}


def infarct_in(level, start, stop, **more):
    inner = [(start + 6, min(stop, 360) - 6)] if stop <= 360 else [(start + 6, 359), (1, stop - 366)]
    return heart([Sector(a, b, 1.0, LEVEL_SLICES[level]) for a, b in inner], pixel_mm=(0.8, 0.8), **more)


@pytest.mark.parametrize("segment", BASAL_SECTORS)
@pytest.mark.parametrize("level", ["basal", "mid"])
def test_a_sixty_degree_sector_is_one_segment(level, segment):
    label, affine = infarct_in(level, *BASAL_SECTORS[segment])
    assert filled(aha.aha17(label, affine)) == {segment + (6 if level == "mid" else 0)}


@pytest.mark.parametrize("segment", APICAL_SECTORS)
def test_apical_segments_are_quarters_with_14_in_the_middle_of_the_septum(segment):
    label, affine = infarct_in("apical", *APICAL_SECTORS[segment])
    assert filled(aha.aha17(label, affine)) == {segment}


def test_infarct_of_the_cap_is_segment_17_which_has_no_chords():
    label, affine = heart(pixel_mm=COARSE)
    changed = label.copy()
    changed[:100, :, 9][label[:100, :, 9] == 2] = 3
    found = aha.aha17(changed, affine)
    assert found.infarct_percent[16] == pytest.approx(50, abs=1)
    assert np.isnan(found.transmurality_percent[16])


def test_without_wall_below_the_last_cavity_segment_17_is_nan_and_not_zero():
    label, affine = heart(cap=False, pixel_mm=COARSE)
    found = aha.aha17(label, affine)
    assert np.isnan(found.infarct_percent[16]) and not np.isnan(found.infarct_percent[:16]).any()


def test_share_and_transmurality_of_segments_are_those_on_paper():
    label, affine = heart(SOME_INFARCT, pixel_mm=(0.25, 0.25))
    found = aha.aha17(label, affine)
    deep, full, shallow = SOME_INFARCT
    on_paper = {
        1: (shallow.wall_share(60, "basal"), 0.25 * 40 / 60),
        3: (deep.wall_share(60, "basal"), 0.5 * 40 / 60),
        9: (deep.wall_share(60, "mid"), 0.5 * 40 / 60),
        11: (full.wall_share(60, "mid"), 30 / 60),
        14: (deep.wall_share(90, "apical") * 35 / 40, 0.5 * 35 / 90),
    }
    for segment, (share, depth) in on_paper.items():
        assert found.infarct_percent[segment - 1] == pytest.approx(100 * share, rel=0.01), segment
        assert found.transmurality_percent[segment - 1] == pytest.approx(100 * depth, rel=0.01), segment
    untouched = [k for k in range(16) if k + 1 not in {*on_paper, 15}]
    assert (found.infarct_percent[untouched] == 0).all() and (found.transmurality_percent[untouched] == 0).all()


def flips(label, affine):
    """The same heart with axes of the array reversed or swapped, and the affine that says so."""
    for axis in range(3):
        moved = affine.copy()
        moved[:3, 3] += affine[:3, axis] * (label.shape[axis] - 1)
        moved[:3, axis] *= -1
        yield np.flip(label, axis), moved
    yield label.swapaxes(0, 1), affine[:, [1, 0, 2, 3]]
    yield np.flip(label, (0, 2)).swapaxes(0, 1), _flipped_twice(label, affine)[:, [1, 0, 2, 3]]


def _flipped_twice(label, affine):
    moved = affine.copy()
    for axis in (0, 2):
        moved[:3, 3] += affine[:3, axis] * (label.shape[axis] - 1)
        moved[:3, axis] *= -1
    return moved


def test_flipped_and_swapped_arrays_give_the_same_segments_voxel_for_voxel():
    label, affine = heart(SOME_INFARCT, pixel_mm=COARSE)
    expected = aha.segment_map(label, short_axis_frame(label, affine), INSERTION_DEGREES)
    found = aha.aha17(label, affine)
    for other, moved in flips(label, affine):
        numbers = aha.aha17(other, moved)
        assert numbers.infarct_percent == pytest.approx(found.infarct_percent, abs=1.0, nan_ok=True)
        assert numbers.transmurality_percent == pytest.approx(found.transmurality_percent, abs=1.0, nan_ok=True)
        segments = aha.segment_map(other, short_axis_frame(other, moved), INSERTION_DEGREES)
        assert (np.bincount(segments.ravel()) == np.bincount(expected.ravel())).all()


@pytest.mark.parametrize("turn", [40, -130, 180])
@pytest.mark.parametrize(
    "order", [{}, {"mirrored": True}, {"apex_first": True}, {"mirrored": True, "apex_first": True}]
)
def test_a_turned_oblique_stack_gives_the_same_segments(turn, order):
    label, affine = heart(SOME_INFARCT, pixel_mm=COARSE, turn_degrees=turn, **order)
    found = aha.aha17(label, affine)
    reference = aha.aha17(*heart(SOME_INFARCT, pixel_mm=COARSE))
    assert filled(found) == filled(reference) == {1, 3, 9, 11, 14}
    assert found.infarct_percent == pytest.approx(reference.infarct_percent, abs=1.0, nan_ok=True)
    assert found.transmurality_percent == pytest.approx(reference.transmurality_percent, abs=1.0, nan_ok=True)


@pytest.mark.parametrize("turn", [0, 61, 200])
def test_the_anterior_insertion_is_found_to_a_degree(turn):
    label, affine = heart(pixel_mm=COARSE, turn_degrees=turn)
    found = anterior_insertion_degrees(label, short_axis_frame(label, affine))
    assert found == pytest.approx(INSERTION_DEGREES, abs=1.5)


@pytest.mark.parametrize("axis", [1, 2])
def test_an_array_flipped_without_its_affine_is_a_mirrored_heart_and_not_measurable(axis):
    label, affine = heart(SOME_INFARCT, pixel_mm=COARSE, turn_degrees=20)
    with pytest.raises(NotMeasurable, match="the heart is mirrored"):
        aha.aha17(np.flip(label, axis), affine)


def test_without_rv_a_given_angle_does_and_none_is_not_measurable():
    label, affine = heart(SOME_INFARCT, rv=False, pixel_mm=COARSE)
    with pytest.raises(NotMeasurable, match="no RV blood pool"):
        aha.aha17(label, affine)
    assert filled(aha.aha17(label, affine, insertion_degrees=INSERTION_DEGREES)) == {1, 3, 9, 11, 14}
    assert filled(aha.aha17(label, affine, insertion_degrees=INSERTION_DEGREES + 60)) == {2, 6, 8, 10, 14}


def test_levels_are_equal_thirds_of_the_rings_with_the_wider_cavity_as_base():
    label, affine = heart(pixel_mm=COARSE, apex_first=True)
    frame = short_axis_frame(label, affine)
    assert slice_levels(frame) == {"basal": [10, 9, 8], "mid": [7, 6, 5], "apical": [4, 3, 2]}
    label[..., 10][label[..., 10] == 2] = 0  # above the mitral plane: no wall
    assert slice_levels(short_axis_frame(label, affine)) == {"basal": [9, 8, 7], "mid": [6, 5], "apical": [4, 3, 2]}


def test_a_slice_whose_wall_is_open_belongs_to_no_segment():
    label, affine = heart(pixel_mm=COARSE)
    centre = lv_centre(label[..., 0]).astype(int)
    label[: centre[0], centre[1] - 20 : centre[1] + 20, 0] = 0
    frame = short_axis_frame(label, affine)
    assert frame.rings[0] == 1
    assert not aha.segment_map(label, frame, INSERTION_DEGREES)[..., 0].any()


def test_segments_share_the_wall_of_rings_and_cap_out():
    label, affine = heart(SOME_INFARCT, pixel_mm=COARSE)
    segments = aha.segment_map(label, short_axis_frame(label, affine), INSERTION_DEGREES)
    assert ((segments > 0) == np.isin(label, (2, 3))).all()
    sixths = np.bincount(segments.ravel())[1:7]
    assert sixths / sixths.mean() == pytest.approx(np.ones(6), rel=0.01)


def test_a_cavity_as_wide_at_both_ends_has_no_base():
    with pytest.raises(NotMeasurable, match="base and apex"):
        aha.aha17(ring_label(slices=4), oblique_affine())


@pytest.mark.parametrize("slices", [slice(0, 1), slice(0, 2)])
def test_fewer_than_three_rings_have_no_levels(slices):
    label, affine = heart(pixel_mm=COARSE)
    with pytest.raises(NotMeasurable, match="at least 3 are needed"):
        aha.aha17(label[..., slices], affine)


def test_a_label_without_wall_is_not_measurable():
    label, affine = heart(pixel_mm=COARSE)
    with pytest.raises(NotMeasurable, match="0 slices show a full LV ring"):
        aha.aha17(np.where(label == 1, label, 0), affine)


def test_infarct_outside_the_wall_is_not_measurable_instead_of_zero():
    label, affine = heart(pixel_mm=COARSE)
    label[:5, :5] = 3
    with pytest.raises(NotMeasurable, match="outside the LV wall"):
        aha.aha17(label, affine)


def test_axial_slices_do_not_show_the_direction_of_the_head():
    label, _ = heart(pixel_mm=COARSE)
    with pytest.raises(NotMeasurable, match="axial"):
        aha.aha17(label, np.diag([0.5, 0.5, 8.0, 1.0]))


def test_a_singular_affine_is_not_measurable():
    label, affine = heart(pixel_mm=COARSE)
    with pytest.raises(NotMeasurable, match="singular"):
        aha.aha17(label, np.column_stack([affine[:, 0], affine[:, 1], affine[:, 0], affine[:, 3]]))


def test_the_stack_of_the_helper_runs_along_the_long_axis():
    assert stack_affine()[0][:3, 2] == pytest.approx(AXIS * SLICE_MM)


def test_infarct_in_an_open_slice_only_is_in_no_segment_and_said_to_be():
    label, affine = heart(pixel_mm=COARSE)
    frame = short_axis_frame(label, affine)
    centre = lv_centre(label[..., 0]).astype(int)
    label[: centre[0], centre[1] - 20 : centre[1] + 20, 0] = 0
    label[centre[0] :, centre[1] - 10 : centre[1] + 10, 0][
        label[centre[0] :, centre[1] - 10 : centre[1] + 10, 0] == 2
    ] = 3
    with pytest.raises(NotMeasurable, match="no segment holds the infarct"):
        aha.aha17(label, affine)
    assert not np.nan_to_num(aha.aha17(label, affine, INSERTION_DEGREES, frame=frame).infarct_percent).any()


@pytest.mark.parametrize("angle", [float("nan"), float("inf")])
def test_an_insertion_angle_that_is_no_number_is_refused(angle):
    label, affine = heart(rv=False, pixel_mm=COARSE)
    with pytest.raises(ConfigError, match="rv_insertion_degrees"):
        aha.aha17(label, affine, angle)
