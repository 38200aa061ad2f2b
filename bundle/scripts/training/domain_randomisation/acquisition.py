"""What the scanner does: coil shading, blur, coarse pixels, noise, scaling, gamma; the T2-STIR's own, mild."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .fields import new_seed, smooth_noise
from .heart_slice import HeartSlice
from .recipe import Recipe

_BIAS_CELLS = 3
# of the preprocessing
_PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class Acquisition:
    """Of all cine channels alike, noise apart; a change that is not drawn has the value that changes nothing.

    Attributes:
        bias: amplitude of the shading's logarithm; bias_seed: of its shape.
        blur_pixels: SD of a Gaussian.
        half_resolution: share of the image at half resolution that is mixed in.
        noise_sd: on the scale of the image; noise_seed: of its values.
        renormalised: percentiles of the first channel become 0 and 1 again.
        gamma: exponent.
    """

    bias: float
    bias_seed: int
    blur_pixels: float
    half_resolution: float
    noise_sd: float
    noise_seed: int
    renormalised: bool
    gamma: float

    @classmethod
    def draw(cls, rng: np.random.Generator, recipe: Recipe) -> Acquisition:
        """Each with a probability of its own."""

        def perhaps(prob: float, value: float, otherwise: float = 0.0) -> float:
            return value if rng.random() < prob else otherwise

        return cls(
            bias=perhaps(recipe.bias_prob, rng.uniform(0, recipe.bias)),
            bias_seed=new_seed(rng),
            blur_pixels=perhaps(recipe.blur_prob, rng.uniform(*recipe.blur_sd)),
            half_resolution=perhaps(recipe.half_resolution_prob, rng.random()),
            noise_sd=perhaps(recipe.noise_prob, recipe.noise_sd * rng.random() ** 2),
            noise_seed=new_seed(rng),
            renormalised=bool(rng.random() < recipe.renormalise_prob),
            gamma=perhaps(recipe.gamma_prob, math.exp(rng.uniform(-recipe.log_gamma, recipe.log_gamma)), 1.0),
        )

    def apply(self, slice_: HeartSlice) -> HeartSlice:
        """In the order of the attributes."""
        cine = slice_.cine
        if self.bias:
            cine = cine * shading(self.bias_seed, self.bias, slice_.t2.shape)
        if self.blur_pixels > 0.1:
            cine = ndimage.gaussian_filter(cine, (0, self.blur_pixels, self.blur_pixels), truncate=3)
        if self.half_resolution:
            cine = cine + self.half_resolution * (coarse(cine) - cine)
        if self.noise_sd:
            cine = cine + noise(self.noise_seed, self.noise_sd, cine.shape)
        if self.renormalised:
            cine = rescaled(cine, slice_.view)
        return slice_.with_cine(np.clip(cine, 0, 1) ** self.gamma)


@dataclass(frozen=True)
class T2Acquisition:
    """The T2-STIR's gain, shading, gamma and noise; at most 1 before the noise, so that no bright wall is cut off."""

    gain: float
    bias: float
    bias_seed: int
    gamma: float
    noise_sd: float
    noise_seed: int

    @classmethod
    def draw(cls, rng: np.random.Generator, recipe: Recipe) -> T2Acquisition | None:
        """All at once, mild."""
        if rng.random() >= recipe.t2_prob:
            return None
        return cls(
            gain=1 - rng.uniform(0, recipe.t2_loss),
            bias=rng.uniform(0, recipe.t2_bias),
            bias_seed=new_seed(rng),
            gamma=math.exp(rng.uniform(-recipe.t2_log_gamma, recipe.t2_log_gamma)),
            noise_sd=rng.uniform(0, recipe.t2_noise_sd),
            noise_seed=new_seed(rng),
        )

    def apply(self, slice_: HeartSlice) -> HeartSlice:
        """One smooth factor and one exponent: a brighter sector of the wall stays brighter."""
        shape = slice_.t2.shape
        factor = shading(self.bias_seed, self.bias, shape)
        t2 = self.gain * slice_.t2**self.gamma * factor / factor.max()
        return slice_.with_t2(t2 + noise(self.noise_seed, self.noise_sd, shape))


def shading(seed: int, amplitude: float, shape: tuple[int, int]) -> np.ndarray:
    """Coil shading (H, W): the logarithm is smooth and reaches ``amplitude``."""
    field = smooth_noise(np.random.default_rng(seed), _BIAS_CELLS, shape)
    return np.asarray(np.exp(amplitude * field / np.abs(field).max()))


def noise(seed: int, sd: float, shape: tuple[int, ...]) -> np.ndarray:
    """Normal noise."""
    return np.asarray(sd * np.random.default_rng(seed).standard_normal(shape, dtype=np.float32))


def rescaled(image: np.ndarray, view: np.ndarray) -> np.ndarray:
    """(..., H, W) with percentiles of its first plane at 0 and 1, as preprocessing does; ``view``: where they count."""
    plane = image if image.ndim == view.ndim else image[0]
    low, high = np.percentile(plane[view], _PERCENTILES) if view.any() else (0, 1)
    return np.asarray((image - low) / max(high - low, 0.05))


def coarse(image: np.ndarray) -> np.ndarray:
    """(C, H, W) at half resolution: means of four pixels, linear in between."""
    height, width = image.shape[1:]
    even = image[:, : height // 2 * 2, : width // 2 * 2]
    means = even.reshape(len(image), height // 2, 2, width // 2, 2).mean(axis=(2, 4))
    rows, columns = ((np.arange(n) - 0.5) / 2 for n in (height, width))
    linear = (_linear(rows, height // 2), _linear(columns, width // 2))
    return np.asarray(linear[0] @ means @ linear[1].T, dtype=np.float32)


def _linear(places: np.ndarray, size: int) -> np.ndarray:
    """(len(places), size): linear interpolation at ``places``, the edge goes on."""
    return np.maximum(0, 1 - np.abs(np.clip(places, 0, size - 1)[:, None] - np.arange(size)))
