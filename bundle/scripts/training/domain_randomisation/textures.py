"""Textures of several scales, apart in blood, wall and everything outside the heart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .fields import new_seed, smooth_noise, step
from .heart_slice import HeartSlice
from .recipe import Recipe

TEXTURE_CELLS = (6, 12, 24, 48)
_SHARED_VARIANCE = 0.6


@dataclass(frozen=True)
class Textures:
    """Smooth noise added to the cine.

    Attributes:
        blood_sd, wall_sd, outside_sd: SD on the scale of the image.
        weights: of the grids TEXTURE_CELLS, their squares add up to 1.
        seed: of the noise; _SHARED_VARIANCE of it is common to the phases.
    """

    blood_sd: float
    wall_sd: float
    outside_sd: float
    weights: tuple[float, ...]
    seed: int

    @classmethod
    def draw(cls, rng: np.random.Generator, recipe: Recipe) -> Textures | None:
        """Every region and every scale by itself."""
        if rng.random() >= recipe.texture_prob:
            return None
        sd = {name: rng.uniform(0, most) for name, most in recipe.texture_sd.items()}
        return cls(sd["blood"], sd["wall"], sd["outside"], mottling_weights(rng), new_seed(rng))

    def apply(self, slice_: HeartSlice) -> HeartSlice:
        """Blood and wall of the heart are told apart by their levels, which holds for every phase."""
        rng, (wall, blood) = np.random.default_rng(self.seed), slice_.levels
        shared, *own = (mottling(rng, self.weights, slice_.t2.shape) for _ in range(1 + len(slice_.cine)))
        noise = np.sqrt(_SHARED_VARIANCE) * shared + np.sqrt(1 - _SHARED_VARIANCE) * np.stack(own)
        bright = step(slice_.cine, wall + 0.25 * (blood - wall), wall + 0.75 * (blood - wall))
        outside = step(slice_.anatomy.from_heart, 2, 4)
        sd = outside * self.outside_sd + (1 - outside) * (bright * self.blood_sd + (1 - bright) * self.wall_sd)
        # air and lung have noise of their own, and little of it
        sd = sd * np.where(outside > 0, step(slice_.cine, 0, 0.15) * outside + (1 - outside), 1)
        return slice_.with_cine(slice_.cine + sd * noise)


def mottling_weights(rng: np.random.Generator) -> tuple[float, ...]:
    """Weights of the grids TEXTURE_CELLS, at random; their squares add up to 1."""
    weights = rng.random(len(TEXTURE_CELLS))
    return tuple((weights / np.linalg.norm(weights)).tolist())


def mottling(rng: np.random.Generator, weights: Sequence[float], shape: tuple[int, int]) -> np.ndarray:
    """Smooth noise (H, W) of several scales: mean 0, SD 1."""
    parts = (w * smooth_noise(rng, cells, shape) for w, cells in zip(weights, TEXTURE_CELLS, strict=True))
    return np.asarray(sum(parts))
