"""Levels of the tissues in the cine: one curve for all, another one outside the heart, RV blood, lung."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .fields import step
from .heart_slice import HeartSlice, distance_outside
from .recipe import Recipe

_KNOTS = 7


@dataclass(frozen=True)
class TissueCurve:
    """One rising curve for all cine channels: black, wall, blood and white of the slice get new levels."""

    lung: float
    wall: float
    blood: float
    top: float

    @classmethod
    def draw(cls, rng: np.random.Generator, recipe: Recipe) -> TissueCurve | None:
        """Blood is brighter than wall by ``least_contrast``, and nothing is brighter than ``top`` or blood."""
        if rng.random() >= recipe.tissue_prob:
            return None
        lung = 0.0 if rng.random() < recipe.lung_black_prob else rng.uniform(*recipe.lung)
        wall = rng.uniform(*recipe.wall)
        blood = rng.uniform(max(recipe.blood[0], wall + recipe.least_contrast), recipe.blood[1])
        return cls(min(lung, 0.9 * wall), wall, blood, max(blood, rng.uniform(*recipe.top)))

    def apply(self, slice_: HeartSlice) -> HeartSlice:
        """Piecewise linear between the slice's own levels."""
        wall, blood = slice_.levels
        curve = np.interp(
            slice_.cine, (0, wall, blood, max(1, blood + 0.05)), (self.lung, self.wall, self.blood, self.top)
        )
        return slice_.with_cine(curve)


@dataclass(frozen=True)
class OutsideCurve:
    """Another curve, rising and falling, farther than ``start_pixels`` from the heart."""

    knots: tuple[float, ...]
    start_pixels: float

    @classmethod
    def draw(cls, rng: np.random.Generator, recipe: Recipe) -> OutsideCurve | None:
        """Levels at evenly spaced values of the image."""
        if rng.random() >= recipe.outside_curve_prob:
            return None
        return cls(tuple(rng.uniform(0, 1, _KNOTS).tolist()), rng.uniform(*recipe.surroundings_from))

    def apply(self, slice_: HeartSlice) -> HeartSlice:
        """The LV and RV and what is near them stay."""
        curve = np.interp(slice_.cine, np.linspace(0, 1, len(self.knots)), self.knots)
        outside = step(slice_.anatomy.from_heart, self.start_pixels, self.start_pixels + 1.5)
        return slice_.with_cine(slice_.cine + outside * (curve - slice_.cine))


@dataclass(frozen=True)
class RightVentricleBrightness:
    """RV blood brighter or darker than LV blood; its wall stays."""

    change: float

    @classmethod
    def draw(cls, rng: np.random.Generator, recipe: Recipe) -> RightVentricleBrightness | None:
        """A share of the RV's level."""
        return cls(rng.uniform(*recipe.rv_brightness)) if rng.random() < recipe.rv_brightness_prob else None

    def apply(self, slice_: HeartSlice) -> HeartSlice:
        """In what is brighter than the wall, fading over two pixels around the RV and not inside the LV."""
        wall, blood = slice_.levels
        near = (1 - step(distance_outside(slice_.anatomy.given_right_ventricle), 0, 3)) * (slice_.anatomy.label == 0)
        return slice_.with_cine(slice_.cine * (1 + self.change * near * step(slice_.cine, wall, (wall + blood) / 2)))


@dataclass(frozen=True)
class LungOffset:
    """Black outside the heart lifted, as in lung that gives some signal."""

    offset: float

    @classmethod
    def draw(cls, rng: np.random.Generator, recipe: Recipe) -> LungOffset | None:
        """On the scale of the image."""
        return cls(rng.uniform(*recipe.lung_offset)) if rng.random() < recipe.lung_offset_prob else None

    def apply(self, slice_: HeartSlice) -> HeartSlice:
        """Least signal, most lift; nothing from half of the wall's level on."""
        dark = 1 - step(slice_.cine, 0, max(slice_.levels[0] / 2, 0.02))
        outside = step(slice_.anatomy.from_heart, 1, 3)
        return slice_.with_cine(slice_.cine + self.offset * dark * outside)
