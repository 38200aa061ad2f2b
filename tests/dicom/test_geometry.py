"""The DICOM frame and the NIfTI affine: one flip, and back."""

import numpy as np
import pytest
from scripts.conventions import DataError
from scripts.dicom.geometry import StackGeometry, affine_from_stack, stack_from_affine


def oblique_stack() -> StackGeometry:
    rng = np.random.default_rng(3)
    frame, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return StackGeometry(frame[:, 0], frame[:, 1], np.array([12.0, -80.0, 33.0]), (1.4, 1.5), 9.2 * frame[:, 2])


def test_axial_stack_in_lps_becomes_negative_x_and_y_in_ras():
    stack = StackGeometry(
        np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), np.array([-100.0, -90.0, 5.0]), (1.5, 1.25), np.array([0, 0, 8.0])
    )
    expected = np.array([[-1.5, 0, 0, 100.0], [0, -1.25, 0, 90.0], [0, 0, 8.0, 5.0], [0, 0, 0, 1.0]])
    np.testing.assert_allclose(affine_from_stack(stack), expected)


def test_pixel_positions_follow_the_dicom_equation():
    stack = oblique_stack()
    column, row, index = 17, 40, 6
    lps = (
        stack.position_mm
        + stack.row_cosines * stack.spacing_mm[0] * column
        + stack.column_cosines * stack.spacing_mm[1] * row
        + stack.slice_step_mm * index
    )
    ras = affine_from_stack(stack) @ [column, row, index, 1.0]
    np.testing.assert_allclose(ras[:3], lps * [-1, -1, 1])


def test_affine_goes_back_to_the_stack_it_came_from():
    stack = oblique_stack()
    back = stack_from_affine(affine_from_stack(stack))
    for name in ("row_cosines", "column_cosines", "position_mm", "spacing_mm", "slice_step_mm"):
        np.testing.assert_allclose(getattr(back, name), getattr(stack, name), atol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"column_cosines": np.array([1.0, 0.0, 0.0])}, "image orientation: found row .* at a right angle"),
        ({"row_cosines": np.array([1.0, 0.0])}, "two vectors of 3"),
        ({"spacing_mm": (1.5, 0.0)}, "pixel spacing: found \\(1.5, 0.0\\) mm"),
        ({"slice_step_mm": np.array([0.0, 5.0, 0.0])}, "slice step: found .* out of the image plane"),
    ],
)
def test_impossible_stack_is_refused_with_its_reason(change, message):
    fields = {
        "row_cosines": np.array([1.0, 0, 0]),
        "column_cosines": np.array([0, 1.0, 0]),
        "position_mm": np.zeros(3),
        "spacing_mm": (1.0, 1.0),
        "slice_step_mm": np.array([0, 0, 8.0]),
    }
    with pytest.raises(DataError, match=message):
        affine_from_stack(StackGeometry(**(fields | change)))


def test_sheared_or_misshapen_affine_is_refused():
    sheared = np.eye(4)
    sheared[0, 1] = 0.3
    with pytest.raises(DataError, match="right angle"):
        stack_from_affine(sheared)
    with pytest.raises(DataError, match="expected \\(4, 4\\)"):
        stack_from_affine(np.eye(3))
    with pytest.raises(DataError, match="in-plane spacing"):
        stack_from_affine(np.diag([0.0, 1.0, 1.0, 1.0]))
