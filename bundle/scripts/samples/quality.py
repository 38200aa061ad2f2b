"""Which samples are kept: a segmenter of true LGE finds their label map in them, and the wall is a ring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..clinical.agreement import dice
from ..clinical.quality import label_flags
from ..clinical.volumes import infarct_percent_lv
from ..conventions import ConfigError, NotMeasurable

NOT_FOUND, OTHER_SIZE, WALL, COPY = (
    "infarct_not_found_in_image",
    "infarct_of_another_size_in_image",
    "wall_is_no_ring",
    "copy_of_a_training_image",
)
# LGE (I, J, S), 0..1, and spacing in mm to network classes (I, J, S).
ReadLge = Callable[[np.ndarray, tuple[float, float, float]], np.ndarray]
# Below, a label map counts as one without infarct: what evaluation calls present.
_PRESENT_PERCENT_LV = 1.0


@dataclass(frozen=True)
class SampleRules:
    """When a sample is rejected.

    Args:
        smallest_dice: of the infarct, the label map against what the segmenter finds in the LGE; for label maps with
            an infarct of at least 1 %LV.
        size_tolerance_percent_lv: largest difference of both infarct sizes, percent of the LV wall.
    Raises:
        ConfigError: a value outside its range.
    """

    smallest_dice: float = 0.5
    size_tolerance_percent_lv: float = 6.0

    def __post_init__(self) -> None:
        for key, value, high in (
            ("smallest_dice", self.smallest_dice, 1.0),
            ("size_tolerance_percent_lv", self.size_tolerance_percent_lv, 100.0),
        ):
            if isinstance(value, (bool, str)) or not 0 <= value <= high:
                raise ConfigError(f"{key}: found {value!r}, expected a number from 0 to {high:g}.")


@dataclass(frozen=True)
class Verdict:
    """Why a sample is rejected, nothing when it is kept; and what was measured, None where that cannot be."""

    reasons: tuple[str, ...]
    infarct_percent_lv: float | None
    read_percent_lv: float | None
    dice_infarct: float | None

    @property
    def kept(self) -> bool:
        """Whether the sample is written."""
        return not self.reasons


def judge(label: np.ndarray, found: np.ndarray, rules: SampleRules) -> Verdict:
    """A sample's label map against what a segmenter finds in its LGE.

    Args:
        label, found: (I, J, S), network classes or disk codes.
    """
    size, read = (_or_none(infarct_percent_lv, one) for one in (label, found))
    overlap = _or_none(dice, found, label, "infarct")
    reasons = [WALL] if size is None or label_flags(label) else []
    if size is not None:
        if read is None or abs(read - size) > rules.size_tolerance_percent_lv:
            reasons.append(OTHER_SIZE)
        if size >= _PRESENT_PERCENT_LV and (overlap is None or overlap < rules.smallest_dice):
            reasons.append(NOT_FOUND)
    return Verdict(tuple(reasons), size, read, overlap)


def _or_none(measure: Callable[..., float], *arguments: object) -> float | None:
    try:
        return float(measure(*arguments))
    except NotMeasurable:
        return None
