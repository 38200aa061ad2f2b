"""The cine phase whose images agree best with another sequence, by the agreement that the registration uses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from ..volumes.pixel_maps import working_map
from ..volumes.resampling import resample_planes
from .agreement import agreement
from .cardiac_cycle import cyclic_blur
from .heart_mask import HALF_MM, STILL_HEART_MM, circle, heart_masks, motion_strength

# Largest shift between two breath-holds that is looked for, mm; least share of the heart that the other sequence shows;
# at most so many slices and phases are compared, evenly spread.
_REACH_MM, _LEAST_COVERED, _MOST_SLICES, _MOST_PHASES = 10, 0.6, 8, 13
# Phases within this share of the curve's range count as equally good; cavities that differ by this share of the stroke
# as different moments.
_NEAR_BEST, _OTHER_MOMENT = 0.1, 0.25
# Least gain of the best phase: phantoms of seeds 21 and 22 reach 1.1 and more, noise in place of a heart 0.2 at most.
_LEAST_GAIN = 0.5
# Least confidence at which the images decide.
LEAST_CONFIDENCE = 0.8


class Partner(NamedTuple):
    """Another sequence of the same slices.

    name: for messages. array: (X2, Y2, S2). pixel_maps: (S, 3, 3) cine pixel -> its pixel; slices: (S,), its slice for
    each of the cine, -1 where there is none (as volumes.grids.GridMatch).
    """

    name: str
    array: np.ndarray
    pixel_maps: np.ndarray
    slices: np.ndarray


def phase_scores(cine: np.ndarray, partner: Partner, centre: tuple[float, float], spacing_mm: np.ndarray) -> np.ndarray:
    """Agreement of every slice that both show with each phase, (n, P); n is 0 where they share no heart.

    Above what two images agree by chance (Agreement.gain); each at the in-plane shift at which it is best, since two
    breath-holds differ; without change of size, which is what the phases differ in.

    Args:
        cine: (X, Y, S, P). centre: of the heart, voxel (x, y).
    """
    phases, spacing_mm = cine.shape[3], np.asarray(spacing_mm, float)
    narrow, wide = (working_map(np.asarray(centre), spacing_mm, half) for half in (HALF_MM, HALF_MM + _REACH_MM))
    shared = np.flatnonzero(np.asarray(partner.slices) >= 0)
    if not len(shared):
        return np.zeros((0, phases))
    shared = shared[np.unique(np.linspace(0, len(shared) - 1, _MOST_SLICES).round().astype(int))]
    side = 2 * HALF_MM + 1

    def seen(volume: np.ndarray) -> np.ndarray:
        found, _ = resample_planes(volume, np.tile(narrow, (len(shared), 1, 1)), shared, (side, side))
        return np.moveaxis(found, 2, 0)

    moving, inside = resample_planes(
        partner.array, partner.pixel_maps[shared] @ wide, partner.slices[shared], (side + 2 * _REACH_MM,) * 2
    )
    moving, inside = np.moveaxis(moving, 2, 0), np.moveaxis(inside, 2, 0)[:, _REACH_MM:-_REACH_MM, _REACH_MM:-_REACH_MM]
    strength = motion_strength(cine, spacing_mm)
    still = np.tile(circle(side, STILL_HEART_MM), (len(shared), 1, 1))
    hearts = still if strength is None else heart_masks(seen(strength))
    masks = hearts & inside
    inner = moving[:, _REACH_MM:-_REACH_MM, _REACH_MM:-_REACH_MM]
    use = [
        n
        for n in range(len(shared))
        if masks[n].sum() >= _LEAST_COVERED * max(hearts[n].sum(), 1) and np.ptp(inner[n][masks[n]]) > 0
    ]
    if not use:
        return np.zeros((0, phases))
    tried = np.unique(np.linspace(0, phases, min(phases, _MOST_PHASES), endpoint=False).round().astype(int))
    scores = []
    for phase in tried:
        fixed = seen(cine[..., phase])[use]
        found = agreement(fixed, moving[use], masks[use], scales=())
        scores.append([found.gain(at) for at in range(len(use))])
    every = np.arange(phases)
    return np.stack([np.interp(every, tried, one, period=phases) for one in np.transpose(scores)])


class Match(NamedTuple):
    """The phase that agrees best, and how sure that is, 0..1."""

    phase: int
    confidence: float


def best_match(
    cine: np.ndarray,
    partner: Partner,
    centre: tuple[float, float],
    spacing_mm: np.ndarray,
    area: np.ndarray,
    rest: int,
) -> Match | None:
    """The phase whose images agree best with a sequence; None where that shows no heart of the cine.

    Args:
        cine, partner, centre, spacing_mm: as phase_scores.
        area: of the cavity, (P,); rest: the phase of mid-diastole.
    """
    scores = phase_scores(cine, partner, centre, spacing_mm)
    return chosen(scores, area, rest) if len(scores) else None


def chosen(scores: np.ndarray, area: np.ndarray, rest: int) -> Match:
    """The best phase of scores (n, P), one row per slice, smoothed over the heartbeat.

    Phases nearly as good as the best show a heart of the same size, which is met twice in a heartbeat: of these the
    nearest to mid-diastole is taken. The confidence is the least probability, by a paired t-test over the slices, that
    the phase agrees better than one at which the cavity differs; 0 where even the best phase hardly agrees.

    Args:
        area: of the cavity, (P,); rest: the phase of mid-diastole.
    """
    smooth = cyclic_blur(scores)
    mean, phases = smooth.mean(axis=0), np.arange(scores.shape[1])
    near = mean >= mean.max() - _NEAR_BEST * np.ptp(mean)
    away = np.abs((phases - rest + len(phases) // 2) % len(phases) - len(phases) // 2)
    phase = int(np.argmin(np.where(near, away - 1e-6 * (mean - mean.min()), np.inf)))
    other = np.abs(area - area[phase]) > _OTHER_MOMENT * np.ptp(area)
    if len(scores) < 2 or not other.any() or mean.max() < _LEAST_GAIN:
        return Match(phase, 0.0)
    gain = smooth[:, [phase]] - smooth[:, other]
    error = gain.std(axis=0, ddof=1) / np.sqrt(len(gain)) + 1e-9
    least = float((gain.mean(axis=0) / error).min())
    return Match(phase, float(np.clip(2 * stats.t.cdf(least, len(gain) - 1) - 1, 0, 1)))
