"""Phases of a cine: order in the heartbeat, and slices with unequal numbers of phases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..conventions import DataError
from .headers import Frame


def chosen_phases(slices: Sequence[Sequence[Frame]]) -> tuple[list[list[Frame]], list[str]]:
    """Frames per slice, as many as the slice with the fewest has, at the same moments of the heartbeat; and notes.

    Raises:
        DataError: a slice has less than half of the usual number.
    """
    ordered = [_in_order(one) for one in slices]
    counts = [len(one) for one in ordered]
    usual = int(np.median(counts))
    short = [i for i, count in enumerate(counts) if count < 0.5 * usual]
    if short:
        raise DataError(
            f"cine: slice {short[0] + 1} of {len(counts)} has {counts[short[0]]} phases, the others {usual}; images "
            "are missing. Fix: send the series again, or pick another with --cine_series"
        )
    if min(counts) == max(counts):
        return ordered, []
    poorest = ordered[int(np.argmin(counts))]
    wanted = _moments(poorest)
    chosen = [one if len(one) == len(poorest) else _nearest(one, wanted) for one in ordered]
    worst = max(np.abs(_moments(one) - wanted).max() for one in chosen)
    return chosen, [
        f"cine: slices have {min(counts)} to {max(counts)} phases, {min(counts)} are used, at moments that differ by "
        f"up to {100 * worst:.0f} % of a heartbeat"
    ]


def common_times(slices: Sequence[Sequence[Frame]]) -> tuple[float, ...] | None:
    """Median over the slices of each phase's trigger time, ms; None where they are missing or do not rise."""
    times = np.array([[np.nan if f.trigger_ms is None else f.trigger_ms for f in one] for one in slices], dtype=float)
    if np.isnan(times).any():
        return None
    median = np.median(times, axis=0)
    return tuple(float(value) for value in median) if (np.diff(median) > 0).all() else None


def _in_order(frames: Sequence[Frame]) -> list[Frame]:
    """By trigger time; by number where a single one is missing, which would put that image first."""
    timed = all(frame.trigger_ms is not None for frame in frames)
    number = [(frame.series_number or 0, frame.instance_number or 0, frame.index) for frame in frames]
    key = {id(f): (f.trigger_ms if timed else 0.0, *n) for f, n in zip(frames, number, strict=True)}
    return sorted(frames, key=lambda frame: key[id(frame)])


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
