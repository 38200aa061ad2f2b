"""One LV in a stack: what a label map calls LV far from the heart's long axis is taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform
from monai.utils import convert_to_numpy
from scipy import ndimage

from .. import conventions
from ..conventions import NETWORK_CLASSES

# In-plane distance from the long axis beyond which a piece is no part of the LV, mm. True label maps of 150 phantoms,
# breath-hold shifts included, stay within 7.5 mm; the middle of the RV is 26 mm and more away, 40 mm in most slices.
AWAY_MM = 20.0
# With fewer slices that show the LV there is no axis to speak of.
FEWEST_SLICES = 4
_SMALLEST_PIECE = 20  # pixels of the crop; smaller ones do not place the axis
_INSIDE = 0.5  # how well a point lies in a piece whose middle is elsewhere: the LV may have grown together with others
_CANDIDATES = 3  # largest pieces of a slice through which the axis is sought
_BACKGROUND = NETWORK_CLASSES.index("background")


class OneHeart(Transform):
    """Makes background of every piece of LV that lies far from the line through the LV of most slices.

    A network that looks at single slices takes the RV, the outflow tract or the stomach for the LV now and then; the
    other slices tell where the LV is. Works on ``probabilities`` (K, H, W, S), ``label_crop`` (1, H, W, S) and, where
    it is there, ``sample_labels`` (samples, H, W, S) of SplitPrediction. The item's ``lv_pieces_removed`` counts them.

    Args:
        on: whether to.
    """

    def __init__(self, on: bool | str = True) -> None:
        self.on = conventions.flag(on, "one_heart")

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The same dict with the pieces taken back; a failed subject passes unchanged."""
        item = dict(data)
        if "failure" in item or not self.on:
            return item
        lv = convert_to_numpy(item["label_crop"][0]) != _BACKGROUND
        away, pieces = far_from_axis(lv, _place_mm(item))
        item["lv_pieces_removed"] = pieces
        if not away.any():
            return item
        mask = torch.from_numpy(away).to(item["label_crop"].device)
        probabilities = item["probabilities"].clone()
        probabilities[:, mask] = 0.0
        probabilities[_BACKGROUND, mask] = 1.0
        item["probabilities"] = probabilities
        for name in ("label_crop", "sample_labels"):
            if name in item:
                item[name] = item[name].masked_fill(mask, _BACKGROUND)
        return item


def far_from_axis(lv: np.ndarray, place_mm: np.ndarray) -> tuple[np.ndarray, int]:
    """Pieces of the LV that lie farther than AWAY_MM in plane from its long axis, bool (H, W, S), and how many.

    A piece that the axis runs through is the heart, whatever it has grown together with. Specks go, too, but are not
    counted. Nothing goes where no line passes the LV of more than half of the slices that show one.

    Args:
        lv: bool (H, W, S), blood pool and wall.
        place_mm: (S, 2, 3), from a pixel (i, j, 1) to its place in the plane of the stack, mm.
    """
    away = np.zeros(lv.shape, dtype=bool)
    pieces = [_Pieces(lv[..., s], place_mm[s]) for s in range(lv.shape[2])]
    axis = _axis(pieces)
    if axis is None:
        return away, 0
    count = 0
    for s, found in enumerate(pieces):
        for number in found.far(axis[s]):
            away[..., s] |= found.numbers == number
            count += found.pixels[number] >= _SMALLEST_PIECE
    return away, int(count)


