"""Choice of cine phases: the one nearest to the LGE, end-diastole, end-systole; and the reading of meta.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .. import conventions
from ..volumes.volume import VolumeError, short_name

# Sequences whose moment in the cardiac cycle the cine phase should match, most wanted first.
_TARGETS = (("lge", "lge_trigger_time_ms"), ("t2_stir", "t2_stir_trigger_time_ms"))
# Phases that a data set names, counted from 0; in a datalist entry or in meta.json. label_phase: the phase of the cine
# on which the label map was drawn.
PHASE_KEYS = ("ed_phase", "es_phase", "label_phase")


def read_meta(path: str | None) -> dict:
    """meta.json as a dict; {} when the subject has none. Raises VolumeError when it is not a JSON object."""
    if path is None:
        return {}
    try:
        meta = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise VolumeError(f"{short_name(path)}: not valid JSON ({error}). Fix: correct or remove it.") from error
    if not isinstance(meta, dict):
        raise VolumeError(f"{short_name(path)}: found a {type(meta).__name__}, expected an object. Fix: correct it.")
    return meta


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


def pick_phase(n_phases: int, meta: dict, name: str) -> tuple[int, str]:
    """The cine phase that stands for the subject.

    With trigger times: the phase nearest to the LGE, else to the T2-STIR. Without: phase 0, end-diastole, because an
    ECG-triggered cine starts at the R wave.

    Args:
        n_phases: number of phases of the file; 1 for a 3-D cine.
        meta: content of meta.json.
        name: meta file named in errors.
    Returns:
        (index, rule in words); index -1 for a 3-D cine.
    Raises:
        VolumeError: the trigger times do not fit the file.
    """
    if n_phases == 1:
        return -1, "3-D cine, one phase"
    times = meta.get("cine_trigger_times_ms")
    target = next(((seq, meta[key]) for seq, key in _TARGETS if meta.get(key) is not None), None)
    if times is None or target is None:
        return 0, "end-diastole: phase 0 of an ECG-triggered cine (no trigger times in meta.json)"
    sequence, target_ms = target
    try:
        times_ms = np.asarray(times, dtype=float)
        distance_ms = np.abs(times_ms - float(target_ms))
    except (TypeError, ValueError) as error:
        raise VolumeError(f"{name}: trigger times must be numbers in ms ({error}). Fix: correct them.") from error
    if times_ms.shape != (n_phases,) or not np.isfinite(distance_ms).all():
        raise VolumeError(
            f"{name}: cine_trigger_times_ms holds {np.size(times)} values, expected {n_phases}, one number per phase.\n"
            "Fix: give all of them, or remove the key to use end-diastole."
        )
    phase = int(np.argmin(distance_ms))
    return phase, (
        f"trigger time: phase {phase} at {times_ms[phase]:g} ms is nearest to {sequence} at {float(target_ms):g} ms"
    )


def motion_phases(cine: np.ndarray) -> tuple[int, int] | None:
    """End-diastole and end-systole of a cine; None without motion.

    End-systole is the phase least like the first one (an ECG-triggered cine starts at the R wave), end-diastole the one
    least like end-systole.

    Args:
        cine: (X, Y, S, P), around the heart, any linear scale.
    """
    if cine.shape[3] < 2:
        return None
    flat = cine.reshape(-1, cine.shape[3]).astype(np.float32)
    end_systole = int(np.argmax(np.abs(flat - flat[:, :1]).mean(axis=0)))
    distance = np.abs(flat - flat[:, end_systole : end_systole + 1]).mean(axis=0)
    end_diastole = int(np.argmax(distance))
    return (end_diastole, end_systole) if distance[end_diastole] > 0 else None


def vendor_index(vendor: object) -> int:
    """Index in conventions.VENDORS of a free-text vendor name; 0 (unknown) when it is none of them."""
    text = str(vendor or "").lower()
    spellings = {"siemens": "siemens", "philips": "philips", "ge": "ge", "general electric": "ge", "uih": "uih"}
    spellings |= {"united imaging": "uih", "ge medical": "ge", "ge healthcare": "ge"}
    for spelling, vendor_name in spellings.items():
        if text == spelling or (len(spelling) > 2 and spelling in text):
            return conventions.VENDORS.index(vendor_name)
    return 0
