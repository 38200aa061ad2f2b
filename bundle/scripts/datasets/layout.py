"""What every layout of input folders gives: one entry per subject, and how files are found by name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath

from .. import conventions
from ..volumes.entry_files import CINE_FRAMES
from ..volumes.reading import SUFFIXES
from ..volumes.slice_files import file_series
from ..volumes.volume import short_name

FILE_KEYS = ("cine", "t2_stir", "lge", "label")
SECTIONS = ("training", "validation", "testing")
LISTED = 5
# In an entry whose label map is that of end-diastole: what changes in it for that of end-systole.
END_SYSTOLE = "end_systole"
_SUBJECT_NAME = re.compile(r"[^\W_][\w .+=@-]{0,99}")
# How deep public data sets nest their files, and how much is looked at before a folder is taken for something else.
_DEEPEST, _MOST_FILES = 5, 100_000


class DatalistError(conventions.DataError):
    """A dataset folder is not what was expected."""

    stage = "datalist"


@dataclass(frozen=True)
class Layout:
    """A folder as it was recognised.

    name: number and name of the layout. entries: one dict per subject. A subject that cannot be used has ``problem``;
    one whose file for a key cannot be found has ``reference_problems``, {key: message}, and is good for jobs that do
    without that key.
    skipped: what was left out and why.
    label_table: what the layout's label values mean; each entry with a label carries it too.
    file_names: how the layout calls the file of a key, for messages.
    lacks: keys that no subject of such a folder has, each with the message for a job that needs it.
    """

    name: str
    entries: list[dict]
    skipped: tuple[str, ...] = ()
    label_table: str | Mapping[int, int] = "ours"
    file_names: Mapping[str, str] = field(default_factory=lambda: {key: f"{key}.nii.gz" for key in FILE_KEYS})
    lacks: Mapping[str, str] = field(default_factory=dict)


def short_list(problems: list[str], what: str) -> str:
    """One problem in full, or the first lines of several and what to do: at most 10 lines."""
    if len(problems) == 1:
        return problems[0]
    lines = [f"{len(problems)} {what}:", *(problem.splitlines()[0] for problem in problems[:LISTED])]
    if len(problems) > LISTED:
        lines.append(f"... and {len(problems) - LISTED} more")
    fixes = [problem.splitlines()[-1] for problem in problems]
    if len(set(fixes)) > 1:  # what mends the first may be wrong for the next
        first = fixes[0].removeprefix("Fix: ")
        fixes = [f"Fix: one by one, as configs/check_dataset.json says; the first: {first}"]
    return "\n".join([*lines, fixes[0]])


def shown(root: Path) -> list[Path]:
    """What lies in a folder, sorted, without what is hidden (.cache, __MACOSX)."""
    return sorted(path for path in root.iterdir() if not _hidden(path.name))


def files_below(root: Path) -> list[Path]:
    """Files down to the depth of public data sets, sorted, without what is hidden; [] for a folder of too many."""
    found: list[Path] = []
    for folder, folders, names in os.walk(root, followlinks=True):  # a link to itself ends at the greatest depth
        place = Path(folder)
        folders[:] = [name for name in folders if not _hidden(name)]
        found += [place / name for name in names if not _hidden(name)]
        if len(place.relative_to(root).parts) >= _DEEPEST:
            folders.clear()
        if len(found) > _MOST_FILES:
            return []
    return sorted(found)


def _hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def image_suffix(name: str) -> str:
    """The end of a file name that says what kind of image it is, as written; "" for any other file."""
    ending = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    return name[-len(ending) :] if ending else ""


def stem(name: str) -> str:
    """A file's name without the suffix of an image."""
    return name.removesuffix(image_suffix(name))


def image_names(folder: Path) -> list[str]:
    """Image files directly in a folder, sorted; none where it is no folder."""
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return sorted(name for name in names if image_suffix(name) and not name.startswith("."))


def file_of(folder: Path, key: str) -> Path | None:
    """``<key>.nii.gz`` or the like in a folder; capitals do not matter (CINE.NII.GZ), an exact name goes first.

    Where there is none: what stands for several files of one sequence (volumes.slice_files).
    """
    wanted = [f"{key}{suffix}" for suffix in SUFFIXES]
    exact = next((folder / name for name in wanted if (folder / name).is_file()), None)
    if exact or not folder.is_dir():
        return exact
    found = {path.name.lower(): path for path in sorted(folder.iterdir(), reverse=True) if path.is_file()}
    one = next((found[name] for name in wanted if name in found), None)
    return one or file_series(folder, key, SUFFIXES)


def is_subject_name(name: object) -> bool:
    return isinstance(name, (str, int)) and _SUBJECT_NAME.fullmatch(str(name)) is not None


