"""Check whether slices and phases of a cine lie on the axes where they are looked for."""

from __future__ import annotations

import numpy as np

from ..clinical.quality import Flag
from ..volumes.grids import Grid
from ..volumes.volume import Volume, VolumeError

# Phases of one slice are near copies, slices of one phase are not. On 4 phantoms: correlation of neighbouring phases at
# least 0.995, of the least like ones 0.97, of neighbouring slices at most 0.98, of the least like ones 0.87; mean
# change to the next slice over that to the next phase at least 1.5. Slices of patients are less alike than these.
_NEIGHBOURS_ALIKE, _ALL_ALIKE = 0.985, 0.9
# Exact copies are no acquired slices, and tell nothing.
_CHANGE_RATIO = (0.01, 0.7)
_STEP = 2  # every second pixel tells the same
_SAME_PIXEL = 0.01


def stack_flags(cine: np.ndarray) -> list[Flag]:
    """What a cine (X, Y, S, P), any linear scale, shows when its slices are phases, or its phases slices."""
    slices, phases = cine.shape[2:]
    if phases == 1 and slices > 2 and _is_movie(cine[::_STEP, ::_STEP, :, 0]):
        text = f"the {slices} slices of the cine are near copies: they seem to be phases of one slice, stored as slices"
        return [Flag("phases_stored_as_slices", f"{text}; store them as (x, y, 1, phase)")]
    if phases > 1 and slices > 1 and _CHANGE_RATIO[0] < _change_ratio(cine) < _CHANGE_RATIO[1]:
        text = f"the {slices} slices of the cine are more alike than its {phases} phases: the third and fourth axis"
        return [Flag("slices_and_phases_exchanged", f"{text} seem exchanged; store it as (x, y, slice, phase)")]
    return []


def refuse_exchanged_axes(cine: Volume, other: Grid) -> None:
    """Raises VolumeError when a cine is stored (x, y, phase, slice), as another sequence on its pixels shows.

    That is when the other has as many slices as the cine has phases, and the cine's slices are more alike than its
    phases.
    """
    slices, phases = cine.array.shape[2:]
    same_pixels = cine.grid.shape[:2] == other.shape[:2] and np.allclose(
        cine.grid.spacing_mm[:2], other.spacing_mm[:2], rtol=_SAME_PIXEL
    )
    if not same_pixels or slices == phases or other.shape[2] != phases or _change_ratio(cine.array) >= 1:
        return
    raise VolumeError(
        f"{cine.grid.name}: found {slices} slices of {phases} phases, while {other.name} on the same pixels has "
        f"{phases} slices, and the cine's slices are more alike than its phases: third and fourth axis are exchanged.\n"
        "Expected: (x, y, slice, phase).\nFix: exchange the two axes (numpy.swapaxes(array, 2, 3)) and save it again."
    )


def _is_movie(stack: np.ndarray) -> bool:
    """Whether all images of a stack (X, Y, S) are near copies, as phases are."""
    images = stack.reshape(-1, stack.shape[2]).astype(np.float32)
    images = images[:, np.ptp(images, axis=0) > 0]
    if images.shape[1] < 3:
        return False
    correlation = np.corrcoef(images, rowvar=False)
    return bool(np.median(np.diagonal(correlation, 1)) >= _NEIGHBOURS_ALIKE and correlation.min() >= _ALL_ALIKE)


def _change_ratio(cine: np.ndarray) -> float:
    """Mean change from a slice to the next over that from a phase to the next; inf where no phase differs."""
    seen = cine[::_STEP, ::_STEP]
    to_slice, to_phase = (
        float(np.abs(np.diff(seen, axis=axis)).mean()) if seen.shape[axis] > 1 else np.inf for axis in (2, 3)
    )
    return to_slice / to_phase if to_phase > 0 else np.inf