class _Pieces:
    """Connected pieces of one slice: ``numbers`` (H, W) from 1, 0 outside; of each number ``pixels`` and, in mm,
    ``middles`` (n + 1, 2); ``large``: numbers of those that place the axis, the largest first."""

    def __init__(self, lv: np.ndarray, place_mm: np.ndarray) -> None:
        self.numbers, _ = ndimage.label(lv, structure=np.ones((3, 3)))
        self.pixels = np.bincount(self.numbers.ravel())
        centres = [np.bincount(self.numbers.ravel(), weights=one.ravel()) / self.pixels.clip(1) for one in
                   np.indices(lv.shape)]  # fmt: skip
        self.place_mm = place_mm
        self.middles = np.stack(centres, axis=1) @ place_mm[:, :2].T + place_mm[:, 2]
        ordered = 1 + np.argsort(-self.pixels[1:], kind="stable")
        self.large = ordered[self.pixels[ordered] >= _SMALLEST_PIECE]

    def support(self, points_mm: np.ndarray) -> np.ndarray:
        """How well each point (L, 2) lies on the middle of a large piece, 0 to 1; larger pieces count more, (L,)."""
        apart = np.linalg.norm(points_mm[:, None] - self.middles[self.large], axis=2)
        share = self.pixels[self.large] / self.pixels[self.large[0]]
        near = (np.clip(1 - apart / AWAY_MM, 0, None) * np.sqrt(share)).max(axis=1)
        return np.maximum(near, _INSIDE * np.isin(self._numbers_at(points_mm), self.large))

    def far(self, point_mm: np.ndarray) -> np.ndarray:
        """Numbers of the pieces that neither hold a point (2,) nor have their middle near it."""
        apart = np.linalg.norm(self.middles - point_mm, axis=1) > AWAY_MM
        numbers = (int(n) + 1 for n in np.flatnonzero(apart[1:]))
        return np.array([number for number in numbers if not self._holds(number, point_mm)], dtype=int)

    def _holds(self, number: int, point_mm: np.ndarray) -> bool:
        if self.pixels[number] < _SMALLEST_PIECE:
            return False
        filled = ndimage.binary_fill_holes(self.numbers == number)
        return bool(self._numbers_at(point_mm[None], filled)[0])

    def _numbers_at(self, points_mm: np.ndarray, of: np.ndarray | None = None) -> np.ndarray:
        """``numbers``, or another image, at points (L, 2); 0 outside of it."""
        image = np.pad(self.numbers if of is None else of, 1)
        places = np.linalg.solve(self.place_mm[:, :2], (points_mm - self.place_mm[:, 2]).T)
        i, j = (np.clip(np.rint(one).astype(int) + 1, 0, n - 1) for one, n in zip(places, image.shape, strict=True))
        return image[i, j]


def _axis(pieces: Sequence[_Pieces]) -> np.ndarray | None:
    """Place of the LV's long axis in every slice, mm (S, 2); None where there is none to speak of.

    Of the lines through the middles of large pieces of two slices, the one that passes nearest to those of all slices:
    pieces elsewhere do not move it, however large they are.
    """
    shown = [s for s, found in enumerate(pieces) if found.large.size]
    if len(shown) < FEWEST_SLICES:
        return None
    slices = np.arange(len(pieces))[:, None]
    lines = np.array([
        one + (other - one) * (slices - s) / (t - s)
        for s, t in combinations(shown, 2)
        for one in pieces[s].middles[pieces[s].large[:_CANDIDATES]]
        for other in pieces[t].middles[pieces[t].large[:_CANDIDATES]]
    ])  # fmt: skip
    axis = lines[np.argmax(sum(pieces[s].support(lines[:, s]) for s in shown))]
    passed = [s for s in shown if set(pieces[s].large) - set(pieces[s].far(axis[s]))]
    return axis if 2 * len(passed) > len(shown) else None


def _place_mm(item: Mapping[str, Any]) -> np.ndarray:
    """(S, 2, 3), from a pixel of each slice of the crop to mm in the plane of the cine."""
    pixel_mm = np.linalg.norm(np.asarray(convert_to_numpy(item["cine_affine"]), dtype=np.float64)[:3, :2], axis=0)
    return np.asarray(convert_to_numpy(item["crop_to_cine"]), dtype=np.float64)[:, :2] * pixel_mm[None, :, None]
