"""Working grid of a registration: both stacks around the heart at 1 mm, and how well they agree there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..conventions import LGE, SEQUENCES
from ..preprocessing.agreement import Agreement, agreement
from ..preprocessing.heart_mask import HALF_MM, STILL_HEART_MM, circle, heart_cores, heart_masks, motion_strength
from ..volumes.pixel_maps import working_map
from ..volumes.resampling import resample_planes
from .settings import RegistrationSettings
from .slice_matching import SliceMatches

# Least share of a heart that a companion must show, as the border of its field of view stands still.
_LEAST_SHARED = 0.9


class Companion(NamedTuple):
    """A sequence already in place: ``volume`` (X, Y, S) on the cine's slices; ``inside`` bool, the same shape, where it
    shows something to be relied on; ``name`` for the report."""

    volume: np.ndarray
    inside: np.ndarray
    name: str


class Place(NamedTuple):
    """Where the stacks lie: heart's ``centre`` (cine voxel), cine pixel size, maps from cine slice to moving slice
    (S, 3, 3), and which slices belong together."""

    centre: np.ndarray
    spacing_mm: np.ndarray
    to_moving: np.ndarray
    matches: SliceMatches


@dataclass(frozen=True)
class Views:
    """The stacks on the working grid, (n, N, N), of the slices ``numbers`` of the cine.

    moving: wider by the largest shift. hearts, masks: the heart, and what the moving stack shows of it. cores: what
    moves most of that; None where the whole counts alone. companion: images; shared (n,): its name, where used.
    to_cine (3, 3): working pixel -> cine voxel, ``to_moving`` (S, 3, 3): on from there.
    """

    numbers: list[int]
    fixed: np.ndarray
    moving: np.ndarray
    hearts: np.ndarray
    masks: np.ndarray
    cores: np.ndarray | None
    companion: np.ndarray
    shared: list[str]
    to_cine: np.ndarray
    to_moving: np.ndarray

    @property
    def margin(self) -> int:
        """Pixels by which the moving images are wider, on each side."""
        return (self.moving.shape[1] - self.fixed.shape[1]) // 2

    def compared_with(self, n: int) -> tuple[str, ...]:
        """Names of the sequences that image ``n`` is compared with."""
        return (SEQUENCES[0], *filter(None, [self.shared[n]]))

    def compared(self, use: list[int], turn_deg: float) -> Agreement:
        """Agreement of the images ``use``, the moving ones turned: the mean over heart and core, cine and companion.

        An apex of black wall has few borders with the cine, and vessels around it that stand still.
        """
        found = self._with_companion(self.masks, use, turn_deg)
        if self.cores is None:
            return found
        core = self._with_companion(self.cores, use, turn_deg, found.pivots)
        return found.averaged(list(range(len(use))), core)

    def _with_companion(
        self, masks: np.ndarray, use: list[int], turn_deg: float, pivots: np.ndarray | None = None
    ) -> Agreement:
        found = agreement(self.fixed[use], self.moving[use], masks[use], turn_deg, pivots)
        both = [at for at, n in enumerate(use) if self.shared[n]]
        if not both:
            return found
        n = [use[at] for at in both]
        other = agreement(self.companion[n], self.moving[n], masks[n], turn_deg, found.pivots[both])
        return found.averaged(both, other)


def make_views(
    cine: np.ndarray,
    phase: int,
    moving: np.ndarray,
    place: Place,
    settings: RegistrationSettings,
    companion: Companion | None,
) -> Views:
    """Both stacks on a grid of 1 mm around the heart.

    Args:
        cine: (X, Y, S, T), of which ``phase`` is compared; moving: (X2, Y2, S2).
        settings: of them the largest shift; the core of the heart counts for itself where the sequence is LGE.
    """
    margin, side = int(np.ceil(settings.max_displacement_mm)) + 1, 2 * HALF_MM + 1
    narrow, wide = (working_map(place.centre, place.spacing_mm, half) for half in (HALF_MM, HALF_MM + margin))
    every, matches = np.arange(cine.shape[2]), place.matches

    def seen(volume: np.ndarray, maps: np.ndarray, slices: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        image, inside = resample_planes(volume, maps, slices, (size, size))
        return np.moveaxis(image, 2, 0), np.moveaxis(inside, 2, 0)

    def seen_here(volume: np.ndarray) -> np.ndarray:
        return seen(volume, np.tile(narrow, (len(every), 1, 1)), every, side)[0]

    images, covered = seen(moving, place.to_moving @ wide, matches.moving, side + 2 * margin)
    inside, n = covered[:, margin:-margin, margin:-margin], np.flatnonzero(matches.available)
    strength, cores = motion_strength(cine, place.spacing_mm), None
    if strength is None:
        hearts = np.tile(circle(side, STILL_HEART_MM), (len(every), 1, 1))
    else:
        motion = seen_here(strength)
        hearts = heart_masks(motion)
        cores = heart_cores(motion, hearts & inside)[n] if settings.sequence == LGE else None
    masks, beside, shared = hearts & inside, np.zeros(hearts.shape, np.float32), [""] * len(hearts)
    if companion is not None:
        beside, shown = seen_here(companion.volume), seen_here(companion.inside.astype(np.float32)) > 0.5
        used = [_shares(*three) for three in zip(beside, shown, masks, strict=True)]
        shared = [companion.name if one else "" for one in used]
    return Views(
        numbers=n.tolist(),
        fixed=seen_here(cine[..., phase])[n],
        moving=images[n],
        hearts=hearts[n],
        masks=masks[n],
        cores=cores,
        companion=beside[n],
        shared=[shared[s] for s in n],
        to_cine=narrow,
        to_moving=place.to_moving,
    )


def _shares(companion: np.ndarray, shown: np.ndarray, mask: np.ndarray) -> bool:
    """Whether a companion's image can be compared with in the mask of a heart."""
    return bool(mask.any() and shown[mask].mean() >= _LEAST_SHARED and np.ptp(companion[mask]) > 0)
