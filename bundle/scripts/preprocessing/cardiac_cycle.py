"""The cardiac cycle read from a cine's images: cavity area, end-diastole, end-systole, mid-diastole."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

# Half the side of the square around the heart's centre in which the cycle is read.
_HALF_MM = 45.0
# Of the heartbeat: blur of the curves; where mid-diastole lies after end-systole, at the earliest, usually, at the
# latest (end-systole at 0.3 to 0.4, diastasis at 0.6 to 0.85 of the RR interval at rest).
_BLUR_CYCLE = 0.03
_DIASTASIS_AFTER_SYSTOLE = (0.25, 0.37, 0.48)
# From end-diastole to end-systole, at the longest: 0.3 to 0.45 of the heartbeat [K], a little more where the cine
# leaves out its end. What lies farther apart is the way back, from end-systole to end-diastole.
_LONGEST_SYSTOLE = 0.58
# With fewer phases a curve has no quiet stretch to be found.
_FEWEST_PHASES = 8
# Least clarity of a curve from which mid-diastole is told.
LEAST_CLARITY = 0.7


def around_heart(cine: np.ndarray, centre: tuple[float, float], spacing_mm: np.ndarray) -> np.ndarray:
    """The part of a cine (X, Y, S, P) in a square of 90 mm around the heart's centre (voxel x, y)."""
    half = _HALF_MM / np.asarray(spacing_mm, float)
    low = np.maximum(np.floor(np.asarray(centre) - half), 0).astype(int)
    high = np.maximum(np.ceil(np.asarray(centre) + half), 1).astype(int) + 1
    return cine[low[0] : high[0], low[1] : high[1]]


def cavity_area(cine: np.ndarray) -> np.ndarray | None:
    """Bright blood per phase in the middle of the heart, (P,) float, arbitrary unit; None where nothing moves.

    A pixel counts by how far it lies between wall and blood, the darkest and the brightest of those that change most,
    and by how much it changes: fat and vessels that stand still add nothing. The middle slices only: at the base the
    atrium comes into view while the ventricle empties.

    Args:
        cine: (X, Y, S, P), around the heart, any linear scale.
    """
    slices = cine.shape[2]
    if cine.shape[3] < 2:
        return None
    frames = cine[:, :, slices // 4 : slices - slices // 4].astype(np.float32)
    frames = ndimage.gaussian_filter(frames, (1, 1, 0, 0), mode="nearest")
    change = frames.std(axis=3)
    if not change.max() > 1e-3 * float(np.abs(frames).max()):
        return None
    border = change >= np.percentile(change, 90)
    dark, bright = (float(np.median(one[border])) for one in (frames.min(axis=3), frames.max(axis=3)))
    blood = np.clip((frames - dark) / (bright - dark), 0, 1)
    weight = np.clip(change - np.median(change), 0, np.percentile(change, 99))
    return np.asarray((blood * weight[..., None]).sum(axis=(0, 1, 2)), dtype=float)


def end_phases(area: np.ndarray) -> tuple[int, int]:
    """End-diastole and end-systole: the phases of the largest and the smallest cavity, ``in_order``.

    Args:
        area: (P,), as ``cavity_area`` gives it; the order of the phases is a circle, wherever it begins.
    """
    smooth = cyclic_blur(area)
    return in_order(int(np.argmax(smooth)), int(np.argmin(smooth)), len(area))


def in_order(end_diastole: int, end_systole: int, phases: int) -> tuple[int, int]:
    """The two phases, exchanged where systole would last longer than a heart's does.

    Both can be mistaken for each other: in a wide heart that hardly moves, or where times do not count from the R wave.
    Of phases that cover the heartbeat evenly; of a few, nothing is exchanged.
    """
    systole = (end_systole - end_diastole) % phases / phases
    if phases >= _FEWEST_PHASES and systole > _LONGEST_SYSTOLE:
        return end_systole, end_diastole
    return end_diastole, end_systole


def mid_diastole(cine: np.ndarray, area: np.ndarray) -> int:
    """The phase of diastasis: after end-systole, where the heart rests longest.

    Of phases that cover the heartbeat evenly; where they are too few, the one a usual time after end-systole.

    Args:
        cine: (X, Y, S, P), around the heart; area: of its cavity, (P,).
    """
    phases = cine.shape[3]
    end_diastole, end_systole = end_phases(area)
    if phases < 3:
        return end_diastole
    after = (np.arange(phases) - end_systole) % phases / phases
    early, usual, late = _DIASTASIS_AFTER_SYSTOLE
    if phases < _FEWEST_PHASES:
        return int(np.argmin(np.abs(after - usual)))
    frames = np.moveaxis(cine.reshape(-1, phases).astype(np.float32), 1, 0)
    step = np.abs(np.roll(frames, -1, axis=0) - np.roll(frames, 1, axis=0)).mean(axis=1)
    motion = cyclic_blur(step)
    # A far phase must rest clearly better than one at the usual time.
    cost = motion / max(float(np.ptp(motion)), 1e-12) + np.abs(after - usual)
    return int(np.argmin(np.where((after >= early) & (after <= late), cost, np.inf)))


def cyclic_blur(curve: np.ndarray) -> np.ndarray:
    """A curve over the phases of the heartbeat, (..., P), smoothed; the first phase follows the last."""
    return ndimage.gaussian_filter1d(curve.astype(float), _BLUR_CYCLE * curve.shape[-1], axis=-1, mode="wrap")


def curve_clarity(area: np.ndarray) -> float:
    """How much of a cavity's curve (P,) is a smooth heartbeat and no noise, 0..1; 0 with too few phases to tell.

    Share of its variance in the first two harmonics of the cycle.
    """
    if len(area) < _FEWEST_PHASES:
        return 0.0
    power = np.abs(np.fft.rfft(area - area.mean()))[1:] ** 2
    if len(area) % 2 == 0:
        power[-1] /= 2
    return float(power[:2].sum() / power.sum())
