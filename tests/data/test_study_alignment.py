"""Imported stacks on their way to the registration: gaps stay gaps, uneven stacks are refused, the switch works."""

from types import SimpleNamespace

import numpy as np
import pytest
from scripts.conventions import ConfigError, DataError
from scripts.data.study_alignment import StudyAlignment, evenly_spaced


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


def test_a_missing_slice_is_a_gap_in_an_even_stack():
    array = np.arange(4 * 4 * 3, dtype=np.int16).reshape(4, 4, 3, 1) + 1
    filled, affine, missing = evenly_spaced(voxels(array, [0, 8, 24]), "lge")
    assert missing == [2] and not filled[:, :, 2].any() and affine[2, 2] == 8
    np.testing.assert_array_equal(filled[:, :, [0, 1, 3]], array[..., 0])


def test_distances_that_are_no_multiples_are_refused_with_the_flag():
    with pytest.raises(DataError, match=r"t2_stir: slices at distances of 8.0, 11.0 mm.*--t2_stir_series"):
        evenly_spaced(voxels(np.ones((4, 4, 3, 1)), [0, 8, 19]), "t2_stir")


def test_a_shifted_breath_hold_is_brought_back_unless_registration_is_switched_off():
    cine, moved, true = beating([0, 8, 16]), still([0, 8, 16], shift=3), still([0, 8, 16])
    centre = np.s_[20:60, 20:60]
    error = {
        register: np.abs(StudyAlignment(register)(cine, moved, "lge")[0][centre] - true.array[..., 0][centre]).mean()
        for register in (True, False)
    }
    assert error[True] < 0.3 * error[False]
    _, report = StudyAlignment()(cine, moved, "lge")
    assert np.median([abs(one["displacement_mm"][0]) for one in report["slices"]]) == pytest.approx(6, abs=1)


def test_a_slice_that_the_stack_lacks_is_empty_on_the_cine_grid_and_reported():
    cine, moved = beating([0, 8, 16, 24]), still([0, 8, 24])
    volume, report = StudyAlignment()(cine, moved, "t2_stir")
    assert [bool(volume[:, :, k].any()) for k in range(4)] == [True, True, False, True]
    assert report["slices_missing_in_the_stack"] == [2]


def test_a_wrong_setting_names_the_key():
    with pytest.raises(ConfigError, match="max_displacement_mm: found 90"):
        StudyAlignment(max_displacement_mm=90)
    with pytest.raises(ConfigError, match="register: found 'maybe'"):
        StudyAlignment(register="maybe")
