"""A folder of DICOM files as studies ready for alignment: stacks, geometry, times, and what was left out."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..conventions import DISCLAIMER, VENDORS, ConfigError, DataError
from .files import find_files
from .headers import Frame, NoImage, read_frames
from .privacy import IdentifierHash
from .recognition import CINE, ROLES, recognise_groups
from .series_choice import Choice, choose_stacks
from .voxels import Voxels, read_stack

_MANUFACTURERS = {"siemens": "siemens", "philips": "philips", "ge ": "ge", "uih": "uih", "united imaging": "uih"}
_logger = logging.getLogger(__name__)


@dataclass
class Study:
    """One examination. ``name``: of its subject folder, a hash. ``volumes``: role -> Voxels, "cine" always.

    ``meta``: content of meta.json. ``report``: content of import.json so far. Neither holds a text of the files.
    """

    name: str
    volumes: dict[str, Voxels]
    meta: dict[str, Any]
    report: dict[str, Any]


@dataclass
class UnreadableStudy:
    """A study without result, and why."""

    name: str
    error: DataError


@dataclass
class _Found:
    frames: dict[str, list[Frame]] = field(default_factory=dict)
    others: Counter = field(default_factory=Counter)


class StudyReader:
    """Reads the studies below a folder.

    Args:
        dicom_dir: folder of any depth.
        series: role -> number or UID of the series to take, several with commas, or None; needs a folder of one study.
        key_file: see privacy.IdentifierHash; None or "none": a key that nobody keeps.
        subject: name of the subject folder in place of the hash; for a folder of one study.
    Raises:
        ConfigError: no folder given, or the key file cannot be used.
    """

    def __init__(
        self,
        dicom_dir: str | Path,
        series: Mapping[str, str | None] | None = None,
        key_file: str | Path | None = None,
        subject: str | None = None,
    ) -> None:
        if not _given(dicom_dir):
            raise ConfigError("dicom_dir: found nothing. Fix: --dicom_dir FOLDER, with the files of the study")
        self.dicom_dir, self.subject = dicom_dir, _given(subject)
        self.series = {role: _given(value) for role, value in (series or {}).items()}
        self.hash = IdentifierHash(_given(key_file))

    @property
    def recorded_series(self) -> dict[str, str | None]:
        """``series`` as a report may hold it: numbers as they are, UIDs hashed."""
        return {
            role: None if text is None else ",".join(self.hash(one) if "." in one else one for one in text.split(","))
            for role, text in self.series.items()
        }

    def studies(self) -> Iterator[Study | UnreadableStudy]:
        """Each study of the folder, read when asked for.

        Raises:
            DataError: no DICOM image in the folder, or picks and a name for a folder of several studies.
        """
        found = self._find()
        if not found.frames:
            counts = ", ".join(f"{count} {reason}" for reason, count in sorted(found.others.items()))
            raise DataError(
                f"dicom_dir {self.dicom_dir}: found no MR image ({counts}). Fix: give the MR study's folder."
            )
        if len(found.frames) > 1 and (self.subject or any(self.series.values())):
            raise DataError(
                f"dicom_dir: found {len(found.frames)} studies; a subject's name or a picked series fits one. "
                "Fix: give the folder of one study."
            )
        for uid, frames in sorted(found.frames.items()):
            name = self.subject or f"study_{self.hash(uid)}"
            try:
                yield self._study(name, uid, frames, found.others)
            except DataError as error:
                yield UnreadableStudy(name, error)

    def _find(self) -> _Found:
        """Images by study, copies left out; a copy cut short is replaced by a longer one."""
        # its messages quote values, which may be PHI
        logging.getLogger("pydicom").setLevel(logging.CRITICAL)
        files = find_files(self.dicom_dir)
        found = _Found(others=Counter(files.skipped))
        seen: dict[tuple, tuple[list[Frame], int]] = {}
        for path in files.paths:
            frames = read_frames(path)
            if isinstance(frames, NoImage):
                found.others[frames.reason] += 1
                continue
            for frame in frames:
                key = (frame.patient, frame.study, frame.instance, frame.index)
                if frame.instance and key in seen:
                    found.others["copy of an image that was read"] += 1
                    images, at = seen[key]
                    if path.stat().st_size > images[at].path.stat().st_size:
                        images[at] = frame
                    continue
                # Without a number of its own a study is what there is of one patient.
                images = found.frames.setdefault(frame.study or "|".join(frame.patient), [])
                seen[key] = images, len(images)
                images.append(frame)
        return found

    def _study(self, name: str, uid: str, frames: list[Frame], others: Counter) -> Study:
        _require_one_patient(frames)
        choice = choose_stacks(recognise_groups(frames), self.series, self.hash)
        volumes, notes = {}, list(choice.notes)
        for role, stack in choice.stacks.items():
            try:
                volumes[role] = read_stack(stack)
            except DataError as error:
                if role == CINE:
                    raise
                notes.append(f"not used: {error}")
                continue
            notes += volumes[role].notes
        notes += [f"{role}: not in this study" for role in ROLES if role not in choice.stacks]
        volumes[CINE].affine(CINE)
        report = self._report(uid, choice, volumes, others) | {"notes": notes}
        _logger.info("%s: %s", name, "; ".join(_line(role, voxels) for role, voxels in volumes.items()))
        for note in notes:
            _logger.warning("%s: %s", name, note.replace("\n", " "))
        return Study(name, volumes, self._meta(uid, choice, volumes), report)

    def _report(self, uid: str, choice: Choice, volumes: dict[str, Voxels], others: Counter) -> dict[str, Any]:
        used = {
            role: {
                "series_numbers": stack.numbers,
                "series": sorted({self.hash(group.first.series) for group in stack.groups}),
                "slices": len(volumes[role].frames),
                "phases": volumes[role].array.shape[3],
                "pixels": list(volumes[role].array.shape[:2]),
                "kind": stack.groups[0].kind or None,
                "why": stack.groups[0].reason,
            }
            for role, stack in choice.stacks.items()
            if role in volumes
        }
        not_used = [
            {"series_number": group.first.series_number, "images": len(group.frames), "reason": reason}
            for group, reason in sorted(choice.rejected, key=lambda one: one[0].first.series_number or 0)
        ]
        return {
            "study": self.hash(uid),
            "used": used,
            "not_used": not_used,
            "other_files": dict(sorted(others.items())),
            "disclaimer": DISCLAIMER,
        }

    def _meta(self, uid: str, choice: Choice, volumes: dict[str, Voxels]) -> dict[str, Any]:
        """What the later stages read; nothing that names or dates a person."""
        cine, first = volumes[CINE], volumes[CINE].frames[0]
        meta: dict[str, Any] = {
            "vendor": vendor_of(first.manufacturer),
            "field_strength_t": first.field_strength_t,
            "rr_interval_ms": first.rr_ms,
            "cine_trigger_times_ms": None if cine.times_ms is None else [round(t, 1) for t in cine.times_ms],
            "slice_thickness_mm": first.thickness_mm,
            "slice_depths_mm": [round(float(d - cine.depths_mm[0]), 3) for d in cine.depths_mm],
            "study": self.hash(uid),
        }
        if cine.array.shape[3] > 1 and cine.times_ms is not None:
            for role in ROLES[1:]:
                times_ms = volumes[role].times_ms if role in volumes else None
                if times_ms is not None:
                    meta[f"{role}_trigger_time_ms"] = round(times_ms[0], 1)
        return {key: value for key, value in meta.items() if value is not None}


def _require_one_patient(frames: list[Frame]) -> None:
    """By PatientID; by name and birth date where an image has none."""
    numbers = {frame.patient[0] for frame in frames} - {""}
    names = {frame.patient[1] for frame in frames} - {""}
    if len(numbers) > 1 or (len(names) > 1 and any(not frame.patient[0] for frame in frames)):
        raise DataError(
            f"found images of {max(len(numbers), len(names))} patients under one StudyInstanceUID, expected those of "
            "one. Fix: export each patient by itself, or correct the identifiers"
        )


def _given(value: object) -> str | None:
    """A value as text; None for what a command line means by nothing. "5,6" reaches Python as a pair of numbers."""
    if isinstance(value, (list, tuple)):
        value = ",".join(map(str, value))
    return None if value is None or str(value).lower() in ("", "none", "null") else str(value)


def vendor_of(manufacturer: str) -> str:
    """One of conventions.VENDORS from Manufacturer, lower case."""
    padded = f"{manufacturer} "
    return next((name for start, name in _MANUFACTURERS.items() if padded.startswith(start)), VENDORS[0])


def _line(role: str, voxels: Voxels) -> str:
    slices, phases = voxels.array.shape[2:]
    return f"{role} {slices} slices" + (f" x {phases} phases" if phases > 1 else "")
