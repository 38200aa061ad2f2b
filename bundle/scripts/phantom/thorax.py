"""Owns what surrounds the heart: chest wall, lungs, liver, spine, aorta, epicardial fat, as a class map per slice."""

from __future__ import annotations

import numpy as np

from . import tissue
from .anatomy import ANGLES, MATRIX, Anatomy, smooth_field


def fine_grid_mm(anatomy: Anatomy) -> np.ndarray:
    """Sample positions along one axis at twice the matrix, mm from the middle of the picture, (2 MATRIX,), float32."""
    step = anatomy.pixel_mm / 2
    return ((np.arange(2 * MATRIX) - MATRIX + 0.5) * step).astype(np.float32)


def thorax_map(anatomy: Anatomy, rng: np.random.Generator) -> np.ndarray:
    """Tissue codes without the heart, (S, 2 MATRIX, 2 MATRIX) as (slice, x, y), uint8, in the frame of anatomy.py."""
    axis = fine_grid_mm(anatomy)
    x, y = axis[:, None], axis[None, :]
    heart = anatomy.centre_mm.mean(axis=0)
    walls = _chest_wall(x, y, heart, anatomy.slices, rng)
    _mediastinum(walls, x, y, heart, anatomy.septum_angle, rng)
    _abdomen(walls, x, y, heart, anatomy, rng)
    _vessels(walls, x, y, rng)
    _spine_and_aorta(walls, x, y, heart, rng)
    return walls


def _chest_wall(x: np.ndarray, y: np.ndarray, heart: np.ndarray, slices: int, rng: np.random.Generator) -> np.ndarray:
    """Body ellipse: skin fat, muscle with rib marrow, lung inside; the heart lies in front, left of the middle."""
    half_x, half_y = rng.uniform(142.0, 168.0), rng.uniform(112.0, 134.0)
    fat, muscle = rng.uniform(7.0, 22.0), rng.uniform(9.0, 15.0)
    middle = heart - np.array([rng.uniform(8.0, 34.0), rng.uniform(-26.0, -6.0)])
    u, v = x - np.float32(middle[0]), y - np.float32(middle[1])
    radius = np.sqrt((u / np.float32(half_x)) ** 2 + (v / np.float32(half_y)) ** 2)
    angle = np.arctan2(v, u)
    mean_radius = 0.5 * (half_x + half_y)
    wobble = 1.0 + 0.012 * np.sin(3 * angle + rng.uniform(0, 6)) + 0.008 * np.sin(5 * angle + rng.uniform(0, 6))
    depth = (1.0 - radius * wobble.astype(np.float32)) * np.float32(mean_radius)
    codes = np.empty((slices, x.shape[0], y.shape[1]), dtype=np.uint8)
    rib_phase = rng.uniform(0, 6)
    for index in range(slices):
        skin_fat = fat * (1.0 + 0.15 * index / slices)
        rib = np.sin(9 * angle + rib_phase + 0.5 * index) > 0.8
        level = codes[index]
        level[...] = tissue.AIR
        level[depth > 0] = tissue.FAT
        level[depth > skin_fat] = tissue.MUSCLE
        level[rib & (depth > skin_fat + 0.35 * muscle) & (depth < skin_fat + 0.85 * muscle)] = tissue.MARROW
        level[depth > skin_fat + muscle] = tissue.LUNG
    return codes


def _mediastinum(
    codes: np.ndarray, x: np.ndarray, y: np.ndarray, heart: np.ndarray, septum: float, rng: np.random.Generator
) -> None:
    """Fat between the right ventricle and the sternum: an uneven wedge from the heart to the front chest wall."""
    u, v = x - np.float32(heart[0]), y - np.float32(heart[1])
    ray = ((np.arctan2(v, u) / (2 * np.pi) * ANGLES).astype(np.int32)) % ANGLES
    angle = np.linspace(0.0, 2 * np.pi, ANGLES, endpoint=False)[None, :]
    middle, half = septum + np.deg2rad(rng.uniform(38.0, 62.0)), np.deg2rad(rng.uniform(22.0, 45.0))
    turn = np.abs((angle - middle + np.pi) % (2 * np.pi) - np.pi) / half
    reach = 150.0 * np.clip(1.6 - 1.3 * turn, 0.0, 1.0) * (1.0 + 0.15 * smooth_field(codes.shape[0], 9, rng))
    radius = np.sqrt(u**2 + v**2)
    for index in range(codes.shape[0]):
        wedge = (radius < reach[index].astype(np.float32)[ray]) & (codes[index] == tissue.LUNG)
        codes[index][wedge] = tissue.FAT


