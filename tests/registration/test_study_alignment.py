"""Imported stacks on their way to the registration: gaps stay gaps, uneven stacks are refused, the switch works."""

from types import SimpleNamespace

import numpy as np
import pytest
from scripts.conventions import ConfigError
from scripts.registration.study_alignment import StudyAlignment


def voxels(array, depths, times=(0.0,)):
    """A stack whose normal is z and whose pixels are 2 mm."""

    def slice_affine(index):
        matrix = np.diag([2.0, 2.0, 1.0, 1.0])
        matrix[2, 3] = depths[index]
        return matrix

    def affine(role):
        matrix = slice_affine(0)
        matrix[2, 2] = depths[1] - depths[0] if len(depths) > 1 else 8.0
        return matrix

    return SimpleNamespace(
        array=array, depths_mm=np.asarray(depths, float), times_ms=times, affine=affine, slice_affine=slice_affine
    )


def beating(depths, shift=0):
    """A bright disc that shrinks over four phases in a ring of muscle; all of it moved by ``shift`` pixels in x."""
    x, y = np.meshgrid(np.arange(80), np.arange(80), indexing="ij")
    radius = np.hypot(x - 40 - shift, y - 40)
    phases = [200.0 * (radius < inner) + 70.0 * ((radius >= inner) & (radius < 19)) for inner in (13, 11, 9, 12)]
    picture = np.stack(phases, axis=-1) + 20 * np.sin(x / 7 + y / 5)[..., None]
    return voxels(np.repeat(picture[:, :, None], len(depths), axis=2), depths, (0.0, 200.0, 400.0, 600.0))


def still(depths, shift=0, phase=0):
    moving = beating(depths, shift)
    return voxels(moving.array[..., phase : phase + 1] * 0.5 + 30, depths, (0.0,))


def aligned(cine, moving, role, **settings):
    found = StudyAlignment(**settings)(cine, moving, role)
    return found.volume, found.report()


def test_slices_are_read_where_each_of_them_lies():
    cine, moved = beating([0, 8, 16]), still([0, 8, 16])
    own, step = moved.slice_affine, 3
    moved.array = moved.array.copy()
    moved.array[:, :, 1] = np.roll(moved.array[:, :, 1], step, axis=0)

    def slice_affine(index):
        matrix = own(index)
        matrix[0, 3] -= 2.0 * step if index == 1 else 0.0
        return matrix

    moved.slice_affine = slice_affine
    volume, report = aligned(cine, moved, "lge", register=False)
    np.testing.assert_allclose(volume[20:60, 20:60, 1], volume[20:60, 20:60, 0], atol=1e-3)
    assert {one["reason"] for one in report["slices"]} == {"as scanned"}


@pytest.mark.slow
def test_a_shifted_breath_hold_is_brought_back_unless_registration_is_switched_off():
    cine, moved, true = beating([0, 8, 16]), still([0, 8, 16], shift=3), still([0, 8, 16])
    centre = np.s_[20:60, 20:60]
    error = {
        register: np.abs(aligned(cine, moved, "lge", register=register)[0][centre] - true.array[..., 0][centre]).mean()
        for register in (True, False)
    }
    assert error[True] < 0.3 * error[False]
    _, report = aligned(cine, moved, "lge")
    assert np.median([abs(one["displacement_mm"][0]) for one in report["slices"]]) == pytest.approx(6, abs=1)


def test_a_slice_that_the_stack_lacks_is_empty_on_the_cine_grid_and_reported():
    cine, moved = beating([0, 8, 16, 24]), still([0, 8, 24])
    volume, report = aligned(cine, moved, "t2_stir")
    assert [bool(volume[:, :, k].any()) for k in range(4)] == [True, True, False, True]
    assert report["slices"][2]["matched"] is None and report["slices"][2]["displacement_mm"] is None
    assert report["missing_slices"] == [2] and report["extra_slices"] == []


def test_the_nearest_slice_is_taken_from_an_uneven_stack():
    cine, moved = beating([0, 8, 16]), still([2.4, 9.2, 10.4, 18.4])
    moved.array = moved.array + np.arange(4)[:, None] * 1000
    volume, report = aligned(cine, moved, "t2_stir", register=False)
    assert [one["matched"] for one in report["slices"]] == [0, 1, 3]
    assert report["extra_slices"] == [2] and volume[40, 40].round(-3).tolist() == [0, 1000, 3000]


def test_a_wrong_setting_names_the_key():
    with pytest.raises(ConfigError, match="max_displacement_mm: found 90"):
        StudyAlignment(max_displacement_mm=90)
    with pytest.raises(ConfigError, match="register: found 'maybe'"):
        StudyAlignment(register="maybe")
