"""Choice of cine phases: the one that matches the LGE, end-diastole, end-systole; and the reading of meta.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import conventions
from ..clinical.quality import Flag
from ..files import read_json
from ..volumes.volume import VolumeError, short_name
from .cardiac_cycle import LEAST_CLARITY, around_heart, cavity_area, curve_clarity, end_phases, in_order, mid_diastole
from .phase_match import LEAST_CONFIDENCE, Partner, best_match

ONE_PHASE = "3-D cine, one phase"
# Sequences whose moment in the cardiac cycle the cine phase should match, most wanted first.
_TARGETS = {"lge": "lge_trigger_time_ms", "t2_stir": "t2_stir_trigger_time_ms"}
# Phases that a data set names, counted from 0; in a datalist entry or in meta.json. label_phase: the phase of the cine
# on which the label map was drawn.
PHASE_KEYS = ("ed_phase", "es_phase", "label_phase")
# Units in which trigger times are met; what a cine covers, at heart rates of 20 to 400 a minute; largest distance from
# a target to its phase, share of the heartbeat: half a step of a cine of four phases, a little widened.
_UNITS = {"ms": 1.0, "s": 1000.0, "microseconds": 0.001}
_COVERED_MS = (150, 3000)
_LARGEST_RESIDUAL = 0.15
# A single trigger time by its size: below, but not 0, it is in seconds, from the other on in microseconds.
_SECONDS_BELOW, _MICROSECONDS_FROM = 2.0, 20_000.0


def read_meta(path: str | None) -> dict:
    """meta.json as a dict; {} when the subject has none. Raises VolumeError when it is not a JSON object."""
    if path is None:
        return {}
    try:
        meta = read_json(Path(path))
    except (OSError, ValueError) as error:
        raise VolumeError(f"{short_name(path)}: not valid JSON ({error}). Fix: correct or remove it.") from error
    if not isinstance(meta, dict):
        raise VolumeError(f"{short_name(path)}: found a {type(meta).__name__}, expected an object. Fix: correct it.")
    return meta


def noted_flags(meta: Mapping[str, Any], name: str) -> list[Flag]:
    """What the import of the subject found doubtful, as meta.json holds it; none where it holds nothing.

    Raises:
        VolumeError: it holds something else; ``name`` is the meta file named in the error.
    """
    found = meta.get("flags") or []
    try:
        flags = [Flag(**flag) for flag in found]
    except TypeError:
        flags = [Flag("", "")]
    if not all(isinstance(flag.flag, str) and flag.flag and isinstance(flag.message, str) for flag in flags):
        raise VolumeError(
            f"{name}: found flags {str(found)[:80]!r}, expected a list of objects with flag, message and review.\n"
            "Fix: import the study again, or remove flags."
        )
    return flags


def subject_meta(entry: Mapping[str, Any]) -> dict:
    """meta.json of a datalist entry, with the phases that its layout names. Raises VolumeError as read_meta."""
    return read_meta(entry.get("meta")) | {key: entry[key] for key in PHASE_KEYS if entry.get(key) is not None}


def named_phase(meta: Mapping[str, Any], key: str, n_phases: int, name: str) -> int | None:
    """The phase that ``meta`` names by one of PHASE_KEYS; None where it names none.

    Raises:
        VolumeError: it is no phase of a cine of ``n_phases``; ``name`` is the meta file named in the error.
    """
    phase = meta.get(key)
    if phase is None:
        return None
    if isinstance(phase, bool) or not isinstance(phase, int) or not 0 <= phase < n_phases:
        raise VolumeError(
            f"{name}: {key} found {str(phase)[:40]}, expected a whole number from 0 to {n_phases - 1}, a phase of the "
            "cine counted from 0.\nFix: correct it there, or in the Info.cfg, csv or dataset.json it comes from."
        )
    return phase


@dataclass(frozen=True)
class PhaseChoice:
    """The cine phase that stands for a subject.

    index: -1 for a cine of one phase; None where nothing has decided. rule: in words. residual_ms: from its trigger
    time to that of the sequence it was chosen for; None where no trigger time decided. confidence: 0..1, how clearly
    the images tell it; None where they were not asked. doubt: why a reader has to look; empty where there is none.
    """

    index: int | None
    rule: str
    residual_ms: float | None = None
    confidence: float | None = None
    doubt: str = ""
    warnings: tuple[str, ...] = ()


def phase_on_disk(n_phases: int, meta: dict, name: str, labelled: bool) -> PhaseChoice:
    """What a subject's files say of its phase: the one its label map was drawn on, else ``phase_by_times``.

    The first is in doubt unless the trigger times choose it too: label maps are drawn on end-diastole as well.

    Args:
        labelled: the label map is used, so that the images have to be those of its phase.
    """
    drawn = named_phase(meta, "label_phase", n_phases, name) if labelled and n_phases > 1 else None
    timed = phase_by_times(n_phases, meta, name)
    if drawn in (None, timed.index):
        return timed
    doubt = (
        f"the cine is taken at phase {drawn}, on which the label map was drawn; nothing says that an LGE would be "
        "acquired at that phase, which the network expects"
    )
    return PhaseChoice(
        drawn, f"label_phase: the label map was drawn on phase {drawn}", doubt=doubt, warnings=timed.warnings
    )


def phase_by_times(n_phases: int, meta: dict, name: str) -> PhaseChoice:
    """The phase nearest to the trigger time of the LGE, else to that of the T2-STIR; undecided without these times.

    Times in seconds or microseconds are recognised by what a cine can cover, and said. A target farther from every
    phase than ``_LARGEST_RESIDUAL`` of the heartbeat decides nothing; one past the RR interval counts from the R wave
    before it, where meta.json has ``rr_interval_ms``.

    Args:
        n_phases: number of phases of the file; 1 for a 3-D cine.
        meta: content of meta.json.
        name: meta file named in errors.
    Raises:
        VolumeError: the trigger times do not fit the file, or are in no unit of time that a heartbeat can have.
    """
    if n_phases == 1:
        return PhaseChoice(-1, ONE_PHASE)
    times = meta.get("cine_trigger_times_ms")
    targets = {sequence: meta[key] for sequence, key in _TARGETS.items() if meta.get(key) is not None}
    if times is None or not targets:
        return PhaseChoice(None, "no trigger times of cine and LGE or T2-STIR in meta.json: chosen by the images")
    try:
        found, wanted = np.asarray(times, dtype=float), {key: float(value) for key, value in targets.items()}
    except (TypeError, ValueError, OverflowError) as error:
        raise VolumeError(f"{name}: trigger times must be numbers in ms ({error}). Fix: correct them.") from error
    if unknown := [f"{key}_trigger_time_ms" for key, value in wanted.items() if not np.isfinite(value)]:
        raise VolumeError(
            f"{name}: {unknown[0]} is no finite number, expected a time in ms.\nFix: correct it, or remove the key."
        )
    if found.shape != (n_phases,) or not np.isfinite(found).all():
        raise VolumeError(
            f"{name}: cine_trigger_times_ms holds {np.size(times)} values, expected {n_phases}, one number per phase.\n"
            "Fix: give all of them, or remove the key: the phase is then chosen by the images."
        )
    times_ms, factor, warnings = _in_ms(found, name)
    beat_ms = float(np.ptp(times_ms)) * n_phases / (n_phases - 1)
    rr_ms = _rr_ms(meta)
    for sequence, value in wanted.items():
        target_ms, notes = _target_ms(value, factor, f"{name}: {sequence}_trigger_time_ms")
        warnings += notes
        phase, residual_ms, at_ms = _nearest(times_ms, target_ms, rr_ms)
        limit_ms = _LARGEST_RESIDUAL * (rr_ms or beat_ms)
        if residual_ms <= limit_ms:
            rule = f"trigger time: phase {phase} at {times_ms[phase]:g} ms is nearest to {sequence} at {at_ms:g} ms"
            return PhaseChoice(phase, rule, round(residual_ms, 1), warnings=tuple(warnings))
        warnings.append(
            f"{name}: {sequence} at {target_ms:g} ms lies {residual_ms:.0f} ms from the nearest cine phase, expected "
            f"at most {limit_ms:.0f} ms: not used to choose the phase"
        )
    return PhaseChoice(None, "no cine phase near the trigger times: chosen by the images", warnings=tuple(warnings))


def starts_at_r_wave(n_phases: int, meta: dict) -> bool:
    """Whether meta.json says that the first phase lies at the R wave, within half a step of the phases."""
    times = meta.get("cine_trigger_times_ms")
    if times is None or n_phases < 2:
        return False
    try:
        found = np.asarray(times, dtype=float)
    except (TypeError, ValueError):
        return False
    if found.shape != (n_phases,):
        return False
    return bool(found[0] == found.min() and abs(found[0]) <= 0.5 * float(np.median(np.diff(np.sort(found)))))


def choose_phase(
    timed: PhaseChoice,
    cine: np.ndarray,
    place: tuple[tuple[float, float], np.ndarray],
    partners: Iterable[Partner],
) -> PhaseChoice:
    """The phase by trigger times where these decided, else by the images.

    By the images: of the first partner that shows the heart, the phase that agrees best with it (``best_match``); where
    there is none or it does not tell, mid-diastole, the moment at which T2-STIR and LGE are acquired.

    Args:
        timed: as ``phase_by_times`` gives it.
        cine: (X, Y, S, P). place: the heart's centre (voxel x, y), and the size of a pixel (x, y), mm.
        partners: sequences to agree with, the most wanted first.
    """
    if timed.index is not None:
        return timed
    heart = around_heart(cine, *place)
    area = cavity_area(heart)
    if area is None:
        return replace(timed, index=0, rule="phase 0: the phases show no motion, so that all are alike")
    rest, clarity = mid_diastole(heart, area), curve_clarity(area)
    for partner in partners:
        match = best_match(cine, partner, *place, area, rest)
        if match is None:
            continue
        if match.confidence >= LEAST_CONFIDENCE:
            rule = f"image: phase {match.phase} of {len(area)} agrees best with {partner.name}"
            return replace(
                timed, index=match.phase, rule=rule, confidence=round(match.confidence, 3), doubt=_few(len(area))
            )
        doubt = (
            f"without trigger times, {partner.name} does not tell which cine phase it belongs to (confidence "
            f"{match.confidence:.2f}, expected {LEAST_CONFIDENCE:g}); mid-diastole was taken"
        )
        rule = f"mid-diastole: phase {rest} of {len(area)} by the motion, {partner.name} agrees with no phase clearly"
        return replace(timed, index=rest, rule=rule, confidence=round(match.confidence, 3), doubt=doubt)
    rule = f"mid-diastole: phase {rest} of {len(area)} by the motion, no trigger times and no sequence to agree with"
    unclear = (
        f"mid-diastole could not be told clearly from the cine's motion (confidence {clarity:.2f}, expected "
        f"{LEAST_CLARITY:g}), and there are neither trigger times nor a T2-STIR"
    )
    doubt = "" if clarity >= LEAST_CLARITY else unclear
    return replace(timed, index=rest, rule=rule, confidence=round(clarity, 3), doubt=doubt)


def _few(phases: int) -> str:
    """A doubt where the nearest of so many phases may lie too far from any moment of the heartbeat."""
    if 0.5 / phases <= _LARGEST_RESIDUAL:
        return ""
    return f"a cine of {phases} phases may have none near the moment of T2-STIR and LGE; the best of them was taken"


def motion_phases(cine: np.ndarray, from_r_wave: bool = False) -> tuple[int, int] | None:
    """End-diastole and end-systole of a cine; None without motion.

    The phases of the largest and the smallest cavity, wherever the cine begins. Where the first phase is known to lie
    at the R wave, end-systole is the phase least like it, end-diastole the one least like end-systole. Times may count
    from a finger's pulse instead: which of the two is which is checked by the length of systole (``in_order``).

    Args:
        cine: (X, Y, S, P), around the heart, any linear scale.
        from_r_wave: as ``starts_at_r_wave``.
    """
    if cine.shape[3] < 2:
        return None
    flat = cine.reshape(-1, cine.shape[3]).astype(np.float32)
    if not from_r_wave:
        area = cavity_area(cine)
        return None if area is None else end_phases(area)
    end_systole = int(np.argmax(np.abs(flat - flat[:, :1]).mean(axis=0)))
    distance = np.abs(flat - flat[:, end_systole : end_systole + 1]).mean(axis=0)
    end_diastole = int(np.argmax(distance))
    return in_order(end_diastole, end_systole, cine.shape[3]) if distance[end_diastole] > 0 else None


def _in_ms(times: np.ndarray, name: str) -> tuple[np.ndarray, float, list[str]]:
    """Trigger times in ms, the factor that made them so, and a line where they were in another unit."""
    covered = float(np.ptp(times)) * len(times) / (len(times) - 1)
    for unit, factor in _UNITS.items():
        if _COVERED_MS[0] <= covered * factor <= _COVERED_MS[1]:
            said = f"{name}: cine_trigger_times_ms covers {covered:g}, which is {unit} for a heartbeat; taken as {unit}"
            return times * factor, factor, [] if factor == 1 else [said]
    raise VolumeError(
        f"{name}: cine_trigger_times_ms found to cover {covered:g}, expected {_COVERED_MS[0]} to {_COVERED_MS[1]} ms, "
        "about one heartbeat.\nFix: give the times in ms from the R wave, or remove the key: the phase is then chosen "
        "by the images."
    )


def _target_ms(value: float, factor: float, name: str) -> tuple[float, list[str]]:
    """A trigger time in ms; in the unit of the cine's times where that can be, else in that of its size."""
    # a target in ms beside times in microseconds would be one right after the R wave, where nothing is acquired
    in_their_unit = value == 0 or _SECONDS_BELOW <= value * factor <= _COVERED_MS[1]
    if factor != 1 and in_their_unit:
        return value * factor, []
    size = abs(value)
    unit = "s" if 0 < size < _SECONDS_BELOW else "ms" if size < _MICROSECONDS_FROM else "microseconds"
    found_ms = value * _UNITS[unit]
    said = f"{name}: found {value:g}, which is {unit} for a trigger time; taken as {found_ms:g} ms"
    return found_ms, [] if unit == "ms" else [said]