def bad_name(name: object) -> str:
    return (
        f"subject {str(name)[:60]!r}: not usable as a folder name.\nFix: use letters, digits and . + = @ - _ or space, "
        "starting with a letter or digit, at most 100 characters."
    )


def sorted_entries(entries: Iterable[dict]) -> list[dict]:
    """By subject; a name that cannot be a folder's becomes the subject's problem."""
    checked = [
        entry if is_subject_name(entry[conventions.SUBJECT])
        else {conventions.SUBJECT: entry[conventions.SUBJECT], "problem": bad_name(entry[conventions.SUBJECT])}
        for entry in entries
    ]  # fmt: skip
    return sorted(checked, key=lambda entry: entry[conventions.SUBJECT])


def put_file(entry: dict, key: str, path: Path) -> None:
    """Gives ``entry`` its file of ``key``; a second one for the same key is the subject's problem."""
    if key in entry and entry[key] != str(path):
        entry.setdefault("problem", found_twice(entry[conventions.SUBJECT], Path(entry[key]), path, f" for {key}"))
    entry.setdefault(key, str(path))


def found_twice(subject: str, first: Path, second: Path, purpose: str = "") -> str:
    """The message for two files of a subject where one is expected."""
    return (
        f"{subject}: two files{purpose}, {short_name(first)} and {short_name(second)}.\n"
        "Fix: keep one of them below dataset_dir."
    )


def missing_cine(entry: dict, expected: str, found: Iterable[str]) -> dict:
    """The entry with the message for jobs that need a cine, where it has none and no other problem."""
    if "cine" in entry or "problem" in entry:
        return entry
    names = ", ".join(list(found)[:LISTED])
    text = (
        f"{entry[conventions.SUBJECT]}: no cine, expected {expected}; found {names or 'no file of this subject'}.\n"
        "Fix: add that file, or leave the subject out. LGE and label map alone are measured by configs/quantify.json."
    )
    return entry | {"reference_problems": {**entry.get("reference_problems", {}), "cine": text}}


def unread(root: Path, files: Iterable[Path], used: Iterable[Path]) -> tuple[str, ...]:
    """One line per folder with image files that no subject uses; a folder that is an image stands for its file."""
    read = set(used)
    others: dict[str, list[str]] = {}
    for path in files:
        if image_suffix(path.name) and path not in read:
            others.setdefault(path.parent.relative_to(root).as_posix(), []).append(path.name)
    return tuple(
        f"{folder}: {len(names)} image file{'s' * (len(names) > 1)} not read, such as {names[0]}"
        for folder, names in sorted(others.items())
    )


def lost_subjects(files: Iterable[Path], used: Iterable[Path], expected: str) -> tuple[list[dict], list[Path]]:
    """Folders beside those of the subjects whose images go by no name of the layout: failed subjects, and their files.

    Args:
        used: files of the subjects, each in a folder of its subject.
        expected: how the layout calls the files of a subject.
    """
    read = set(used)
    folders, beside = {path.parent for path in read}, {path.parent.parent for path in read}
    lost: dict[Path, list[Path]] = {}
    for path in files:
        if image_suffix(path.name) and path.parent not in folders and path.parent.parent in beside:
            lost.setdefault(path.parent, []).append(path)
    entries = [
        {
            conventions.SUBJECT: folder.name,
            "problem": f"{folder.name}: found {', '.join(path.name for path in paths[:LISTED])}, expected {expected}.\n"
            "Fix: rename the files, or let the folder's name begin with _ to leave it out.",
        }
        for folder, paths in lost.items()
    ]
    return entries, [path for paths in lost.values() for path in paths]


def paths_of(entries: Iterable[dict]) -> list[Path]:
    """Every image file that the entries name."""
    keyed = [Path(entry[key]) for entry in entries for key in FILE_KEYS if key in entry]
    return keyed + [Path(path) for entry in entries for path in entry.get(CINE_FRAMES, ())]


def inside(root: Path, relative: object, where: str) -> Path:
    """Path of a file in the dataset folder, in Windows spelling too. Refuses absolute paths and '..'.

    Raises:
        DatalistError: the path leaves the folder; ``where`` is the place in the list that holds it.
    """
    text = str(relative)
    windows = PureWindowsPath(text)
    refused = PurePosixPath(text).is_absolute() or windows.drive or windows.root or ".." in windows.parts
    if refused or not isinstance(relative, str) or "\0" in text:
        raise DatalistError(
            f"{where}: found path {text[:120]!r}, expected a path relative to the folder of dataset.json, inside it.\n"
            "Fix: move the file into the dataset folder and give its path from there, without '..'."
        )
    path = root / text
    return path if "\\" not in text or path.exists() else root.joinpath(*windows.parts)
