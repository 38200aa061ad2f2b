"""Agreement of slices of two sequences at every in-plane shift.

Two sequences of the heart differ in contrast, their borders agree. The agreement of two slices at a shift is the mutual
information inside the heart, its joint histogram shared by the stack because one slice holds too few pixels for its
own, plus the mean squared cosine between gradient directions. Through-plane motion between two breath-holds makes the
heart of a slice larger or smaller; the moving slice is therefore also compared somewhat enlarged and shrunk. Working
grid: 1 mm, around the heart. Cost: correlations by FFT, all shifts at once, so that no start value can be wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import fft, ndimage

from ..volumes.pixel_maps import rotation

# Tuned on phantom seeds 5 and 7 (benchmarks/registration.py), flat within a factor of two.
_BINS, _BLUR_BINS, _OWN_SHARE = 32, 1.5, 0.5
_GRADIENT_WEIGHT, _EDGE_MM, _EDGE_FLOOR = 8.0, 0.7, 0.2
SCALES, _SCALE_COST = (0.8, 0.9, 1.1, 1.2), 0.4
# A shift costs this much per mm2, shared by the pixels of the mask: small hearts at the apex move on evidence only.
_SHIFT_COST_PER_MM2 = 8.0
_PASSES = 2
# Largest error of a factored table, nats; in 56 slices it moved a displacement by 0.003 mm at most.
TABLE_ERROR = 0.05


@dataclass(frozen=True)
class Best:
    """``shift_mm`` (2,), the agreement there, and how far the shift lies from the best by mutual information alone."""

    shift_mm: np.ndarray
    value: float
    residual_mm: float


@dataclass(frozen=True)
class Agreement:
    """Of each slice: ``surface`` (S, 2 R + 1, 2 R + 1) at shifts -R..R mm, ``information`` its part without borders,
    ``cost`` what is subtracted before a shift is chosen, ``pivots`` (S, 2) the heart's middle in mm from the middle of
    the working grid."""

    surface: np.ndarray
    information: np.ndarray
    cost: np.ndarray
    pivots: np.ndarray

    def best(self, slice_index: int) -> Best:
        """The shift that agrees best, at sub-millimetre precision."""
        cost = self.cost[slice_index]
        shift_mm = peak(self.surface[slice_index] - cost)
        residual_mm = float(np.hypot(*(peak(self.information[slice_index] - cost) - shift_mm)))
        return Best(shift_mm, self.at(slice_index, shift_mm), residual_mm)

    def at(self, slice_index: int, shift_mm: np.ndarray) -> float:
        """Agreement of a slice at a shift, nats per pixel and more for agreeing borders."""
        reach = self.surface.shape[1] // 2
        where = np.asarray(shift_mm, float)[:, None] + reach
        return float(ndimage.map_coordinates(self.surface[slice_index], where, order=1, mode="nearest")[0])

    def gain(self, slice_index: int) -> float:
        """How far the best shift stands above the usual one, which noise and mere density of borders reach as well."""
        return self.best(slice_index).value - float(np.median(self.surface[slice_index]))

    def averaged(self, slices: list[int], other: Agreement) -> Agreement:
        """The mean of this and ``other``, which holds the agreement of ``slices`` only; the rest stays."""
        surface, information = self.surface.copy(), self.information.copy()
        surface[slices] = (surface[slices] + other.surface) / 2
        information[slices] = (information[slices] + other.information) / 2
        return replace(self, surface=surface, information=information)


def agreement(
    fixed: np.ndarray,
    moving: np.ndarray,
    masks: np.ndarray,
    turn_deg: float = 0.0,
    pivots: np.ndarray | None = None,
    scales: Sequence[float] = SCALES,
) -> Agreement:
    """Agreement of two stacks, slice by slice, at every whole-mm shift.

    Args:
        fixed: (S, N, N), 1 mm pixels.
        moving: (S, N + 2 R, N + 2 R), the same place with a margin of R on each side; R is the largest shift.
        masks: (S, N, N) bool, the heart in ``fixed``, not empty.
        turn_deg: the moving slices are turned about the heart's middle by this angle before they are compared.
        pivots: (S, 2) that middle, as Agreement's; the middle of each mask where not given.
        scales: the moving slices are also compared enlarged and shrunk by these.
    """
    middles = [None] * len(masks) if pivots is None else pivots + (fixed.shape[1] - 1) / 2
    pairs = [_Pair(*four) for four in zip(fixed, moving, masks, middles, strict=True)]
    bins = _binned(moving, _inner(moving, fixed.shape[1])[masks])
    fixed_bins = _binned(fixed, fixed[masks])
    cost = np.stack([_shift_cost(pair) for pair in pairs])
    edges = np.stack([pair.edges(pair.variant(pair.moving, 1.0, turn_deg)) for pair in pairs])
    total = _GRADIENT_WEIGHT * edges
    turned = np.stack([pair.variant(one, 1.0, turn_deg, order=0) for pair, one in zip(pairs, bins, strict=True)])
    for _ in range(_PASSES):
        shifts = np.rint([peak(one - less) for one, less in zip(total, cost, strict=True)]).astype(int)
        joint = [p.joint(*three) for p, *three in zip(pairs, fixed_bins, turned, shifts, strict=True)]
        shared = np.mean(joint, axis=0)
        tables = [factors(_information((1 - _OWN_SHARE) * shared + _OWN_SHARE * own)) for own in joint]
        spectra = [p.spectra(own, left) for p, own, (left, _) in zip(pairs, fixed_bins, tables, strict=True)]
        every = zip(pairs, spectra, turned, tables, strict=True)
        information = np.stack([p.information(spectrum, view, right) for p, spectrum, view, (_, right) in every])
        total = information + _GRADIENT_WEIGHT * edges
    # A turned view is compared unscaled: rotation is rare, and has to win against all scales.
    for scale in scales if turn_deg == 0.0 else ():
        less = _SCALE_COST * abs(np.log(scale))
        for s, pair in enumerate(pairs):
            other = pair.information(spectra[s], pair.variant(bins[s], scale, turn_deg, order=0), tables[s][1]) - less
            information[s] = np.maximum(information[s], other)
            other = other + _GRADIENT_WEIGHT * pair.edges(pair.variant(pair.moving, scale, turn_deg))
            total[s] = np.maximum(total[s], other)
    pivots = np.stack([pair.pivot - (fixed.shape[1] - 1) / 2 for pair in pairs])
    return Agreement(total, information, cost, pivots)


class _Pair:
    """One slice of both stacks; correlations over all shifts share the transform of the fixed side."""

    def __init__(
        self, fixed: np.ndarray, moving: np.ndarray, mask: np.ndarray, pivot: np.ndarray | None = None
    ) -> None:
        self.moving, self.mask, self.area = moving, mask, int(mask.sum())
        self.margin = (len(moving) - len(fixed)) // 2
        self.pivot = np.array(ndimage.center_of_mass(mask)) if pivot is None else pivot
        self._side = fft.next_fast_len(len(moving), real=True)
        x, y = _directions(fixed, mask)
        self._edges = self._spectrum(np.stack([x * x, 2 * x * y, y * y]).astype(np.float32) * mask)

    def edges(self, moving: np.ndarray) -> np.ndarray:
        """Mean squared cosine between the gradients; Haber and Modersitzki, MICCAI 2006 (normalised gradients)."""
        x, y = _directions(moving, np.pad(self.mask, self.margin))
        return self._correlated(self._edges, np.stack([x * x, x * y, y * y]).astype(np.float32))

    def spectra(self, fixed_bins: np.ndarray, left: np.ndarray) -> np.ndarray:
        return self._spectrum(left[:, fixed_bins] * self.mask)

    def information(self, spectra: np.ndarray, moving_bins: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Mean over the mask of a table's value at [fixed, moving], at every shift; the table as ``factors``."""
        return self._correlated(spectra, right[:, moving_bins])

    def joint(self, fixed_bins: np.ndarray, moving_bins: np.ndarray, shift: np.ndarray) -> np.ndarray:
        """(_BINS, _BINS) joint histogram at a shift, sum 1."""
        low = shift + self.margin
        seen = moving_bins[low[0] : low[0] + len(self.mask), low[1] : low[1] + len(self.mask)]
        codes = fixed_bins[self.mask] * _BINS + seen[self.mask]
        return np.bincount(codes, minlength=_BINS**2).reshape(_BINS, _BINS) / self.area

    def variant(self, moving: np.ndarray, scale: float, turn_deg: float, order: int = 1) -> np.ndarray:
        """The moving slice seen through ``scale`` and turn about the heart's middle."""
        if scale == 1.0 and turn_deg == 0.0:
            return moving
        matrix, pivot = scale * rotation(turn_deg), self.pivot + self.margin
        return ndimage.affine_transform(moving, matrix, pivot - matrix @ pivot, order=order, mode="nearest")

    def _spectrum(self, images: np.ndarray) -> np.ndarray:
        return fft.rfft2(images, (self._side, self._side))

    def _correlated(self, spectra: np.ndarray, moving: np.ndarray) -> np.ndarray:
        product = np.einsum("bij,bij->ij", np.conj(spectra), self._spectrum(moving))
        shifts = slice(0, 2 * self.margin + 1)
        return fft.irfft2(product, (self._side, self._side))[shifts, shifts] / self.area


