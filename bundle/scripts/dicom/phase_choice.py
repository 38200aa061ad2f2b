"""Phases of a cine: order in the heartbeat, and slices with unequal numbers of phases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..clinical.quality import Flag
from ..conventions import DataError
from .headers import Frame

TEMPORAL, TRIGGER, ACQUIRED, INSTANCE = "temporal position", "trigger time", "acquisition time", "instance number"
_FILES, _AGAINST_TIMES = "order of the files", ", against their trigger times"
_HALF_A_DAY_S = 43200.0


def chosen_phases(slices: Sequence[Sequence[Frame]]) -> tuple[list[list[Frame]], list[str | Flag]]:
    """Frames per slice, as many as the slice with the fewest has, at the same moments of the heartbeat; and notes.

    Phases are in the order of temporal position, trigger time, acquisition time or instance number: the first that is
    in all images of a slice and tells them apart. What is not trigger time, or against it, is noted.

    Raises:
        DataError: a slice has less than half of the usual number.
    """
    orders = [_in_order(one) for one in slices]
    ordered = [one for one, _ in orders]
    notes = _order_notes(Counter(key for _, key in orders))
    counts = [len(one) for one in ordered]
    usual = int(np.median(counts))
    short = [i for i, count in enumerate(counts) if count < 0.5 * usual]
    if short:
        raise DataError(
            f"cine: slice {short[0] + 1} of {len(counts)} has {counts[short[0]]} phases, the others {usual}; images "
            "are missing. Fix: send the series again, or pick another with --cine_series"
        )
    if min(counts) == max(counts):
        return ordered, notes
    poorest = ordered[int(np.argmin(counts))]
    wanted = _moments(poorest)
    chosen = [one if len(one) == len(poorest) else _nearest(one, wanted) for one in ordered]
    worst = max(np.abs(_moments(one) - wanted).max() for one in chosen)
    return chosen, [
        *notes,
        f"cine: slices have {min(counts)} to {max(counts)} phases, {min(counts)} are used, at moments that differ by "
        f"up to {100 * worst:.0f} % of a heartbeat",
    ]


def common_times(slices: Sequence[Sequence[Frame]]) -> tuple[float, ...] | None:
    """Median over the slices of each phase's trigger time, ms; None where they are missing or do not rise."""
    times = np.array([[np.nan if f.trigger_ms is None else f.trigger_ms for f in one] for one in slices], dtype=float)
    if np.isnan(times).any():
        return None
    median = np.median(times, axis=0)
    return tuple(float(value) for value in median) if (np.diff(median) > 0).all() else None


def _in_order(frames: Sequence[Frame]) -> tuple[list[Frame], str]:
    """Frames of a slice in time, and the key that says so; a key that one image lacks would put that one first."""
    if len(frames) < 2:
        return list(frames), TRIGGER
    number = [(frame.series_number or 0, frame.instance_number or 0, frame.index) for frame in frames]
    instance = [n if f.instance_number is not None else None for f, n in zip(frames, number, strict=True)]
    triggers = [frame.trigger_ms for frame in frames]
    by_trigger = _sorted(frames, triggers, number) if None not in triggers and len(set(triggers)) > 1 else None
    if _tells_apart([frame.temporal for frame in frames]):
        found = _sorted(frames, [frame.temporal for frame in frames], number)
        agrees = by_trigger is not None and all(map(_same, found, by_trigger))
        return found, TRIGGER if agrees else _with_times(TEMPORAL, found)
    if by_trigger is not None:
        return by_trigger, TRIGGER
    acquired = _through_midnight([frame.acquired_s for frame in frames])
    for key, values in ((ACQUIRED, acquired), (INSTANCE, instance)):
        if _tells_apart(values):
            found = _sorted(frames, values, number)
            return found, _with_times(key, found)
    found = _sorted(frames, number, number)
    return found, _with_times(_FILES, found)


def _with_times(key: str, ordered: Sequence[Frame]) -> str:
    """The key, and whether trigger times, of which some may be missing, fall in its order."""
    times = [frame.trigger_ms for frame in ordered if frame.trigger_ms is not None]
    return key + _AGAINST_TIMES if any(late > early for late, early in pairwise(times)) else key


def _sorted(frames: Sequence[Frame], values: Sequence, number: Sequence[tuple]) -> list[Frame]:
    places = sorted(range(len(frames)), key=lambda place: (values[place], number[place]))
    return [frames[place] for place in places]


def _tells_apart(values: Sequence) -> bool:
    return None not in values and len(set(values)) == len(values)


def _same(one: Frame, other: Frame) -> bool:
    """Whether two frames stand for one moment."""
    return one is other or one.trigger_ms == other.trigger_ms


def _through_midnight(seconds: Sequence[float | None]) -> list[float | None]:
    """Times of day of one slice, those after midnight a day later."""
    known = [one for one in seconds if one is not None]
    if not known or max(known) - min(known) <= _HALF_A_DAY_S:
        return list(seconds)
    return [one if one is None or one > _HALF_A_DAY_S else one + 2 * _HALF_A_DAY_S for one in seconds]


def _order_notes(keys: Counter) -> list[str | Flag]:
    """What gave the order; flags where something speaks against it, or nothing for it."""
    slices = keys.total()
    texts = {
        key: f"cine: phases of {count} of {slices} slices in the order of {key}"
        + ("" if key.endswith(_AGAINST_TIMES) else ", trigger times do not give it")
        for key, count in sorted(keys.items())
        if key != TRIGGER
    }
    return [
        Flag("cine_phase_order_in_doubt", text) if key == _FILES or key.endswith(_AGAINST_TIMES) else text
        for key, text in texts.items()
    ]


def _moments(frames: Sequence[Frame]) -> np.ndarray:
    """Share of the heartbeat at which each frame was taken; by count where times are missing."""
    times = np.array([np.nan if frame.trigger_ms is None else frame.trigger_ms for frame in frames], dtype=float)
    if np.isnan(times).any():
        return np.arange(len(frames)) / len(frames)
    beats = [frame.rr_ms for frame in frames if frame.rr_ms]
    return times / (
        float(np.median(beats)) if beats else max(float(times.max()) * len(times) / max(len(times) - 1, 1), 1.0)
    )


def _nearest(frames: Sequence[Frame], wanted: np.ndarray) -> list[Frame]:
    """For each wanted moment the nearest frame, each frame once, in order."""
    moments = _moments(frames)
    left, chosen = list(range(len(frames))), []
    for number, moment in enumerate(wanted):
        usable = left[: len(left) - (len(wanted) - number - 1)]
        best = min(usable, key=lambda index: abs(moments[index] - moment))
        chosen.append(frames[best])
        left = [index for index in left if index > best]
    return chosen
