"""Analytic heart: rings that narrow towards the apex, a cap, an RV along the septum, infarct in sectors.

It is built in the patient: each voxel is placed by the affine, so that any grid of the stack shows the same heart.
"""

from dataclasses import dataclass

import numpy as np

AXIS = np.array([-0.64, 0.60, -0.48]) / np.linalg.norm([-0.64, 0.60, -0.48])  # base to apex, RAS
INNER_MM = (24.0, 23.0, 22.0, 21.0, 19.0, 17.0, 15.0, 13.0, 11.0)  # per ring slice, base first
WALL_MM, CAP_MM, RV_MM, SLICE_MM = 10.0, 14.0, 15.0, 8.0
INSERTION_DEGREES = 20.0  # anterior RV insertion, from the head, counter-clockwise as seen from the apex
LEVEL_SLICES = {"basal": range(0, 3), "mid": range(3, 6), "apical": range(6, 9)}


@dataclass(frozen=True)
class Sector:
    """Infarct from one angle to another (degrees from the anterior insertion), endocardium to ``depth`` 0..1."""

    start: float
    stop: float
    depth: float = 1.0
    slices: range = range(len(INNER_MM))
    code: int = 3

    def wall_share(self, of_degrees=360.0, level=None):
        """Part of the wall of these slices (of ``of_degrees`` of it) that is infarct, from areas of rings."""
        inner = np.array(INNER_MM)[list(self.slices if level is None else LEVEL_SLICES[level])]
        ring = ((inner + self.depth * WALL_MM) ** 2 - inner**2).sum() / ((inner + WALL_MM) ** 2 - inner**2).sum()
        return ring * (self.stop - self.start) / of_degrees


def axes():
    """Unit vectors of the slice plane, RAS: towards the head, and at 90 degrees from it as seen from the apex."""
    head = np.array([0.0, 0.0, 1.0]) - AXIS[2] * AXIS
    head /= np.linalg.norm(head)
    return head, np.cross(AXIS, head)


def stack_affine(pixel_mm=(0.3, 0.3), turn_degrees=0.0, mirrored=False, apex_first=False, size_mm=100.0):
    """Affine and shape (X, Y, S) of a stack through the heart, turned in its plane, with either order of axes."""
    head, side = axes()
    turn = np.radians(turn_degrees)
    x = np.cos(turn) * head + np.sin(turn) * side
    y = (-np.sin(turn) * head + np.cos(turn) * side) * (-1 if mirrored else 1)
    slices = len(INNER_MM) + 2  # a cap and an empty slice
    shape = (round(size_mm / pixel_mm[0]), round(size_mm / pixel_mm[1]), slices)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = x * pixel_mm[0], y * pixel_mm[1]
    affine[:3, 2] = AXIS * SLICE_MM * (-1 if apex_first else 1)
    first = np.array([*(-(np.array(shape[:2]) - 1) / 2), -(slices - 1) if apex_first else 0])
    affine[:3, 3] = affine[:3, :3] @ np.array([first[0], first[1], 0]) - first[2] * SLICE_MM * AXIS * apex_first
    return affine, shape


def cone_label(affine, shape, sectors=(), rv=True, cap=True):
    """Label map (X, Y, S), disk codes. Sectors later in the list win."""
    head, side = axes()
    voxel = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    u, v = voxel @ head, voxel @ side
    depth = np.rint(voxel @ AXIS / SLICE_MM).astype(int)
    radius, angle = np.hypot(u, v), (np.degrees(np.arctan2(v, u)) - INSERTION_DEGREES) % 360.0
    inner = np.append(INNER_MM, 0.0)[np.clip(depth, 0, len(INNER_MM))]
    outer = np.where(depth < len(INNER_MM), inner + WALL_MM, CAP_MM if cap else 0.0)
    label = np.zeros(shape, dtype=np.uint8)
    if rv:
        label[(angle <= 120.0) & (radius < outer + RV_MM) & (depth < len(INNER_MM))] = 6
    label[radius < outer] = 2
    for sector in sectors:
        part = (angle > sector.start) & (angle <= sector.stop) & np.isin(depth, list(sector.slices))
        label[part & (radius < inner + sector.depth * WALL_MM)] = sector.code
    label[radius < inner] = 1
    label[depth > len(INNER_MM)] = 0
    return label


def heart(sectors=(), rv=True, cap=True, **stack):
    """``(label, affine)`` of the cone in a stack."""
    affine, shape = stack_affine(**stack)
    return cone_label(affine, shape, sectors, rv, cap), affine


def two_level_picture(label, levels, noise=10.0, seed=0):
    """An image with one grey level per label code (``levels``: code -> level) and normal noise."""
    table = np.zeros(7)
    for code, level in levels.items():
        table[code] = level
    return table[label] + np.random.default_rng(seed).normal(0.0, noise, label.shape)
