"""Interval of an infarct size from what the probabilities leave open, scaled by subjects whose size is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..conventions import NETWORK_CLASSES

EXPECTED, UNDECIDED, WALL_UNDECIDED = (
    "infarct_expected_percent",
    "infarct_undecided_percent",
    "wall_undecided_percent",
)
_MYOCARDIUM, _INFARCT = NETWORK_CLASSES.index("myocardium"), NETWORK_CLASSES.index("infarct")


@dataclass(frozen=True)
class SizeUncertainty:
    """How far the true infarct size may lie from a measured one, %LV, in ``coverage`` (0..1) of such subjects.

    ``review``: it is so wide that a reader has to look. ``phantoms_only``: calibrated on phantoms alone.
    """

    half_width_percent_lv: float
    coverage: float
    review: bool = False
    phantoms_only: bool = False

    def bounds_percent_lv(self, size_percent_lv: float) -> tuple[float, float]:
        """Ends of the interval around a size, cut at 0 and 100 %LV."""
        half = self.half_width_percent_lv
        return max(size_percent_lv - half, 0.0), min(size_percent_lv + half, 100.0)


def undecided(probabilities: np.ndarray) -> dict[str, float]:
    """What class probabilities say beside the label map, in percent of the wall they expect.

    Args:
        probabilities: (4, ...), of conventions.NETWORK_CLASSES, 0..1.
    Returns:
        EXPECTED: the infarct they expect. UNDECIDED: wall whose class is open between myocardium and infarct.
        WALL_UNDECIDED: what is open between wall and anything else. Empty where no wall is expected.
    """
    myocardium, infarct = (np.asarray(probabilities[c], dtype=np.float64) for c in (_MYOCARDIUM, _INFARCT))
    wall = myocardium + infarct
    whole = float(wall.sum())
    if whole <= 0:
        return {}
    return {
        EXPECTED: 100 * float(infarct.sum()) / whole,
        UNDECIDED: 100 * float(np.minimum(myocardium, infarct).sum()) / whole,
        WALL_UNDECIDED: 100 * float(np.minimum(wall, np.clip(1 - wall, 0, 1)).sum()) / whole,
    }


def terms(size_percent_lv: np.ndarray, left_open: Mapping[str, np.ndarray]) -> np.ndarray:
    """What the width of the interval is made of, (subjects, 4): 1, undecided, expected against found, wall undecided.

    Args:
        size_percent_lv: of the label map, (subjects,). left_open: of ``undecided``, (subjects,) each.
    """
    size = np.asarray(size_percent_lv, dtype=float)
    expected, infarct, wall = (np.asarray(left_open[key], dtype=float) for key in (EXPECTED, UNDECIDED, WALL_UNDECIDED))
    return np.stack([np.ones_like(size), infarct, np.abs(expected - size), wall], axis=-1)


def half_widths_percent_lv(
    weights: Sequence[float], size_percent_lv: np.ndarray, left_open: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Half widths, (subjects,), from the weights of the four terms."""
    return np.asarray(terms(size_percent_lv, left_open) @ np.asarray(weights, dtype=np.float64))


def size_uncertainty(
    calibrated: Mapping[str, Any], coverage: float, size_percent_lv: float, left_open: Mapping[str, float]
) -> SizeUncertainty:
    """That of one subject.

    Args:
        calibrated: ``weights`` of the terms, and ``review_above_percent_lv``, the half width that asks for a review.
    """
    values = {key: np.array(value) for key, value in left_open.items()}
    half = float(half_widths_percent_lv(calibrated["weights"], np.array(size_percent_lv), values))
    return SizeUncertainty(half, coverage, half > float(calibrated["review_above_percent_lv"]))