def _rr_ms(meta: dict) -> float | None:
    """The RR interval of meta.json, ms; None where it is not there or no heartbeat."""
    value = meta.get("rr_interval_ms")
    known = isinstance(value, (int, float)) and _COVERED_MS[0] <= value <= _COVERED_MS[1]
    return float(value) if known and value is not None else None


def _nearest(times_ms: np.ndarray, target_ms: float, rr_ms: float | None) -> tuple[int, float, float]:
    """Phase nearest to a target, the distance, and the target as it was compared, ms; past the RR interval, from it."""
    past = rr_ms is not None and target_ms - float(times_ms.min()) > rr_ms
    at_ms = times_ms.min() + (target_ms - times_ms.min()) % rr_ms if past and rr_ms else target_ms
    distance_ms = np.abs(times_ms - at_ms)
    phase = int(np.argmin(distance_ms))
    return phase, float(distance_ms[phase]), float(at_ms)


def vendor_index(vendor: object) -> int:
    """Index in conventions.VENDORS of a free-text vendor name; 0 (unknown) when it is none of them."""
    text = str(vendor or "").lower()
    spellings = {"siemens": "siemens", "philips": "philips", "ge": "ge", "general electric": "ge", "uih": "uih"}
    spellings |= {"united imaging": "uih", "ge medical": "ge", "ge healthcare": "ge"}
    for spelling, vendor_name in spellings.items():
        if text == spelling or (len(spelling) > 2 and spelling in text):
            return conventions.VENDORS.index(vendor_name)
    return 0
