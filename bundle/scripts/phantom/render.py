"""Owns the class map of the heart at one moment: which tissue lies where, on the doubled grid around the heart."""

from __future__ import annotations

import numpy as np

from . import tissue
from .anatomy import ANGLES, MATRIX, Anatomy
from .pathology import Pathology
from .thorax import fine_grid_mm

BOX = 144
RV_WALL_MM = 3.0


class HeartRenderer:
    """Paints one heart into boxes of BOX pixels (2 BOX samples) around the LV; geometry that does not move is kept.

    ``shift_mm`` moves the heart in the picture, as another breath-hold does.
    """

    def __init__(
        self,
        anatomy: Anatomy,
        pathology: Pathology,
        surroundings: np.ndarray,
        shift_mm: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        self.anatomy, self.pathology = anatomy, pathology
        axis = fine_grid_mm(anatomy)
        centres = anatomy.centre_mm + np.asarray(shift_mm)
        middle = centres.mean(axis=0) / anatomy.pixel_mm + MATRIX / 2
        self.corner = np.clip(np.rint(middle).astype(int) - BOX // 2, 0, MATRIX - BOX)
        window = [slice(2 * low, 2 * (low + BOX)) for low in self.corner]
        self._background = surroundings[:, window[0], window[1]]
        x, y = axis[window[0]][:, None], axis[window[1]][None, :]
        self._slices = [self._polar(x - np.float32(cx), y - np.float32(cy)) for cx, cy in centres]

    def _polar(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Radius, ray index and the two coordinates along and across the RV axis; float32 and int32, (2 BOX, 2 BOX)."""
        c, s = np.float32(np.cos(self.anatomy.rv_angle)), np.float32(np.sin(self.anatomy.rv_angle))
        ray = np.rint(np.arctan2(v, u) * np.float32(ANGLES / (2 * np.pi))).astype(np.int32) % ANGLES
        return np.hypot(u, v), ray, u * c + v * s, v * c - u * s

    def class_map(self, contraction: float) -> np.ndarray:
        """Tissue codes (S, 2 BOX, 2 BOX) as (slice, x, y), uint8, at a contraction 0..1."""
        motion = self.pathology.motion
        outer = self.anatomy.outer_radius_mm(contraction, motion).astype(np.float32)
        wall = self.anatomy.wall_thickness_mm(contraction, motion).astype(np.float32)
        inner = np.maximum(outer - wall, 0.5)
        codes = self._background.copy()
        for index, polar in enumerate(self._slices):
            self._paint_fat(codes[index], index, polar, contraction, outer[index])
            self._paint_right_ventricle(codes[index], index, polar, contraction)
            self._paint_left_ventricle(codes[index], index, polar, inner[index], outer[index])
        return codes

    def _paint_fat(self, codes: np.ndarray, index: int, polar: tuple, contraction: float, outer: np.ndarray) -> None:
        """Epicardial fat: a layer that moves with the outline of both ventricles."""
        radius, ray = polar[0], polar[1]
        layer = self.anatomy.fat_mm[index].astype(np.float32)
        codes[radius < (outer + layer)[ray]] = tissue.FAT
        along, across = self._rv_radii(index, contraction)
        if along > 0:
            around = layer[ray]
            p = polar[2] - np.float32(self.anatomy.rv_offset_mm[index])
            codes[(p / (along + around)) ** 2 + (polar[3] / (across + around)) ** 2 < 1.0] = tissue.FAT

    def _rv_radii(self, index: int, contraction: float) -> tuple[float, float]:
        """Half axes of the RV's outer ellipse, mm; 0, 0 where the slice lies beyond the RV."""
        along, across = (float(value) for value in self.anatomy.rv_radii_mm[index])
        if along < 4.0 or across < 4.0:
            return 0.0, 0.0
        shrink = 1.0 - self.anatomy.rv_contraction * contraction
        return along * shrink, across * (0.5 + 0.5 * shrink)

    def _paint_right_ventricle(self, codes: np.ndarray, index: int, polar: tuple, contraction: float) -> None:
        along, across = self._rv_radii(index, contraction)
        if along == 0.0:
            return
        p, q = polar[2] - np.float32(self.anatomy.rv_offset_mm[index]), polar[3]
        codes[(p / along) ** 2 + (q / across) ** 2 < 1.0] = tissue.RV_WALL
        along, across = along - RV_WALL_MM, across - RV_WALL_MM
        if min(along, across) > 0.5:
            codes[(p / along) ** 2 + (q / across) ** 2 < 1.0] = tissue.RV_BLOOD

    def _paint_left_ventricle(
        self, codes: np.ndarray, index: int, polar: tuple, inner: np.ndarray, outer: np.ndarray
    ) -> None:
        radius, ray = polar[0], polar[1]
        within = np.flatnonzero(radius.ravel() < outer.max())
        r, k = radius.ravel()[within], ray.ravel()[within]
        lv = r < outer[k]
        within, r, k = within[lv], r[lv], k[lv]
        depth = (r - inner[k]) / (outer[k] - inner[k])
        codes.ravel()[within] = self._wall_codes(index, r, k, depth, inner)

    def _wall_codes(self, index: int, r: np.ndarray, k: np.ndarray, depth: np.ndarray, inner: np.ndarray) -> np.ndarray:
        ill = self.pathology
        code = np.full(r.shape, tissue.MYOCARDIUM, dtype=np.uint8)
        code[ill.area_at_risk[index][k]] = tissue.OEDEMA
        code[depth < ill.infarct_depth[index][k]] = tissue.INFARCT
        low, high = ill.no_reflow[:, index]
        code[(depth >= low[k]) & (depth < high[k])] = tissue.NO_REFLOW
        blood = depth < 0
        code[blood] = tissue.LV_BLOOD
        code[blood & (inner[k] - r < ill.slow_flow[index][k])] = tissue.SLOW_BLOOD
        for angle, size in self.anatomy.papillary[index]:
            if size > 0:
                reach = inner[int(np.rint(angle / (2 * np.pi) * ANGLES)) % ANGLES]
                turn = k * (2 * np.pi / ANGLES) - angle
                distance = r**2 + (0.76 * reach) ** 2 - 2 * r * 0.76 * reach * np.cos(turn)
                code[(depth < 0) & (distance < (size * reach) ** 2)] = tissue.PAPILLARY
        return code


def downsample(values: np.ndarray) -> np.ndarray:
    """Mean over blocks of 2 x 2 samples on the last two axes: the partial volume of a pixel."""
    *lead, x, y = values.shape
    return values.reshape(*lead, x // 2, 2, y // 2, 2).mean(axis=(-3, -1))


def label_from_codes(codes: np.ndarray) -> np.ndarray:
    """Label codes of conventions.LABEL_NAMES, (S, X, Y), uint8: the most frequent of each 2 x 2 samples."""
    labels = tissue.TO_LABEL[codes]
    counts = np.stack([downsample((labels == code).astype(np.float32)) for code in range(7)])
    return counts.argmax(axis=0).astype(np.uint8)
