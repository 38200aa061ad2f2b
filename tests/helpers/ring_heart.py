"""Analytic heart of known volumes: concentric cylinders, the infarct a sector of the wall."""

import numpy as np

INNER_MM, OUTER_MM, INFARCT_DEGREES = 22.0, 32.0, 60.0


def ring_label(spacing_mm=(0.5, 0.5), slices=4, empty_slices=1, infarct=True):
    """Label (X, Y, S): blood pool, wall, a sector of infarct; the last ``empty_slices`` hold nothing."""
    half = 48.0
    x = np.arange(-half, half, spacing_mm[0]) + spacing_mm[0] / 2
    y = np.arange(-half, half, spacing_mm[1]) + spacing_mm[1] / 2
    radius, angle = np.hypot(x[:, None], y[None]), np.degrees(np.arctan2(y[None], x[:, None]))
    plane = np.zeros(radius.shape, dtype=np.uint8)
    plane[radius < OUTER_MM] = 2
    if infarct:
        plane[(radius < OUTER_MM) & (angle > 0) & (angle <= INFARCT_DEGREES)] = 3
    plane[radius < INNER_MM] = 1
    label = np.repeat(plane[..., None], slices, axis=2)
    label[..., slices - empty_slices :] = 0
    return label


def oblique_affine(spacing_mm=(0.5, 0.5, 8.0)):
    """Voxel to RAS mm, a double rotation as a short-axis stack has; exact in float32."""
    a, b = np.radians(35.0), np.radians(-50.0)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_x @ np.diag(spacing_mm) @ np.diag([-1.0, 1.0, -1.0])
    affine[:3, 3] = (41.25, -17.5, 63.0)
    return affine.astype(np.float32).astype(np.float64)


def analytic_ml(slices=3, slice_mm=8.0):
    """Volumes of the cylinders in ml: blood pool, LV myocardium, infarct."""
    blood = np.pi * INNER_MM**2 * slices * slice_mm / 1000
    wall = np.pi * (OUTER_MM**2 - INNER_MM**2) * slices * slice_mm / 1000
    return {"lv_blood_pool": blood, "lv_myocardium": wall, "infarct": wall * INFARCT_DEGREES / 360}
