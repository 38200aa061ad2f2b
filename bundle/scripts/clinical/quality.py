"""Quality flags: findings in a result that ask a reader to look again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .. import conventions
from .volumes import slices_with, structure_mask

# Fractions and levels below are engineering limits, not clinical ones: they only decide who looks again.
STRAY_FRACTION = 0.05  # part of the wall (or infarct) of a slice that may lie apart before it is flagged
NEARLY_CONSTANT = 0.05  # 5-95 percentile range of a virtual LGE slice, on conventions.INTENSITY_RANGE
CROP_MARGIN_PIXELS = 1.0
EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True)
class Flag:
    """One finding; ``review`` says whether a reader has to look before the numbers are used."""

    flag: str
    message: str
    review: bool = True


@dataclass(frozen=True)
class CropWindow:
    """What the network saw: homogeneous matrices (S, 3, 3), crop pixel to cine voxel, and the crop's size in pixels."""

    crop_to_cine: np.ndarray
    size: tuple[int, int]


@dataclass(frozen=True)
class CineDoubt:
    """What is doubtful about the cine itself.

    ``phase``: why its phase may not be the one of the other sequences; empty where there is no doubt. ``static``: it
    shows no motion; ``static_allowed``: the infarct is measured nevertheless.
    """

    phase: str = ""
    static: bool = False
    static_allowed: bool = False


def quality_flags(
    label: np.ndarray,
    virtual_lge: np.ndarray,
    sequences_used: tuple[str, ...],
    crop: CropWindow | None = None,
    cine: CineDoubt = CineDoubt(),
) -> list[Flag]:
    """All findings of one subject, in a fixed order.

    Args:
        label: (X, Y, S), disk codes; virtual_lge: (X, Y, S), 0..1, 0 outside the crop.
        sequences_used: the ones of conventions.SEQUENCES that were there.
    """
    found = [*_missing_sequences(sequences_used), *_doubtful_cine(cine)]
    found += [*label_flags(label), *_nearly_constant(virtual_lge)]
    return found if crop is None else [*found, *_touching_crop(label, crop)]


def label_flags(label: np.ndarray) -> list[Flag]:
    """What a label map (X, Y, S), disk codes, shows by itself, in a fixed order."""
    return [*_missing_structures(label), *_gaps(label), *_stray_wall(label), *_stray_infarct(label)]


def review_needed(flags: list[Flag]) -> bool:
    """True when a reader has to look before the numbers are used."""
    return any(flag.review for flag in flags)


def slice_numbers(indices: list[int]) -> str:
    """Slice numbers as a reader counts them, from 1."""
    return ("slice " if len(indices) == 1 else "slices ") + ", ".join(str(index + 1) for index in indices)


def _missing_sequences(sequences_used: tuple[str, ...]) -> list[Flag]:
    missing = [name for name in conventions.SEQUENCES if name not in sequences_used]
    message = "{} is missing: the virtual LGE was made without it"
    return [Flag(f"{name}_missing", message.format(name), name in conventions.REQUIRED_SEQUENCES) for name in missing]


def _doubtful_cine(cine: CineDoubt) -> list[Flag]:
    found = [Flag("cine_phase_uncertain", cine.phase)] if cine.phase else []
    if cine.static:
        measured = "the infarct was measured all the same (allow_static_cine)"
        unmeasured = "no infarct is measured (allow_static_cine: false)"
        message = "the cine shows no motion, which tells infarct from oedema: {}"
        found.append(Flag("cine_static", message.format(measured if cine.static_allowed else unmeasured)))
    return found


def _missing_structures(label: np.ndarray) -> list[Flag]:
    if not structure_mask(label, "viable_myocardium").any():
        return [Flag("no_myocardium", "no viable LV myocardium was found in any slice")]
    if not structure_mask(label, "lv_blood_pool").any():
        return [Flag("no_blood_pool", "no LV blood pool was found in any slice")]
    return []


def _gaps(label: np.ndarray) -> list[Flag]:
    with_wall = slices_with(label, "lv_myocardium")
    if not with_wall:
        return []
    empty = [s for s in range(with_wall[0], with_wall[-1]) if s not in with_wall]
    return (
        [Flag("myocardium_gap", f"no LV myocardium in {slice_numbers(empty)}, between slices that have it")]
        if empty
        else []
    )


def _stray_wall(label: np.ndarray) -> list[Flag]:
    """Slices whose LV wall falls apart: more than STRAY_FRACTION of it lies outside its largest piece."""
    wall = structure_mask(label, "lv_myocardium")
    apart = []
    for s in slices_with(label, "lv_myocardium"):
        pieces, _ = ndimage.label(wall[..., s], structure=EIGHT_NEIGHBOURS)
        sizes = np.bincount(pieces.ravel())[1:]
        if 1.0 - sizes.max() / sizes.sum() > STRAY_FRACTION:
            apart.append(s)
    return (
        [Flag("myocardium_disconnected", f"the LV myocardium is in separate pieces in {slice_numbers(apart)}")]
        if apart
        else []
    )


def _stray_infarct(label: np.ndarray) -> list[Flag]:
    """Slices with an infarct that touches no viable myocardium in its slice."""
    infarct, viable = structure_mask(label, "infarct"), structure_mask(label, "viable_myocardium")
    stray = []
    for s in slices_with(label, "infarct"):
        near_wall = ndimage.binary_dilation(viable[..., s], structure=EIGHT_NEIGHBOURS)
        pieces, count = ndimage.label(infarct[..., s], structure=EIGHT_NEIGHBOURS)
        touching = np.isin(pieces, np.unique(pieces[near_wall & (pieces > 0)]))
        if count and (infarct[..., s] & ~touching).sum() > STRAY_FRACTION * infarct[..., s].sum():
            stray.append(s)
    message = "infarct that touches no viable myocardium in {}"
    return [Flag("infarct_outside_myocardium", message.format(slice_numbers(stray)))] if stray else []


def _nearly_constant(virtual_lge: np.ndarray) -> list[Flag]:
    flat = []
    for s in range(virtual_lge.shape[-1]):
        seen = virtual_lge[..., s][virtual_lge[..., s] > 0]
        if seen.size == 0 or np.ptp(np.percentile(seen, [5, 95])) < NEARLY_CONSTANT:
            flat.append(s)
    return (
        [Flag("virtual_lge_constant", f"the virtual LGE is nearly constant in {slice_numbers(flat)}")] if flat else []
    )


def _touching_crop(label: np.ndarray, crop: CropWindow) -> list[Flag]:
    """Slices whose heart reaches the border of the window the network saw, so that part of it may be cut off."""
    heart = structure_mask(label, "lv_myocardium") | structure_mask(label, "lv_blood_pool")
    touching = []
    for s in np.flatnonzero(heart.any(axis=(0, 1))):
        x, y = np.nonzero(heart[..., s])
        cine_to_crop = np.linalg.inv(np.asarray(crop.crop_to_cine[s], dtype=np.float64))
        pixels = (cine_to_crop @ np.stack([x, y, np.ones_like(x)]))[:2]
        last = np.asarray(crop.size, dtype=np.float64)[:, None] - 1.0
        if (pixels < CROP_MARGIN_PIXELS).any() or (pixels > last - CROP_MARGIN_PIXELS).any():
            touching.append(int(s))
    message = "the heart reaches the border of the cropped window in {}: part of it may be cut off"
    return [Flag("label_at_crop_border", message.format(slice_numbers(touching)))] if touching else []
