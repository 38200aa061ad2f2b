"""Cines with a label map, with or without an LGE: one entry per label map, of end-diastole and of end-systole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .. import conventions
from ..conventions import counted
from ..preprocessing.phases import subject_meta
from ..volumes.volume import VolumeError
from .datalist import find_subjects, split
from .layout import END_SYSTOLE, SECTIONS, DatalistError

PHASES = {"ed": "end-diastole", "es": "end-systole"}
# In an entry: the phase its label map was drawn on, and whose it is, which the name of the entry also says.
DRAWN_ON, WHOSE, NOT_SAID = "label_drawn_on", "labelled_subject", "phase not said"
ALL = "all"
_REQUIRED = ("cine", conventions.LABEL)


def labelled_cines(
    dataset_dir: str | Path, section: str = ALL, phases: Sequence[str] = tuple(PHASES)
) -> list[dict[str, object]]:
    """Entries of every label map of a folder that is drawn on one of ``phases``.

    Each has ``label_drawn_on``, a value of PHASES or NOT_SAID, and ``labelled_subject``. A label map of end-systole
    beside one of end-diastole is an entry of its own, named <subject>/es. Subjects without cine or label map are left
    out with a warning; a label map whose phase no file names is always taken.

    Args:
        dataset_dir: any layout. section: "all", or one of layout.SECTIONS, as datalist.split has them.
        phases: keys of PHASES.
    Raises:
        ConfigError: ``section`` or ``phases`` are none of these. DatalistError: as datalist.find_subjects, or no label
            map of these phases.
    """
    wanted: list = list(phases) if isinstance(phases, (list, tuple)) else [phases]
    if not wanted or any(one not in tuple(PHASES) for one in wanted):
        raise conventions.ConfigError(
            f"phases: found {wanted}, expected one or both of {', '.join(PHASES)}. Fix: --phases \"['ed','es']\""
        )
    if section != ALL and section not in SECTIONS:
        raise conventions.ConfigError(
            f"section: found '{section}', expected {ALL} or one of {', '.join(SECTIONS)}. Fix: --section {ALL}"
        )
    found = (
        find_subjects(dataset_dir, _REQUIRED, on_problem="skip")
        if section == ALL
        else split(dataset_dir, section, _REQUIRED)
    )
    names = {NOT_SAID} | {PHASES[key] for key in wanted}
    entries = [one for entry in found for one in _label_maps(entry) if one[DRAWN_ON] in names]
    if not entries:
        raise DatalistError(
            f"{dataset_dir}: found {counted(len(found), 'subject')} with a label map, none of {' or '.join(wanted)}.\n"
            "Fix: ask for the other phase, --phases \"['ed','es']\"."
        )
    return entries


def _label_maps(entry: Mapping) -> list[dict]:
    """The entry once for each of its label maps."""
    plain = {key: value for key, value in entry.items() if key != END_SYSTOLE} | {WHOSE: entry[conventions.SUBJECT]}
    maps = [plain | {DRAWN_ON: _drawn_on(plain)}]
    if END_SYSTOLE in entry:
        name = {conventions.SUBJECT: f"{entry[conventions.SUBJECT]}/es", DRAWN_ON: PHASES["es"]}
        maps.append(plain | entry[END_SYSTOLE] | name)
    return maps


def _drawn_on(entry: Mapping) -> str:
    """What the layout or meta.json says of the phase of the label map."""
    try:
        known = subject_meta(entry)
    except VolumeError:  # the subject fails with this message where it is read
        return NOT_SAID
    drawn = known.get("label_phase")
    return next((PHASES[k] for k in PHASES if drawn is not None and known.get(f"{k}_phase") == drawn), NOT_SAID)