def _abdomen(
    codes: np.ndarray, x: np.ndarray, y: np.ndarray, heart: np.ndarray, anatomy: Anatomy, rng: np.random.Generator
) -> None:
    """Liver under the heart to the left of the picture, stomach in fat to the right; the dome rises to the apex."""
    epicardium = (anatomy.inner_radius_mm + anatomy.wall_mm).max()
    curve, lean = rng.uniform(0.0015, 0.004), rng.uniform(-0.15, 0.1)
    edge, slant = heart[0] + rng.uniform(-5.0, 35.0), rng.uniform(0.4, 1.4)
    stomach = heart + np.array([rng.uniform(45.0, 70.0), epicardium + rng.uniform(22.0, 34.0)])
    half = rng.uniform(20.0, 34.0), rng.uniform(13.0, 22.0)
    u = x - np.float32(heart[0] - 15.0)
    round_stomach = ((x - stomach[0]) / half[0]) ** 2 + ((y - stomach[1]) / half[1]) ** 2 < 1.0
    for index in range(codes.shape[0]):
        dome = (heart[1] + epicardium + 4.0 - 0.6 * index + curve * u**2 + lean * u).astype(np.float32)
        rim = (y > dome - 3.0) & (codes[index] == tissue.LUNG)
        below = (y > dome) & (codes[index] == tissue.LUNG)
        liver = x < edge - slant * (y - dome) + 0.02 * (y - dome) ** 2
        codes[index][rim] = tissue.MUSCLE
        codes[index][below & liver] = tissue.LIVER
        codes[index][below & ~liver] = np.where(round_stomach, tissue.MUSCLE, tissue.FAT)[below & ~liver]


def _vessels(codes: np.ndarray, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> None:
    """Small round vessels in lung and liver, other ones in each slice."""
    half = float(x.max())
    for level in codes:
        centres, radii = rng.uniform(-0.85 * half, 0.85 * half, (60, 2)), rng.uniform(0.8, 3.0, 60)
        for centre, radius in zip(centres, radii, strict=True):
            low = np.searchsorted(x[:, 0], centre[0] - radius), np.searchsorted(y[0], centre[1] - radius)
            high = np.searchsorted(x[:, 0], centre[0] + radius), np.searchsorted(y[0], centre[1] + radius)
            patch = level[low[0] : high[0], low[1] : high[1]]
            disc = ((x[low[0] : high[0]] - centre[0]) ** 2 + (y[:, low[1] : high[1]] - centre[1]) ** 2) < radius**2
            patch[disc & ((patch == tissue.LUNG) | (patch == tissue.LIVER))] = tissue.ARTERY


def _spine_and_aorta(
    codes: np.ndarray, x: np.ndarray, y: np.ndarray, heart: np.ndarray, rng: np.random.Generator
) -> None:
    """Descending aorta beyond the inferolateral wall and, behind it, a vertebral body in a cuff of muscle."""
    aorta = heart + np.array([rng.uniform(50.0, 60.0), rng.uniform(26.0, 40.0)])
    spine = aorta + np.array([rng.uniform(12.0, 24.0), rng.uniform(24.0, 32.0)])
    radius = rng.uniform(10.0, 12.5)
    inside = codes != tissue.AIR
    for centre, size, code in (
        (spine, 26.0, tissue.MUSCLE),
        (spine, 17.0, tissue.MARROW),
        (aorta, radius + 2.5, tissue.FAT),
        (aorta, radius, tissue.ARTERY),
    ):
        disc = ((x - centre[0]) ** 2 + (y - centre[1]) ** 2) < size**2
        codes[inside & disc[None]] = code
