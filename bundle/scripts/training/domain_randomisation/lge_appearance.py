"""What an LGE may look like: contrast of its tissues, mottling, shading, blur, coarse pixels, noise, gamma."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ...conventions import LABEL_NAMES
from .acquisition import coarse, noise, rescaled, shading
from .fields import new_seed
from .heart_slice import HeartSlice
from .recipe import Recipe
from .textures import mottling, mottling_weights

_INFARCT = LABEL_NAMES.index("infarct"), LABEL_NAMES.index("no_reflow")
_MYOCARDIUM = LABEL_NAMES.index("myocardium"), LABEL_NAMES.index("oedema")
# SD in pixels: a tissue's change fades out over its border as its signal does.
_BORDER = 0.7


@dataclass(frozen=True)
class LgeAppearance:
    """For networks that read an LGE; the border between infarct and wall stays where the label has it.

    Attributes:
        blood, wall: added to blood pool and viable wall, on the scale of the image: time since contrast, inversion
            time. The blood stays brighter than the wall by ``least_contrast``, where it was.
        infarct_contrast: factor on the infarct's distance from the median of the viable wall.
        outside: factor on all that is not LV.
        texture_sd: SD of the mottling; texture_weights, texture_seed: of its scales and its shape.
        bias: amplitude of the shading's logarithm; bias_seed: of its shape.
        blur_pixels: SD of a Gaussian.
        half_resolution: share of the image at half resolution that is mixed in.
        noise_sd: on the scale of the image; noise_seed: of its values.
        gamma: exponent.
    """

    blood: float
    wall: float
    least_contrast: float
    infarct_contrast: float
    outside: float
    texture_sd: float
    texture_weights: tuple[float, ...]
    texture_seed: int
    bias: float
    bias_seed: int
    blur_pixels: float
    half_resolution: float
    noise_sd: float
    noise_seed: int
    gamma: float

    @classmethod
    def draw(cls, rng: np.random.Generator, recipe: Recipe) -> LgeAppearance:
        """Tissues always; blur and coarse pixels each in some of the slices."""
        return cls(
            blood=rng.uniform(*recipe.lge_blood),
            wall=rng.uniform(*recipe.lge_wall),
            least_contrast=recipe.lge_least_contrast,
            infarct_contrast=rng.uniform(*recipe.lge_infarct_contrast),
            outside=rng.uniform(*recipe.lge_outside),
            texture_sd=rng.uniform(0, recipe.lge_texture_sd),
            texture_weights=mottling_weights(rng),
            texture_seed=new_seed(rng),
            bias=rng.uniform(0, recipe.lge_bias),
            bias_seed=new_seed(rng),
            blur_pixels=rng.uniform(*recipe.lge_blur_sd) if rng.random() < recipe.lge_blur_prob else 0.0,
            half_resolution=rng.random() if rng.random() < recipe.lge_half_resolution_prob else 0.0,
            noise_sd=recipe.lge_noise_sd * rng.random() ** 2,
            noise_seed=new_seed(rng),
            gamma=math.exp(rng.uniform(-recipe.lge_log_gamma, recipe.lge_log_gamma)),
        )

    def apply(self, slice_: HeartSlice) -> HeartSlice:
        """In the order of the attributes."""
        lge = self._tissues(slice_)
        rng = np.random.default_rng(self.texture_seed)
        lge = lge + self.texture_sd * mottling(rng, self.texture_weights, lge.shape)
        lge = lge * shading(self.bias_seed, self.bias, lge.shape)
        if self.blur_pixels > 0.1:
            lge = ndimage.gaussian_filter(lge, self.blur_pixels, truncate=3)
        if self.half_resolution:
            lge = lge + self.half_resolution * (coarse(lge[None])[0] - lge)
        lge = lge + noise(self.noise_seed, self.noise_sd, lge.shape)
        return slice_.with_lge(np.clip(rescaled(lge, slice_.view), 0, 1) ** self.gamma)

    def _tissues(self, slice_: HeartSlice) -> np.ndarray:
        lge, label = slice_.lge, slice_.anatomy.label
        blood, viable, infarct = slice_.anatomy.blood, np.isin(label, _MYOCARDIUM), np.isin(label, _INFARCT)
        remote = float(np.median(lge[viable])) if viable.any() else 0.0
        contrast = float(np.median(lge[blood])) - remote if blood.any() and viable.any() else 1.0
        least = self.wall + self.least_contrast - contrast if contrast >= self.least_contrast else self.blood
        blood_change = max(self.blood, least)
        changed = lge * self.outside
        for tissue, value in (
            (blood, lge + blood_change),
            (viable, lge + self.wall),
            (infarct, remote + self.wall + self.infarct_contrast * (lge - remote)),
        ):
            share = ndimage.gaussian_filter(tissue.astype(np.float32), _BORDER, truncate=3)
            changed = changed + share * (value - lge * self.outside)
        return np.asarray(changed, dtype=np.float32)
