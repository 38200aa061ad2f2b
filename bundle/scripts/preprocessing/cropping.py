"""Place and orientation of the network's crop on the cine grid."""

from __future__ import annotations

import numpy as np

# Directions in patient RAS of a short-axis image as it is displayed (AHA segment plot: septum left, anterior wall
# up, seen from the apex). Rows run to the left and back of the patient, columns down and back; the heart's long axis
# points to the apex: left, anterior, inferior (Cerqueira et al., Circulation 2002;105:539).
_SCREEN_RIGHT = np.array([-1.0, -0.5, 0.0])
_SCREEN_DOWN = np.array([0.0, -0.5, -1.0])
_APEX = np.array([-0.7, 0.4, -0.6])


def display_axes(affine: np.ndarray) -> np.ndarray:
    """Turns and flips the voxel axes x, y to the display directions.

    Only permutation and flips of the file's own axes, so no interpolation is spent on it; the same heart stored in any
    of the eight in-plane orders gives the same crop. Handedness is fixed by the view from the apex, the remaining
    quarter turn by the best agreement with screen right and down.

    Args:
        affine: (4, 4) voxel -> RAS mm.
    Returns:
        (2, 2) of -1, 0, 1: column 0 is the crop's first axis (screen right) in voxel axes (x, y), column 1 the second.
    """
    axes = affine[:3, :2] / np.linalg.norm(affine[:3, :2], axis=0)
    normal = np.cross(axes[:, 0], axes[:, 1])
    to_apex = normal if normal @ _APEX >= 0 else -normal
    best, best_score = np.eye(2), -np.inf
    for swap in (np.eye(2), np.eye(2)[::-1]):
        for signs in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            turn = swap * np.array(signs)
            right, down = (axes @ turn).T
            if np.cross(right, down) @ to_apex > 0:
                continue
            score = right @ _SCREEN_RIGHT + down @ _SCREEN_DOWN
            if score > best_score + 1e-9:
                best, best_score = turn, score
    return best


def crop_to_cine_maps(
    affine: np.ndarray, n_slices: int, centre: tuple[float, float], spacing_mm: float, crop_size: tuple[int, int]
) -> np.ndarray:
    """(S, 3, 3), crop pixel (i, j, 1) -> cine voxel (x, y, 1); the crop's middle lies on ``centre`` (voxel x, y)."""
    native_mm = np.linalg.norm(affine[:3, :2], axis=0)
    scale = display_axes(affine) * (spacing_mm / native_mm)[:, None]
    crop_map = np.eye(3)
    crop_map[:2, :2] = scale
    crop_map[:2, 2] = np.asarray(centre) - scale @ ((np.asarray(crop_size) - 1) / 2)
    return np.tile(crop_map, (n_slices, 1, 1))


def share_outside_crop(mask: np.ndarray, maps: np.ndarray, crop_size: tuple[int, int]) -> float:
    """Part of a mask (X, Y, S) on the cine grid that the crops do not show, 0..1; 0 for an empty mask."""
    voxels = np.argwhere(mask)
    if not len(voxels):
        return 0.0
    back = np.linalg.inv(maps)[voxels[:, 2]]
    points = np.einsum("nij,nj->ni", back, np.column_stack([voxels[:, :2], np.ones(len(voxels))]))[:, :2]
    inside = ((points >= -0.5) & (points <= np.array(crop_size) - 0.5)).all(axis=1)
    return float(1 - inside.mean())
