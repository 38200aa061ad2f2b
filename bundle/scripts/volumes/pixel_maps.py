"""Maps (3, 3) from the pixels of one plane to those of another."""

from __future__ import annotations

import numpy as np


def plane_map(fixed_affine: np.ndarray, moving_affine: np.ndarray, fixed_slice: int, moving_slice: int) -> np.ndarray:
    """(3, 3) fixed pixel (x, y, 1) -> pixel of the moving slice, by projection along the moving slice's normal."""
    to_plane = np.linalg.pinv(moving_affine[:3, :2])
    origin = fixed_affine[:3, 3] + fixed_slice * fixed_affine[:3, 2]
    origin = origin - moving_affine[:3, 3] - moving_slice * moving_affine[:3, 2]
    found = np.eye(3)
    found[:2, :2] = to_plane @ fixed_affine[:3, :2]
    found[:2, 2] = to_plane @ origin
    return found


def working_map(centre: np.ndarray, spacing_mm: np.ndarray, half_mm: int) -> np.ndarray:
    """(3, 3) pixel of a 1 mm grid of 2 half_mm + 1 pixels around ``centre`` (voxel x, y) -> voxel."""
    found = np.diag([*(1 / np.asarray(spacing_mm)), 1.0])
    found[:2, 2] = np.asarray(centre) - half_mm / np.asarray(spacing_mm)
    return found


def move_map(shift: np.ndarray, turn_deg: float, pivot: np.ndarray) -> np.ndarray:
    """(3, 3) p -> pivot + turn (p - pivot) + shift."""
    found = np.eye(3)
    found[:2, :2] = rotation(turn_deg)
    found[:2, 2] = pivot - found[:2, :2] @ pivot + shift
    return found


def rotation(degrees: float) -> np.ndarray:
    """(2, 2), turns x towards y."""
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[cosine, -sine], [sine, cosine]])


def transformed(pixel_map: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (2, ...) under a map (3, 3)."""
    return np.einsum("ij,j...->i...", pixel_map[:2, :2], points) + pixel_map[:2, 2].reshape(2, *[1] * (points.ndim - 1))
