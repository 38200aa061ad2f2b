"""Series that a reader picked for many studies: a table of study, role and series."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from ..conventions import ConfigError
from .headers import Frame
from .recognition import ROLES

COLUMNS = ("study", "role", "series")
# A number, a UID or a hashed UID: anything else may be text that is in no report.
_SERIES = re.compile(r"[0-9.]{1,64}|[0-9a-f]{12}")
_LISTED = 5


@dataclass(frozen=True)
class Pick:
    """One line: ``series`` as a command line gives them, with commas."""

    line: int
    study: str
    role: str
    series: str


@dataclass(frozen=True)
class Picks:
    """The picks of a file; none where no file is given."""

    picks: tuple[Pick, ...] = ()

    def by_study(self, studies: Mapping[str, StudyNames]) -> dict[str, dict[str, Pick]]:
        """StudyInstanceUID -> role -> pick.

        Args:
            studies: StudyInstanceUID -> what the file may call it.
        Raises:
            ConfigError: a line fits no study or several, or two lines one role of a study.
        """
        found: dict[str, dict[str, Pick]] = {}
        for pick in self.picks:
            uids = [uid for uid, names in studies.items() if names.answers_to(pick.study)]
            if len(uids) != 1:
                known = ", ".join(names.subject for names in list(studies.values())[:_LISTED])
                raise ConfigError(
                    f"{self.where(pick)}: {pick.study[:70]!r} names {len(uids)} studies of dicom_dir, expected one. "
                    f"Fix: a subject's name as in failed_cases.csv ({known}{' ...' * (len(studies) > _LISTED)}; "
                    "with the same key_file), or the name of a folder that holds one study"
                )
            roles = found.setdefault(uids[0], {})
            if pick.role in roles:
                raise ConfigError(
                    f"{self.where(pick)}: picks the {pick.role} of a study that line {roles[pick.role].line} picks. "
                    'Fix: one line per study and role; several series in one cell, as "5,6,7"'
                )
            roles[pick.role] = pick
        return found

    def where(self, pick: Pick) -> str:
        """The place of a line, for messages."""
        return f"picks, line {pick.line}"


@dataclass
class StudyNames:
    """What a table of picks may call a study: its subject folder, its hash, a folder that its files lie in."""

    subject: str
    hash: str
    folders: set[str] = field(default_factory=set)

    def answers_to(self, name: str) -> bool:
        return name in (self.subject, self.hash) or name.strip("/") in self.folders


def study_names(
    studies: Mapping[str, Sequence[Frame]], root: Path, hashed: Callable[[str], str]
) -> dict[str, StudyNames]:
    """StudyInstanceUID -> its names; a folder counts by its name and by its path below ``root``."""
    found = {}
    for uid, frames in studies.items():
        names = StudyNames(f"study_{hashed(uid)}", hashed(uid), {root.name} - {""})
        for folder in {frame.path.parent for frame in frames}:
            parts = folder.relative_to(root).parts if folder.is_relative_to(root) else folder.parts
            names.folders.update(parts)
            names.folders.update("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
        found[uid] = names
    return found


def read_picks(file: str | None) -> Picks:
    """The picks of a CSV file with the columns study, role and series; commas or semicolons between them.

    Raises:
        ConfigError: it cannot be read, lacks a column, or a line has an unknown role or an empty cell.
    """
    if file is None:
        return Picks()
    path = Path(file).expanduser()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(
            f"picks {path}: cannot be read ({reason}). Fix: path of a CSV file with the columns {', '.join(COLUMNS)}"
        ) from error
    heading = text.splitlines()[0] if text.strip() else ""
    delimiter = ";" if ";" in heading else ","
    reader = csv.DictReader(StringIO(text), delimiter=delimiter, restkey="more")
    try:
        columns, rows = reader.fieldnames or (), [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise ConfigError(f"picks {path.name}: no CSV ({error}). Fix: one study, role and series a line") from error
    names = {str(name).strip().lower(): name for name in columns}
    if missing := [column for column in COLUMNS if column not in names]:
        raise ConfigError(
            f"picks {path.name}: found the columns {', '.join(names) or '(none)'}, expected {', '.join(COLUMNS)}; "
            f'{", ".join(missing)} missing. Fix: a first line "study,role,series"'
        )
    picks = []
    for line, row in rows:
        cells = {column: str(row[names[column]] or "").strip() for column in COLUMNS}
        cells["series"] = ",".join([cells["series"], *(str(one).strip() for one in row.get("more") or ())])
        if any(cells.values()):
            picks.append(_checked(cells, line))
    return Picks(tuple(picks))


def _checked(cells: dict[str, str], line: int) -> Pick:
    series = [one for one in cells["series"].replace(";", ",").replace(" ", ",").split(",") if one]
    role = cells["role"].lower()
    if role not in ROLES or not cells["study"] or not series or not all(map(_SERIES.fullmatch, series)):
        raise ConfigError(
            f"picks, line {line}: found study {cells['study'][:40]!r}, role {cells['role'][:40]!r} and "
            f"series {cells['series'][:40]!r}; expected a study, one of {', '.join(ROLES)}, and numbers or UIDs. "
            'Fix: such as study_1a2b3c,cine,"5,6,7"'
        )
    return Pick(line, cells["study"], role, ",".join(series))
