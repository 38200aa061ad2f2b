"""Surroundings of the heart: chest wall, lungs, liver, spleen, stomach, spine, aorta, as shares of a pixel."""

from __future__ import annotations

import numpy as np

from ..smooth_fields import smooth_noise
from . import tissue
from .anatomy import Anatomy
from .shape import ANGLE, ANGLES, rough_field, smooth_field

CODES = (
    tissue.AIR, tissue.FAT, tissue.ARTERY, tissue.MUSCLE, tissue.LIVER, tissue.LUNG, tissue.MARROW, tissue.SPLEEN,
)  # fmt: skip


class Thorax:
    """Paints the chest around one heart; ``shares``: (len(CODES), S, X, Y), float32, summing to 1."""

    def __init__(self, anatomy: Anatomy, rng: np.random.Generator) -> None:
        self.anatomy = anatomy
        self._x = anatomy.pixel_positions_mm(0).astype(np.float32)[:, None]
        self._y = anatomy.pixel_positions_mm(1).astype(np.float32)[None, :]
        self._heart = anatomy.axis_at(anatomy.shape.length_mm / 2)
        self.shares = np.zeros((len(CODES), anatomy.slices, *anatomy.matrix), dtype=np.float32)
        self.shares[0] = 1.0
        self._paint_chest_wall(rng)
        self._paint_mediastinum(rng)
        self._paint_abdomen(rng)
        self._paint_vessels(rng)
        self._paint_spine_and_aorta(rng)

    def _paint(self, code: int, level: int, alpha: np.ndarray, only: tuple[int, ...] | None = None) -> None:
        """``code`` over what is there; ``only``: replaces just these tissues."""
        here = self.shares[:, level]
        chosen = range(len(CODES)) if only is None else [CODES.index(one) for one in only]
        taken = np.zeros_like(alpha)
        for index in chosen:
            part = here[index] * alpha
            here[index] -= part
            taken += part
        here[CODES.index(code)] += taken

    def _inside(self, distance: np.ndarray) -> np.ndarray:
        """Share of a pixel inside, from mm within the surface."""
        return np.clip(distance * np.float32(1 / self.anatomy.pixel_mm) + np.float32(0.5), 0.0, 1.0).astype(np.float32)

    def _disc(self, centre: np.ndarray, radius: float) -> np.ndarray:
        return self._inside(radius - np.hypot(self._x - np.float32(centre[0]), self._y - np.float32(centre[1])))

    def _paint_chest_wall(self, rng: np.random.Generator) -> None:
        """Body ellipse: skin fat, muscle with rib marrow, lung inside; the heart lies in front, left of the middle."""
        half_x, half_y = rng.uniform(142.0, 166.0), rng.uniform(110.0, 134.0)
        fat, muscle = rng.uniform(7.0, 22.0), rng.uniform(9.0, 15.0)
        middle = self._heart - np.array([rng.uniform(4.0, 30.0), rng.uniform(-24.0, -4.0)])
        u, v = self._x - np.float32(middle[0]), self._y - np.float32(middle[1])
        angle = np.arctan2(v, u)
        wobble = 1.0 + 0.012 * np.sin(3 * angle + rng.uniform(0, 6)) + 0.008 * np.sin(5 * angle + rng.uniform(0, 6))
        radius = np.sqrt((u / np.float32(half_x)) ** 2 + (v / np.float32(half_y)) ** 2) * wobble.astype(np.float32)
        depth = (1.0 - radius) * np.float32(0.5 * (half_x + half_y))
        rib_phase, sternum = rng.uniform(0, 6), np.abs(angle + np.float32(np.pi / 2 + rng.uniform(-0.1, 0.3)))
        for level in range(self.anatomy.slices):
            skin = fat * (1.0 + 0.15 * level / self.anatomy.slices)
            self._paint(tissue.FAT, level, self._inside(depth))
            self._paint(tissue.MUSCLE, level, self._inside(depth - skin))
            across = (np.sin(9 * angle + rib_phase + 0.5 * level) - 0.75) * 14.0
            rib = np.minimum(np.minimum(across, 3.2 - np.abs(depth - skin - 0.6 * muscle)), 3.0)
            bone = np.minimum(16.0 - sternum * np.float32(half_y), 5.0 - np.abs(depth - skin - 0.5 * muscle))
            self._paint(tissue.MARROW, level, self._inside(np.maximum(rib, bone)))
            self._paint(tissue.LUNG, level, self._inside(depth - skin - muscle))

    def _paint_mediastinum(self, rng: np.random.Generator) -> None:
        """Fat pad between the right ventricle and the sternum, of uneven thickness, and strands of it over the apex."""
        u, v = self._x - np.float32(self._heart[0]), self._y - np.float32(self._heart[1])
        ray = np.rint(np.arctan2(v, u) * (ANGLES / (2 * np.pi))).astype(np.int32) % ANGLES
        septum = self.anatomy.shape.septum_angle
        middle, half = septum + np.deg2rad(rng.uniform(38.0, 66.0)), np.deg2rad(rng.uniform(26.0, 48.0))
        turn = np.abs((ANGLE - middle + np.pi) % (2 * np.pi) - np.pi) / half
        pad = rng.uniform(4.0, 34.0) * np.clip(1.25 - turn, 0.0, 1.0) ** 0.7
        ragged = 1.0 + 0.07 * smooth_field(9, rng) + 0.05 * rough_field(7.0, 9.0, 85.0, rng)
        rows = np.linspace(0, len(ragged) - 1, self.anatomy.slices).astype(int)
        down = (rows / (len(ragged) - 1))[:, None]
        around = self.anatomy.shape.epi_mm.mean(axis=1)[rows][:, None] + 4.0
        reach = (np.where(turn < 1.25, around + pad * (1.0 - 0.6 * down), 0.0) * ragged[rows]).astype(np.float32)
        radius = np.hypot(u, v)
        # Fat with vessels and strands of connective tissue in it.
        pure = rng.uniform(0.62, 0.85)
        for level in range(self.anatomy.slices):
            pad = self._inside(reach[level][ray] - radius) * (self.shares[CODES.index(tissue.LUNG), level] > 0)
            fat = np.clip(pure + 0.12 * smooth_noise(self.anatomy.matrix, 5.0, rng), 0.3, 1.0)
            self._paint(tissue.MUSCLE, level, pad * (1 - fat), only=(tissue.LUNG,))
            self._paint(tissue.FAT, level, pad, only=(tissue.LUNG,))

    def _paint_abdomen(self, rng: np.random.Generator) -> None:
        """Liver under the heart, stomach in fat or spleen to the right of the image; the dome rises to the apex."""
        shape, heart = self.anatomy.shape, self._heart
        epicardium = float(shape.epi_mm.max())
        curve, lean = rng.uniform(0.0015, 0.004), rng.uniform(-0.15, 0.1)
        edge, slant = heart[0] + rng.uniform(-5.0, 35.0), rng.uniform(0.4, 1.4)
        stomach = heart + np.array([rng.uniform(45.0, 70.0), epicardium + rng.uniform(22.0, 34.0)])
        half = rng.uniform(20.0, 34.0), rng.uniform(13.0, 22.0)
        has_spleen = rng.random() < 0.6
        spleen = stomach + np.array([rng.uniform(28.0, 44.0), rng.uniform(-6.0, 10.0)])
        spleen_half = rng.uniform(12.0, 19.0), rng.uniform(20.0, 30.0)
        u = self._x - np.float32(heart[0] - 15.0)
        for level in range(self.anatomy.slices):
            dome = (heart[1] + epicardium + 4.0 - 0.6 * level + curve * u**2 + lean * u).astype(np.float32)
            lung = CODES.index(tissue.LUNG)
            cavity = self.shares[lung, level].copy()
            below = self._inside(self._y - dome) * cavity
            diaphragm = self._inside(self._y - dome + 2.5) * cavity - below
            self._paint(tissue.MUSCLE, level, np.maximum(diaphragm, 0.0), only=(tissue.LUNG,))
            self._paint(tissue.FAT, level, below, only=(tissue.LUNG,))
            liver = self._inside(edge - slant * (self._y - dome) + 0.02 * (self._y - dome) ** 2 - self._x) * below
            self._paint(tissue.LIVER, level, liver, only=(tissue.FAT,))
            self._paint(tissue.MUSCLE, level, self._ellipse(stomach, half) * below * (1 - liver), only=(tissue.FAT,))
            if has_spleen:
                round_spleen = self._ellipse(spleen, spleen_half) * below * (1 - liver)
                self._paint(tissue.SPLEEN, level, round_spleen, only=(tissue.FAT,))

    def _ellipse(self, centre: np.ndarray, half: tuple[float, float]) -> np.ndarray:
        u = (self._x - np.float32(centre[0])) / np.float32(half[0])
        v = (self._y - np.float32(centre[1])) / np.float32(half[1])
        return self._inside((1.0 - np.hypot(u, v)) * np.float32(min(half)))

    def _paint_vessels(self, rng: np.random.Generator) -> None:
        """Small round vessels in lung and liver, other ones in each slice."""
        half = self._x.max(), self._y.max()
        for level in range(self.anatomy.slices):
            centres = rng.uniform(-0.85, 0.85, (60, 2)) * half
            for centre, radius in zip(centres, rng.uniform(0.8, 3.0, 60), strict=True):
                near = [np.searchsorted(axis.ravel(), (c - radius - 3, c + radius + 3))
                        for axis, c in zip((self._x, self._y), centre, strict=True)]  # fmt: skip
                x, y = (slice(*ends) for ends in near)
                distance = np.hypot(self._x[x] - np.float32(centre[0]), self._y[:, y] - np.float32(centre[1]))
                alpha = self._inside(radius - distance)
                here = self.shares[:, level, x, y]
                for code in (tissue.LUNG, tissue.LIVER):
                    part = here[CODES.index(code)] * alpha
                    here[CODES.index(code)] -= part
                    here[CODES.index(tissue.ARTERY)] += part

    def _paint_spine_and_aorta(self, rng: np.random.Generator) -> None:
        """Descending aorta beyond the inferolateral wall and, behind it, a vertebral body in a cuff of muscle."""
        aorta = self._heart + np.array([rng.uniform(50.0, 60.0), rng.uniform(26.0, 40.0)])
        spine = aorta + np.array([rng.uniform(12.0, 24.0), rng.uniform(24.0, 32.0)])
        radius = rng.uniform(10.0, 12.5)
        body = CODES[1:]
        for code, centre, size in (
            (tissue.MUSCLE, spine, 26.0),
            (tissue.MARROW, spine, 17.0),
            (tissue.FAT, aorta + 0.45 * (spine - aorta), 8.0),
            (tissue.MUSCLE, aorta, radius + 1.3),
            (tissue.ARTERY, aorta, radius),
        ):
            disc = self._disc(centre, size)
            for level in range(self.anatomy.slices):
                self._paint(code, level, disc, only=body)
