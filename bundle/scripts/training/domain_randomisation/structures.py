"""Structures at the heart's borders: a ring around the epicardium, trabeculae inside the blood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from .fields import new_seed, smooth_noise, step
from .heart_slice import HeartSlice, distance_outside
from .recipe import Recipe

# A channel shows the label's phase where its pixels in and around the LV agree that well with those of the first.
_SAME_PHASE = 0.9
_SPOT_CELLS = (48, 24, 14)


@dataclass(frozen=True)
class EpicardialRing:
    """Arcs along the outside of the LV at one level: fat, fluid, chemical shift, or nothing bright at all.

    Drawn in the channels that show the label's phase: elsewhere the wall is not where the label is.
    """

    width_pixels: float
    level: float
    share: float
    seed: int

    @classmethod
    def draw(cls, rng: np.random.Generator, recipe: Recipe) -> EpicardialRing | None:
        """Any level; a quarter of the outline or more."""
        if rng.random() >= recipe.ring_prob:
            return None
        return cls(rng.uniform(*recipe.ring_width), rng.random(), rng.uniform(0.25, 1), new_seed(rng))

    def apply(self, slice_: HeartSlice) -> HeartSlice:
        """Outside the LV and not inside the RV's blood."""
        away = slice_.anatomy.from_left_ventricle
        noise = smooth_noise(np.random.default_rng(self.seed), 6, away.shape)
        arcs = step(noise, *np.quantile(noise, 1 - self.share) + np.array([-0.1, 0.1]))
        ring = step(away, 0, 1) * (1 - step(away, self.width_pixels, self.width_pixels + 1)) * arcs
        ring = ring * ~slice_.anatomy.given_right_ventricle
        same = np.reshape(_same_phase(slice_), (-1, 1, 1))
        return slice_.with_cine(slice_.cine + same * ring * (self.level - slice_.cine))


def _same_phase(slice_: HeartSlice) -> list[bool]:
    """Of each cine channel, whether its LV lies where the first one's does."""
    near = slice_.anatomy.from_left_ventricle < 4
    if not near.any():
        return [False] * len(slice_.cine)
    first = slice_.cine[0][near]
    return [
        bool(channel[near].std() > 0 and first.std() > 0 and np.corrcoef(first, channel[near])[0, 1] > _SAME_PHASE)
        for channel in slice_.cine
    ]


@dataclass(frozen=True)
class Trabeculae:
    """Dark spots inside the blood, likelier near the wall; the label stays blood, as readers draw it.

    Attributes:
        ventricle: "left" or "right".
        cells: grid of the spots; more cells, finer spots.
        density: share of the blood they cover at the wall.
        depth_pixels: over which they thin out to a third.
        darkness: 1 brings them to the level of the wall.
        seed: of the spots.
    """

    ventricle: str
    cells: int
    density: float
    depth_pixels: float
    darkness: float
    seed: int

    @classmethod
    def draw(cls, rng: np.random.Generator, recipe: Recipe, ventricle: str) -> Trabeculae | None:
        """Both ventricles alike."""
        if rng.random() >= recipe.trabeculae_prob:
            return None
        cells = int(rng.choice(_SPOT_CELLS))
        return cls(ventricle, cells, rng.uniform(0.3, 0.8), rng.uniform(2, 7), rng.uniform(0.3, 1), new_seed(rng))

    def apply(self, slice_: HeartSlice) -> HeartSlice:
        """Only what is brighter than the wall changes, whatever the phase."""
        anatomy = slice_.anatomy
        blood = anatomy.blood if self.ventricle == "left" else anatomy.given_right_ventricle
        if not blood.any():
            return slice_
        depth, beyond = distance_outside(~blood), distance_outside(blood)
        likely = self.density * np.exp(-depth / self.depth_pixels)
        noise = smooth_noise(np.random.default_rng(self.seed), self.cells, blood.shape)
        spots = step(noise + ndtri(likely), -0.25, 0.25) * (1 - step(beyond, 1, 3))
        if self.ventricle == "right":
            spots = spots * (anatomy.label == 0)
        excess = np.maximum(slice_.cine - slice_.levels[0], 0)
        return slice_.with_cine(slice_.cine - self.darkness * spots * excess)