def peak(surface: np.ndarray) -> np.ndarray:
    """(2,) shift of the largest value of (2 R + 1, 2 R + 1), refined by a parabola along each axis."""
    reach = len(surface) // 2
    top = np.array(np.unravel_index(int(np.argmax(surface)), surface.shape))
    found = (top - reach).astype(float)
    for axis in (0, 1):
        line = surface[:, top[1]] if axis == 0 else surface[top[0]]
        if 0 < top[axis] < 2 * reach:
            before, here, after = line[top[axis] - 1 : top[axis] + 2]
            bend = before - 2 * here + after
            if np.isfinite(bend) and bend < 0:
                found[axis] += 0.5 * (before - after) / bend
    return found


def _directions(picture: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit gradient, shorter where the image is flat: by noise alone no direction counts."""
    x, y = (ndimage.gaussian_filter(picture, _EDGE_MM, order=order) for order in ((1, 0), (0, 1)))
    size = np.hypot(x, y)
    size = np.hypot(size, _EDGE_FLOOR * np.percentile(size[mask], 80) + 1e-9)
    return x / size, y / size


def _binned(stack: np.ndarray, inside: np.ndarray) -> np.ndarray:
    low, high = np.percentile(inside, (1, 99))
    return np.clip((stack - low) / max(high - low, 1e-9) * _BINS, 0, _BINS - 1).astype(np.int16)


def _inner(moving: np.ndarray, side: int) -> np.ndarray:
    margin = (moving.shape[1] - side) // 2
    return moving[:, margin : margin + side, margin : margin + side]


def _information(joint: np.ndarray) -> np.ndarray:
    """Pointwise mutual information log p(a, b) / p(a) p(b) of a joint histogram, nats, (_BINS, _BINS), float32."""
    joint = ndimage.gaussian_filter(joint, _BLUR_BINS) + 1e-5
    joint /= joint.sum()
    return np.log(joint / (joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True))).astype(np.float32)


def factors(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(r, bins) twice, products summing to ``table`` (bins, bins) within TABLE_ERROR; a smooth one needs few."""
    u, size, v = np.linalg.svd(table.astype(np.float64))
    left, right = (u * size).T, v
    missing = table - np.cumsum(left[:, :, None] * right[:, None, :], axis=0)
    rank = 1 + int(np.argmax(np.abs(missing).max(axis=(1, 2)) <= TABLE_ERROR))
    return left[:rank].astype(np.float32), right[:rank].astype(np.float32)


def _shift_cost(pair: _Pair) -> np.ndarray:
    at = np.arange(-pair.margin, pair.margin + 1)
    far = at[:, None] ** 2 + at[None, :] ** 2
    # Beyond the reach no shift may be chosen; the corners of the square are farther than its sides.
    return np.where(far <= pair.margin**2, _SHIFT_COST_PER_MM2 / pair.area * far, np.inf)
