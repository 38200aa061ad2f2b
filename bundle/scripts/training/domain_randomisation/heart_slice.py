"""One training slice as the changes see it: sequences apart, and where the heart lies in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from ...conventions import IMAGE, IMAGE_CHANNELS, INTENSITY_RANGE, LABEL, LGE, NETWORK_CLASSES

# Key of the right ventricle's blood in an item, beside image, lge and label.
RIGHT_VENTRICLE = "right_ventricle"
_CINE = [n for n, name in enumerate(IMAGE_CHANNELS) if name.startswith("cine")]
_T2 = IMAGE_CHANNELS.index("t2_stir")
_BLOOD = NETWORK_CLASSES.index("lv_blood_pool")
_FAR = 1e3


class Anatomy:
    """Where the heart lies: label (H, W) uint8 of network classes, right ventricle (H, W) bool."""

    def __init__(self, label: np.ndarray, right_ventricle: np.ndarray) -> None:
        self.label, self.given_right_ventricle = label, right_ventricle

    @cached_property
    def blood(self) -> np.ndarray:
        """LV blood pool, bool."""
        return np.asarray(self.label == _BLOOD)

    @cached_property
    def wall(self) -> np.ndarray:
        """LV wall with its infarct, bool."""
        return np.asarray(self.label > _BLOOD)

    @cached_property
    def from_left_ventricle(self) -> np.ndarray:
        """Pixels from the LV, 0 inside it; large everywhere where there is none."""
        return distance_outside(self.label > 0)

    @cached_property
    def from_heart(self) -> np.ndarray:
        """Pixels from both ventricles."""
        return distance_outside((self.label > 0) | self.given_right_ventricle)


def distance_outside(mask: np.ndarray) -> np.ndarray:
    """Distance of each pixel to ``mask`` in pixels, 0 inside; 1000 everywhere if it is empty."""
    if not mask.any():
        return np.full(mask.shape, _FAR, np.float32)
    return np.asarray(ndimage.distance_transform_edt(~mask), dtype=np.float32)


@dataclass(frozen=True)
class HeartSlice:
    """Arrays of one slice.

    Attributes:
        cine: (3, H, W): the phase of the label, end-diastole, end-systole; a channel of zeros is one that is not there.
        t2: (H, W); zeros where there is none.
        lge: (H, W).
        anatomy: label and right ventricle.
        view: (H, W) bool, the field of view; 0 outside it.
        donor: another subject's slice, which may lend its surroundings.
    """

    cine: np.ndarray
    t2: np.ndarray
    lge: np.ndarray
    anatomy: Anatomy
    view: np.ndarray
    donor: HeartSlice | None = None

    @property
    def shown(self) -> np.ndarray:
        """(3,) bool: cine channels that hold an image."""
        return np.asarray(self.cine.any(axis=(1, 2)))

    @property
    def levels(self) -> tuple[float, float]:
        """Medians of LV wall and LV blood in the cine of the label's phase; guessed where there is no LV."""
        cine, heart = self.cine[0], self.anatomy
        if heart.wall.any() and heart.blood.any():
            wall, blood = float(np.median(cine[heart.wall])), float(np.median(cine[heart.blood]))
        else:
            wall, blood = (float(value) for value in np.quantile(cine, (0.5, 0.9)))
        wall = min(max(wall, 0.02), 0.9)
        return wall, max(blood, wall + 0.05)

    def with_cine(self, cine: np.ndarray) -> HeartSlice:
        """The same slice with another cine, 0..1; what was not there stays 0."""
        shown = self.shown[:, None, None] & self.view
        return replace(self, cine=np.where(shown, np.clip(cine, *INTENSITY_RANGE), 0).astype(np.float32))

    def with_t2(self, t2: np.ndarray) -> HeartSlice:
        """The same slice with another T2-STIR, 0..1; one that was not there stays 0."""
        shown = self.view & bool(self.t2.any())
        return replace(self, t2=np.where(shown, np.clip(t2, *INTENSITY_RANGE), 0).astype(np.float32))

    def with_lge(self, lge: np.ndarray) -> HeartSlice:
        """The same slice with another LGE, 0..1; one that was not there stays 0."""
        shown = self.view & bool(self.lge.any())
        return replace(self, lge=np.where(shown, np.clip(lge, *INTENSITY_RANGE), 0).astype(np.float32))


def from_item(item: Mapping[str, Any], donor: Mapping[str, Any] | None = None) -> HeartSlice:
    """A training item: image (4, H, W), lge and label (1, H, W), right_ventricle (1, H, W) if it is known."""
    image, lge = np.asarray(item[IMAGE], np.float32), np.asarray(item[LGE], np.float32)[0]
    label = np.asarray(item[LABEL])[0].astype(np.uint8)
    known = item.get(RIGHT_VENTRICLE)
    ventricle = np.zeros(label.shape, bool) if known is None else np.asarray(known)[0] > 0
    if not ventricle.any():
        ventricle = likely_right_ventricle(image[_CINE[0]], label)
    view = np.ones(label.shape, bool)
    other = None if donor is None else from_item(donor)
    return HeartSlice(image[_CINE], image[_T2], lge, Anatomy(label, ventricle), view, other)


def to_item(changed: HeartSlice) -> dict[str, torch.Tensor]:
    """image (4, H, W), lge and label (1, H, W), right_ventricle (1, H, W), as tensors."""
    image = np.empty((len(IMAGE_CHANNELS), *changed.t2.shape), np.float32)
    image[_CINE], image[_T2] = changed.cine, changed.t2
    return {
        IMAGE: torch.from_numpy(image),
        LGE: torch.from_numpy(np.ascontiguousarray(changed.lge[None], np.float32)),
        LABEL: torch.from_numpy(changed.anatomy.label[None].astype(np.float32)),
        RIGHT_VENTRICLE: torch.from_numpy(changed.anatomy.given_right_ventricle[None]),
    }


def likely_right_ventricle(cine: np.ndarray, label: np.ndarray, reach: float = 22.0, least: int = 60) -> np.ndarray:
    """Bright region beside the LV, bool (H, W): the largest that begins within 8 pixels of its wall; or none.

    For label maps without a right ventricle. Bright is above the middle of wall and blood.
    """
    wall, blood = label > _BLOOD, label == _BLOOD
    if not (wall.any() and blood.any()):
        return np.zeros(label.shape, bool)
    middle = (np.median(cine[wall]) + np.median(cine[blood])) / 2
    away = distance_outside(label > 0)
    bright = ndimage.binary_opening((cine > middle) & (away > 1) & (away < reach), iterations=2)
    regions, count = ndimage.label(bright)
    near = [n for n in range(1, count + 1) if away[regions == n].min() < 8]
    sizes = {n: int((regions == n).sum()) for n in near}
    best = max(sizes, key=lambda n: sizes[n], default=0)
    return np.asarray(regions == best) if best and sizes[best] >= least else np.zeros(label.shape, bool)
