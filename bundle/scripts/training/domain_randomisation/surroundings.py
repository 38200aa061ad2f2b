"""Other surroundings: those of another subject, or level sets of smooth noise with seams and discs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from .fields import new_seed, smooth_noise, step
from .heart_slice import HeartSlice
from .recipe import Recipe

_LEVELS = 9
_MOST_DISCS = 14
# SD of the edges of level sets, pixels
_EDGE = 0.7
# a donor's heart is filled in with the fat around it, fading between these distances, pixels
_FILLED = (5.0, 8.0)
_DISC_RADIUS = (1.2, 14.0)


@dataclass(frozen=True)
class Surroundings:
    """What lies farther than ``start_pixels`` from the heart is replaced, everywhere or in random parts.

    With a donor all sequences are its own there, the LGE too: cine, T2-STIR and LGE of one place stay those of one
    scan, and its heart is filled in. Level sets replace cine and T2-STIR.

    Attributes:
        donor: which of the slices on offer lends its surroundings, 0..1 through their list; None = level sets.
        start_pixels: distance from the heart.
        parts: share of the surroundings that is replaced.
        pattern_seed: of level sets, seams, discs and parts.
    """

    donor: float | None
    start_pixels: float
    parts: float
    pattern_seed: int

    @classmethod
    def draw(cls, rng: np.random.Generator, recipe: Recipe) -> Surroundings | None:
        """Half from a donor, half of all everywhere."""
        if rng.random() >= recipe.surroundings_prob:
            return None
        donor = rng.random() if rng.random() < 0.5 else None
        parts = 1.0 if rng.random() < 0.5 else rng.uniform(0.25, 0.75)
        return cls(donor, rng.uniform(*recipe.surroundings_from), parts, new_seed(rng))

    def apply(self, slice_: HeartSlice) -> HeartSlice:
        """The slice's own donor is used; without one, level sets."""
        rng = np.random.default_rng(self.pattern_seed)
        shape = slice_.t2.shape
        there = step(slice_.anatomy.from_heart, self.start_pixels, self.start_pixels + 1.5)
        if self.parts < 1:
            chosen = smooth_noise(rng, 4, shape)
            there = there * step(chosen, *np.quantile(chosen, 1 - self.parts) + np.array([-0.05, 0.05]))
        donor = None if self.donor is None else slice_.donor
        cine, t2 = _level_sets(rng, shape)
        lge = slice_.lge
        if donor is not None:
            fill = 1 - step(donor.anatomy.from_heart, *_FILLED) * donor.view
            cine, t2 = (
                new + fill * (blobs - new) for new, blobs in ((_level_matched(donor, slice_), cine), (donor.t2, t2))
            )
            # no LGE is known where the donor's heart was filled in
            borrowed = there * (1 - fill)
            lge = (lge + borrowed * (donor.lge - lge)).astype(np.float32)
        view = slice_.view | (there > 0.5)
        changed = replace(slice_, lge=lge, view=view)
        t2_there = there * (1 if donor is None or donor.t2.any() else 0)
        return changed.with_cine(slice_.cine + there * (cine - slice_.cine)).with_t2(
            slice_.t2 + t2_there * (t2 - slice_.t2)
        )


def _level_matched(donor: HeartSlice, slice_: HeartSlice) -> np.ndarray:
    """The donor's cine, scaled so that its wall has the level of the slice's; a channel it lacks is its first."""
    cine = np.where(donor.shown[:, None, None], donor.cine, donor.cine[:1])
    points, values = ((0, *levels, max(1, levels[1] + 0.05)) for levels in (donor.levels, slice_.levels))
    return np.interp(cine, points, values)


def _level_sets(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Cine and T2-STIR (H, W) of random shapes: equal areas of smooth noise, each with a level; seams; discs."""
    noise = smooth_noise(rng, int(rng.integers(3, 10)), shape) + 0.4 * smooth_noise(
        rng, int(rng.integers(3, 10)), shape
    )
    cuts = np.quantile(noise, np.sort(rng.uniform(0, 1, _LEVELS - 1)))
    areas = np.digitize(noise, cuts)
    cine = np.where(rng.random(_LEVELS) < 0.3, rng.uniform(0, 0.15, _LEVELS), rng.uniform(0, 1, _LEVELS))[areas]
    t2 = rng.uniform(0, 0.6, _LEVELS)[areas]
    if rng.random() < 0.35:
        seam = (np.diff(areas, axis=0, append=areas[-1:]) != 0) | (np.diff(areas, axis=1, append=areas[:, -1:]) != 0)
        cine = np.where(seam, rng.random(), cine)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    for _ in range(rng.integers(0, _MOST_DISCS + 1)):
        centre, radius = rng.uniform(0, 1, 2) * shape, np.exp(rng.uniform(*np.log(_DISC_RADIUS)))
        disc = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < radius**2
        level, t2_level = rng.random(), rng.uniform(0, 0.6)
        cine[disc], t2[disc] = level, t2_level
    smooth = ndimage.gaussian_filter(np.stack([cine, t2]), (0, _EDGE, _EDGE), truncate=3)
    return smooth[0], smooth[1]
