"""Maps from the pixels of one plane to those of another."""

import numpy as np
from scripts.volumes.pixel_maps import move_map, plane_map, transformed, working_map


def test_plane_map_leads_to_the_same_place(make):
    shape = (64, 60, 6)
    cine, other = make.affine(shape), make.affine((100, 90, 6), spacing=(0.9, 1.1, 8), turn=[[0, -1], [1, 0]])
    pixel = plane_map(cine, other, 2, 2) @ np.array([10.0, 50.0, 1.0])
    np.testing.assert_allclose(other @ [*pixel[:2], 2, 1], cine @ [10, 50, 2, 1], atol=1e-9)


def test_working_map_has_its_middle_on_the_centre_and_steps_of_1_mm():
    found = working_map(np.array([40.0, 30.0]), np.array([2.0, 1.25]), 55)
    np.testing.assert_allclose(transformed(found, np.array([[55.0, 56.0], [55.0, 55.0]])), [[40, 40.5], [30, 30]])


def test_a_move_turns_about_its_pivot_and_then_shifts():
    found = move_map(np.array([3.0, -1.0]), 90.0, np.array([10.0, 10.0]))
    np.testing.assert_allclose(
        transformed(found, np.array([[10.0, 11.0], [10.0, 10.0]])), [[13, 13], [9, 10]], atol=1e-9
    )
