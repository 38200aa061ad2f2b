"""What a file looked like survives a batch as text."""

import numpy as np
from scripts.volumes.file_grid import FileGrid


def test_axes_and_header_come_back_from_their_text():
    grid = FileGrid((0, 2, 1), {"sform_code": 2, "srow_x": [1.5, 0.0, 0.0, -3.25]})
    assert FileGrid.from_text(grid.text()) == grid
    assert FileGrid.from_text("") == FileGrid()


def test_array_and_affine_move_together():
    grid, matrix = FileGrid((1, 2, 0)), np.eye(4) + np.arange(16).reshape(4, 4)
    volume = np.arange(24).reshape(2, 3, 4)
    stored = grid.array(volume)
    assert stored.shape == (4, 2, 3) and stored[3, 1, 2] == volume[1, 2, 3]
    np.testing.assert_allclose(grid.affine(matrix) @ [3, 1, 2, 1], matrix @ [1, 2, 3, 1])
