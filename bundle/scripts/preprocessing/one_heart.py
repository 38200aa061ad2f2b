"""One LV in a stack: what a label map calls LV far from the heart's long axis is taken back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform
from monai.utils import convert_to_numpy
from scipy import ndimage
from scipy.stats import theilslopes

from .. import conventions
from ..conventions import NETWORK_CLASSES

# In-plane distance from the long axis beyond which a piece is no part of the LV, mm. True label maps of 150 phantoms,
# breath-hold shifts included, stay within 7.5 mm; the middle of the RV is 35 mm and more away.
AWAY_MM = 20.0
# With fewer slices that show the LV there is no axis to speak of.
FEWEST_SLICES = 4
_SMALLEST_PIECE = 20  # pixels of the crop; smaller ones do not place the axis
_BACKGROUND = NETWORK_CLASSES.index("background")


class OneHeart(Transform):
    """Makes background of every piece of LV that lies far from the line through the LV of all slices.

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

    Specks go, too, but are not counted.

    The axis is a line through the middles of the largest piece of each slice, fitted so that up to a quarter of them
    may lie elsewhere (Theil and Sen), then once more through the piece of each slice that is nearest to it.

    Args:
        lv: bool (H, W, S), blood pool and wall.
        place_mm: (S, 2, 3), from a pixel (i, j, 1) to its place in the plane of the stack, mm.
    """
    away = np.zeros(lv.shape, dtype=bool)
    pieces = [_pieces(lv[..., s], place_mm[s]) for s in range(lv.shape[2])]
    placing = [[one for one in found if one[1] >= _SMALLEST_PIECE] for found in pieces]
    shown = [s for s, found in enumerate(placing) if found]
    if len(shown) < FEWEST_SLICES:
        return away, 0
    axis = _line(shown, [max(placing[s], key=lambda one: one[1])[2] for s in shown])
    axis = _line(shown, [min(placing[s], key=lambda one, s=s: _apart(one[2], axis(s)))[2] for s in shown])
    count = 0
    for s, found in enumerate(pieces):
        for mask, pixels, middle in found:
            if _apart(middle, axis(s)) > AWAY_MM:
                away[..., s] |= mask
                count += pixels >= _SMALLEST_PIECE
    return away, count


def _pieces(lv: np.ndarray, place_mm: np.ndarray) -> list[tuple[np.ndarray, int, np.ndarray]]:
    """Connected pieces of one slice: mask (H, W), pixels, middle in mm (2,)."""
    numbers, count = ndimage.label(lv)
    found = []
    for number in range(1, count + 1):
        mask = numbers == number
        i, j = np.nonzero(mask)
        found.append((mask, int(mask.sum()), place_mm @ (i.mean(), j.mean(), 1.0)))
    return found


def _line(slices: Sequence[int], middles: Sequence[np.ndarray]) -> Callable[[int], np.ndarray]:
    fits = [theilslopes(values, slices) for values in np.transpose(middles)]
    return lambda s: np.array([fit.intercept + fit.slope * s for fit in fits])


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one - other))


def _place_mm(item: Mapping[str, Any]) -> np.ndarray:
    """(S, 2, 3), from a pixel of each slice of the crop to mm in the plane of the cine."""
    pixel_mm = np.linalg.norm(np.asarray(convert_to_numpy(item["cine_affine"]), dtype=np.float64)[:3, :2], axis=0)
    return np.asarray(convert_to_numpy(item["crop_to_cine"]), dtype=np.float64)[:, :2] * pixel_mm[None, :, None]
