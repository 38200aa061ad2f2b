"""A folder of DICOM files as studies ready for alignment: stacks, geometry, times, and what was left out."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..clinical.quality import Flag
from ..conventions import ACQUIRED, VENDORS, ConfigError, DataError
from ..subject_faults import subject_problem
from .copies import SeenImages
from .files import find_files
from .headers import Frame, NoImage, read_frames
from .picks import Pick, read_picks, study_names
from .places import settled_places
from .privacy import IdentifierHash
from .recognition import CINE, ROLES, Group, recognise_groups
from .series_choice import Choice, choose_stacks
from .series_table import series_rows, table_lines, why_absent
from .voxels import Voxels, read_stack

_MANUFACTURERS = {"siemens": "siemens", "philips": "philips", "ge ": "ge", "uih": "uih", "united imaging": "uih"}
_logger = logging.getLogger(__name__)


@dataclass
class Study:
    """One examination. ``name``: of its subject folder, a hash. ``volumes``: role -> Voxels, "cine" always.

    ``meta``: content of meta.json. ``report``: content of import.json so far. Neither holds a text of the files.
    ``picked``: role -> series that the user picked, as a report may hold them.
    """

    name: str
    volumes: dict[str, Voxels]
    meta: dict[str, Any]
    report: dict[str, Any]
    picked: dict[str, str | None] = field(default_factory=dict)


@dataclass
class UnreadableStudy:
    """A study without result, and why. ``report``: content of import.json, a row for each series."""

    name: str
    error: DataError
    report: dict[str, Any] | None = None


@dataclass
class _Found:
    """Images by study. ``others``: files of another kind. ``unlike``: see SeenImages."""

    frames: dict[str, list[Frame]] = field(default_factory=dict)
    others: Counter = field(default_factory=Counter)
    unlike: Counter = field(default_factory=Counter)


@dataclass
class _Trial:
    """What is known of a study while it is read.

    ``notes``: flags where a reader has to look. ``rejected``: groups that are not used, with the reason.
    """

    name: str
    uid: str
    groups: list[Group]
    others: Counter
    notes: list[str | Flag]
    rejected: list[tuple[Group, str]] = field(default_factory=list)


class _RefusedError(DataError):
    """A study that cannot be used, with its report."""

    def __init__(self, error: DataError, report: dict[str, Any]) -> None:
        super().__init__(str(error))
        self.report = report


class StudyReader:
    """Reads the studies below a folder.

    Args:
        dicom_dir: folder of any depth.
        series: role -> number or UID of the series to take, several with commas, or None; needs a folder of one study.
        key_file: see privacy.IdentifierHash; None or "none": a key that nobody keeps.
        subject: name of the subject folder in place of the hash; for a folder of one study.
        picks: CSV file with a series to take per study and role, see picks.read_picks; in place of ``series``.
    Raises:
        ConfigError: no folder given, the key file or the picks cannot be used, or series are picked in two ways.
    """

    def __init__(
        self,
        dicom_dir: str | Path,
        series: Mapping[str, str | None] | None = None,
        key_file: str | Path | None = None,
        subject: str | None = None,
        picks: str | None = None,
    ) -> None:
        if not _given(dicom_dir):
            raise ConfigError("dicom_dir: found nothing. Fix: --dicom_dir FOLDER, with the files of the study")
        self.dicom_dir, self.subject = dicom_dir, _given(subject)
        self.series = {role: _given(value) for role, value in (series or {}).items()}
        self.picks = read_picks(_given(picks))
        if self.picks.picks and any(self.series.values()):
            flags = ", ".join(f"--{role}_series" for role, value in self.series.items() if value)
            raise ConfigError(f"picks: found together with {flags}, expected one of them. Fix: leave out {flags}")
        self.hash = IdentifierHash(_given(key_file))

    def _recorded(self, wanted: Mapping[str, str | None]) -> dict[str, str | None]:
        """Picks as a report may hold them: numbers as they are, UIDs hashed."""
        return {
            role: None if text is None else ",".join(self.hash(one) if "." in one else one for one in text.split(","))
            for role, text in wanted.items()
        }

    def studies(self) -> Iterator[Study | UnreadableStudy]:
        """Each study of the folder, read when asked for.

        Raises:
            DataError: no DICOM image in the folder, or picks and a name for a folder of several studies.
            ConfigError: a pick is not in the study, or a line of ``picks`` names none or several.
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
        root = Path(str(self.dicom_dir)).expanduser()
        picked = self.picks.by_study(study_names(found.frames, root, self.hash)) if self.picks.picks else {}
        for uid in sorted(found.frames):
            name = self.subject or f"study_{self.hash(uid)}"
            try:
                yield self._study(name, uid, found, picked.get(uid, {}))
            except _RefusedError as error:
                yield UnreadableStudy(name, DataError(str(error)), error.report)
            except Exception as error:
                yield UnreadableStudy(name, _data_error(subject_problem(error, quote=False)))

    def _find(self) -> _Found:
        """Images by study, copies left out; a copy cut short is replaced by a longer one."""
        # its messages quote values, which may be PHI
        logging.getLogger("pydicom").setLevel(logging.CRITICAL)
        files = find_files(self.dicom_dir)
        found = _Found(others=Counter(files.skipped))
        seen = SeenImages()
        for path in files.paths:
            frames = read_frames(path)
            if isinstance(frames, NoImage):
                found.others[frames.reason] += 1
                continue
            for frame in frames:
                earlier = seen.earlier(frame)
                if earlier is None:
                    # Without a number of its own a study is what there is of one patient.
                    seen.keep(frame, found.frames.setdefault(frame.study or "|".join(frame.patient), []))
                    continue
                found.others["copy of an image that was read"] += 1
                if path.stat().st_size > earlier.frames[earlier.at].path.stat().st_size:
                    earlier.frames[earlier.at] = frame
        found.unlike = seen.unlike
        return found

    def _study(self, name: str, uid: str, found: _Found, picked: Mapping[str, Pick]) -> Study:
        frames, made_up = settled_places(found.frames[uid])
        notes: list[str | Flag] = [*made_up]
        wanted = self.series if not self.picks.picks else {role: _series_of(picked.get(role)) for role in ROLES}
        if count := found.unlike[frames[0].study]:
            text = f"{count} images have the SOPInstanceUID of another image and are none of its copies; all count"
            notes.append(Flag("instance_uid_shared", text))
        trial = _Trial(name, uid, recognise_groups(frames), found.others, notes)
        try:
            _require_one_patient(frames)
            choice = choose_stacks(trial.groups, wanted, self.hash, trial.rejected)
            volumes = _read_volumes(choice, trial)
        except ConfigError as error:
            if not picked:
                raise
            where = ", ".join(self.picks.where(pick) for pick in picked.values())
            text = str(error)
            for uid in {one for pick in picked.values() for one in pick.series.split(",") if "." in one}:
                text = text.replace(repr(uid), self.hash(uid))  # the report holds no UID of a scanner
            raise self._refused(trial, DataError(f"{where}: {text}")) from error
        except DataError as error:
            raise self._refused(trial, error) from error
        absent = [role for role in ROLES if role not in choice.stacks and role not in choice.doubts]
        notes += [why_absent(role, trial.rejected) for role in absent]
        flags = [note for note in notes if isinstance(note, Flag)]
        flags += [Flag(f"{role}_in_doubt", f"{role}: left out: {_first_line(t)}") for role, t in choice.doubts.items()]
        notes += [f"{role}: left out, in doubt. {text}" for role, text in choice.doubts.items()]
        report = self._report(uid, choice, volumes, found.others)
        report |= {"flags": list(dict.fromkeys(flag.flag for flag in flags)), "notes": _texts(notes)}
        _logger.info("%s: %s", name, "; ".join(_line(role, voxels) for role, voxels in volumes.items()))
        for note in _texts(notes):
            _logger.warning("%s: %s", name, note.replace("\n", " "))
        meta = self._meta(uid, choice, volumes) | ({"flags": [asdict(flag) for flag in flags]} if flags else {})
        return Study(name, volumes, meta, report, self._recorded(wanted))

    def _refused(self, trial: _Trial, error: DataError) -> _RefusedError:
        """The error with a table of all series; those that nothing spoke against say why they have their role."""
        known = {id(group.frames) for group, _ in trial.rejected}
        fitting = [(group, f"fits: {group.reason}") for group in trial.groups if id(group.frames) not in known]
        rows = series_rows([*trial.rejected, *fitting])
        for line in table_lines(rows):
            _logger.info("%s: %s", trial.name, line)
        report = self._empty_report(trial.uid, trial.others)
        return _RefusedError(error, report | {"not_used": rows, "notes": _texts(trial.notes), "refused": str(error)})

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
        return self._empty_report(uid, others) | {"used": used, "not_used": series_rows(choice.rejected)}

    def _empty_report(self, uid: str, others: Counter) -> dict[str, Any]:
        return {
            "study": self.hash(uid),
            "used": {},
            "not_used": [],
            "other_files": dict(sorted(others.items())),
            "disclaimer": ACQUIRED.disclaimer,
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


def _read_volumes(choice: Choice, trial: _Trial) -> dict[str, Voxels]:
    """The pixels of each stack; a T2-STIR or LGE that cannot be read is rejected.

    Raises:
        DataError: the cine cannot be read, or is no stack.
    """
    volumes: dict[str, Voxels] = {}
    trial.notes += choice.notes
    for role, stack in choice.stacks.items():
        try:
            voxels = read_stack(stack)
            if role == CINE:
                voxels.affine(CINE)
        except DataError as error:
            trial.rejected += [(group, f"not used: {error}") for group in stack.groups]
            if role == CINE:
                raise
            trial.notes.append(f"not used: {error}")
            continue
        volumes[role] = voxels
        trial.notes += voxels.notes
    return volumes


def _data_error(problem: Exception) -> DataError:
    return problem if isinstance(problem, DataError) else DataError(f"{type(problem).__name__}: {problem}")


def _require_one_patient(frames: list[Frame]) -> None:
    """By PatientID; by name and birth date where an image has none."""
    numbers = {frame.patient[0] for frame in frames} - {""}
    names = {frame.patient[1] for frame in frames} - {""}
    if len(numbers) > 1 or (len(names) > 1 and any(not frame.patient[0] for frame in frames)):
        raise DataError(
            f"found images of {max(len(numbers), len(names))} patients under one StudyInstanceUID, expected those of "
            "one. Fix: export each patient by itself, or correct the identifiers"
        )


def _series_of(pick: Pick | None) -> str | None:
    return None if pick is None else pick.series


def _texts(notes: Sequence[str | Flag]) -> list[str]:
    return [note.message if isinstance(note, Flag) else note for note in notes]


def _first_line(text: str) -> str:
    """What a table is about, without the role at its start."""
    return text.splitlines()[0].partition(": ")[2].rstrip(":")


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
