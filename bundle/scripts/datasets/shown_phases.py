"""Training slices seen in every way the phases of a cine can come: with times, of two phases, at labelled phases."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from .. import conventions
from .datasets import USABLE, SliceDataset
from .layouts import KEY_PHASES, KEY_REFERENCES

_logger = logging.getLogger(__name__)
# What the cine channel shows: the phase of the LGE, as trigger times choose it; end-diastole or end-systole, as where a
# cine has two phases, no times, or a label map drawn there.
AT_LGE, END_DIASTOLE, END_SYSTOLE = SHOWN_PHASES = ("lge", *KEY_PHASES)
_SHOWN = {AT_LGE: 0.6, END_DIASTOLE: 0.25, END_SYSTOLE: 0.15}
_MOTION_CHANNEL = {
    END_DIASTOLE: conventions.IMAGE_CHANNELS.index("cine_end_diastole"),
    END_SYSTOLE: conventions.IMAGE_CHANNELS.index("cine_end_systole"),
}
_CINE = conventions.IMAGE_CHANNELS.index("cine")
# Apart from the stream of the augmentation.
_STREAM = 1


class ShownPhases(SliceDataset):
    """SliceDataset whose slices are each shown at a phase drawn for it: that of the LGE, end-diastole, end-systole.

    LGE and label always belong to the phase in the cine channel. Where a subject has references of its own at
    end-diastole or end-systole (``key_references`` of its entry) these are used, and the cine channel shows that phase.
    Where it has none, a slice drawn for end-diastole is shown as a cine of two phases whose diastolic one is taken for
    both: the end-diastolic channel shows the phase of the LGE. One drawn for end-systole stays at the phase of the LGE.
    The channels of both phases are then equal, as preprocessing makes them of a cine of two phases.

    The draw follows from (seed, epoch, index) and is in the item as ``shown_phase``, one of SHOWN_PHASES, with
    ``shown_reference``, the phase whose references it has: a training is recorded and repeated by them.

    Args:
        data, transform, augmentation, seed, cache, tasks, slices, partial_labels, ring_fraction: as SliceDataset's;
            references at three phases want three times its memory and reading.
        shown: share of the slices that are shown at each of SHOWN_PHASES; 0 where it is left out.
    Raises:
        ConfigError: ``shown`` names another phase, or its shares are no numbers from 0 that add up to 1.
        DataError: as SliceDataset.
    """

    def __init__(
        self,
        data: Sequence[dict],
        transform: Callable[[dict], dict],
        augmentation: Any = None,
        seed: int = 0,
        cache: bool = True,
        tasks: Sequence[str] = conventions.TASKS,
        shown: Mapping[str, float] | None = None,
        slices: str = USABLE,
        partial_labels: bool | str = False,
        ring_fraction: float = 0.0,
    ) -> None:
        self.shown = _checked(_SHOWN if shown is None else shown)
        wanted = [phase for phase in SHOWN_PHASES if phase == AT_LGE or self.shown.get(phase)]
        found = [
            (number, phase, at[phase])
            for number, at in enumerate(map(_entries_at, data))
            for phase in wanted
            if phase in at
        ]
        self._subject_and_phase = [(number, phase) for number, phase, _ in found]
        super().__init__(
            [entry for _, _, entry in found], transform, augmentation, seed, cache, tasks, slices, partial_labels,
            ring_fraction,
        )  # fmt: skip
        self._groups = self._grouped()
        labelled = sum(len(group) > 1 for group in self._groups)
        _logger.info(
            "training: %s, %d slices, of which %d have references at other phases",
            conventions.counted(len(data), "subject"),
            len(self),
            labelled,
        )

    def __len__(self) -> int:
        return len(self._groups)

    def __getitem__(self, index: int) -> dict:
        group = self._groups[index]
        rng = np.random.default_rng([self.seed, int(self._epoch), index, _STREAM])
        names = list(self.shown)
        phase = names[int(rng.choice(len(names), p=list(self.shown.values())))]
        reference = phase if phase in group else AT_LGE
        item = super().__getitem__(group[reference])
        item[conventions.IMAGE] = _shown_as(item[conventions.IMAGE], phase, reference)
        return item | {"shown_phase": phase, "shown_reference": reference}

    def _grouped(self) -> list[dict[str, int]]:
        """For each slice at the phase of the LGE: its items, by the phase of their references."""
        groups: dict[tuple[int, int], dict[str, int]] = {}
        for flat, (entry, s) in enumerate(self._slices):
            number, phase = self._subject_and_phase[entry]
            groups.setdefault((number, s), {})[phase] = flat
        return [group for group in groups.values() if AT_LGE in group]


def _entries_at(entry: Mapping[str, Any]) -> dict[str, dict]:
    """The entry for each phase at which it has references."""
    plain = {key: value for key, value in entry.items() if key != KEY_REFERENCES}
    further = entry.get(KEY_REFERENCES, {})
    return {AT_LGE: plain} | {phase: plain | references for phase, references in further.items()}


def _shown_as(image: torch.Tensor, phase: str, reference: str) -> torch.Tensor:
    """Image (4, I, J) whose channel of ``phase`` is the cine's, as where both are one frame of the cine.

    Nothing changes at the phase of the LGE, without motion to show, and at an end-systole without its references.
    """
    channel = _MOTION_CHANNEL.get(phase)
    still = not image[list(conventions.MOTION_CHANNELS)].any()
    if channel is None or still or (phase == END_SYSTOLE and reference == AT_LGE):
        return image
    image = image.clone()
    image[channel] = image[_CINE]
    return image


def _checked(shown: Mapping[str, float]) -> dict[str, float]:
    given = shown if isinstance(shown, Mapping) else {}
    numbers = [value for value in given.values() if isinstance(value, (int, float)) and not isinstance(value, bool)]
    named = 0 < len(given) == len(numbers) and not set(given) - set(SHOWN_PHASES)
    total = sum(numbers)
    if not (named and all(value >= 0 for value in numbers) and abs(total - 1) <= 1e-6):
        raise conventions.ConfigError(
            f"shown: found {shown!r}, expected shares of {', '.join(SHOWN_PHASES)} from 0 that add up to 1. "
            'Fix: for example {"lge": 0.6, "end_diastole": 0.25, "end_systole": 0.15}'
        )
    # the generator's own tolerance is smaller
    return {phase: float(given[phase]) / total for phase in SHOWN_PHASES if phase in given}
