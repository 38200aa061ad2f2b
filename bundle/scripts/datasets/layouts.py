"""Recognition of dataset folders, and the reading of layouts 1 and 2."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from .. import conventions
from ..volumes.reading import SUFFIXES

OURS, DATALIST = "1 (subject folders)", "2 (dataset.json)"
FILE_KEYS = ("cine", "t2_stir", "lge", "label")
# Optional in an entry of dataset.json: slices of the cine, counted from 0, that are worth training on.
USABLE_SLICES = "usable_slices"
_PLAIN_KEYS = ("vendor", "field_strength_t", USABLE_SLICES)
_SECTIONS = ("training", "validation", "testing")
_SUBJECT_NAME = re.compile(r"[^\W_][\w .+=@-]{0,99}")
_LISTED = 5
_NEARLY = 0.5  # likeness, 0..1, from which on a name may be a misspelling
_EXPECTED = (
    "Expected: <subject>/{cine,t2_stir,lge,label}.nii.gz (or .nrrd, .mha), or dataset.json with training/validation/"
    'testing lists of {"subject": ..., "cine": ...}.\n'
)


class DatalistError(conventions.DataError):
    """A dataset folder is not what was expected."""

    stage = "datalist"


@dataclass(frozen=True)
class Layout:
    """Layout name, one dict per subject, and what was left out and why.

    A subject that cannot be used has ``problem``; one whose lge or label cannot be found has ``reference_problems``,
    {key: message}, and is good for inference.
    """

    name: str
    entries: list[dict]
    skipped: tuple[str, ...] = ()


def short_list(problems: list[str], what: str) -> str:
    """One problem in full, or the first lines of several and what to do: at most 10 lines."""
    if len(problems) == 1:
        return problems[0]
    lines = [f"{len(problems)} {what}:", *(problem.splitlines()[0] for problem in problems[:_LISTED])]
    if len(problems) > _LISTED:
        lines.append(f"... and {len(problems) - _LISTED} more")
    fixes = [problem.splitlines()[-1] for problem in problems]
    if len(set(fixes)) > 1:  # what mends the first may be wrong for the next
        return "\n".join(
            [
                *lines,
                f"Fix: one by one, as configs/check_dataset.json says; the first: {fixes[0].removeprefix('Fix: ')}",
            ]
        )
    return "\n".join([*lines, fixes[0]])


def read_layout(dataset_dir: str | Path, needs: Sequence[str] = conventions.REQUIRED_SEQUENCES) -> Layout:
    """Recognises the layout and lists every subject, sorted by name; at least one.

    Args:
        needs: keys without which a subject is of no use; without "cine" among them its absence is no problem.
    Raises:
        DatalistError: missing, not a folder, empty, layout unknown, or dataset.json wrong.
    """
    root = Path(dataset_dir).expanduser().absolute()
    if not root.is_dir():
        found = "a file" if root.exists() else f"nothing; nearest existing folder is {_nearest_folder(root)}"
        raise DatalistError(
            f"dataset_dir {dataset_dir}: found {found}, expected a folder.\nFix: correct --dataset_dir (absolute, or "
            "relative to the folder the command runs in)."
        )
    children = _shown(root)
    if not children:
        raise DatalistError(f"dataset_dir {root}: the folder is empty.\n{_EXPECTED}Fix: copy the subjects into it.")
    if (root / "dataset.json").is_file():
        return _read_dataset_json(root, needs)
    folders = [path for path in children if path.is_dir()]
    subjects = [folder for folder in folders if any(_file_of(folder, key) for key in FILE_KEYS)]
    foreign = _foreign_layout(root, children)
    if foreign or not any(_image_names(folder) for folder in folders):
        raise DatalistError(_not_recognised(root, children, foreign))
    if not subjects and not any("cine" in name.lower() for f in folders for name in _image_names(f)):
        raise DatalistError(_not_recognised(root, children, ""))
    with_images = [folder for folder in folders if _image_names(folder)]
    skipped = tuple(f"{path.name}: no image file in it" for path in folders if path not in with_images)
    return Layout(OURS, [_subject_folder(folder, needs) for folder in with_images], skipped)


def _shown(root: Path) -> list[Path]:
    """What lies in a folder, sorted, without what is hidden (.cache, __MACOSX)."""
    return sorted(path for path in root.iterdir() if not path.name.startswith((".", "_")))


def _nearest_folder(path: Path) -> Path:
    return next(parent for parent in path.parents if parent.is_dir())


def _image_names(folder: Path) -> list[str]:
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return sorted(name for name in names if name.endswith(SUFFIXES) and not name.startswith("."))


def _file_of(folder: Path, key: str) -> Path | None:
    return next((folder / f"{key}{s}" for s in SUFFIXES if (folder / f"{key}{s}").is_file()), None)


def _foreign_layout(root: Path, children: list[Path]) -> str:
    """Name of a known layout that this version does not read yet; "" when it is none of them."""
    names = [path.name for path in children] + [name for path in children for name in _image_names(path)]
    if (root / "imagesTr").is_dir() or (root / "imagesTs").is_dir():
        return "3 (nnU-Net raw)"
    if any(re.search(r"_(C0|DE|LGE|gd)\.nii(\.gz)?$", name) for name in names):
        return "4 (MyoPS)"
    emidec = [path for path in children if (path / "Images").is_dir() or re.fullmatch(r"Case_[NP]\d+.*", path.name)]
    return "5 (EMIDEC)" if emidec else ""


def _not_recognised(root: Path, children: list[Path], foreign: str) -> str:
    shown = ", ".join(path.name + "/" * path.is_dir() for path in children[:_LISTED])
    more = f" and {len(children) - _LISTED} more" if len(children) > _LISTED else ""
    if file := _file_of(root, "cine"):
        return (
            f"dataset_dir {root}: found {file.name} directly in it, so this is one subject.\n{_EXPECTED}"
            f"Fix: give its parent, --dataset_dir {root.parent}"
        )
    if foreign:
        return (
            f"dataset_dir {root}: looks like layout {foreign}, which this version does not read yet.\n"
            f"Found: {shown}{more}.\n{_EXPECTED}Fix: copy the files into one of these forms."
        )
    return (
        f"dataset_dir {root}: layout not recognised; found {shown}{more}.\n{_EXPECTED}"
        "Fix: rename the files, or check that dataset_dir is the folder that holds the subjects."
    )


def _subject_folder(folder: Path, needs: Sequence[str]) -> dict:
    entry = {conventions.SUBJECT: folder.name}
    if not _SUBJECT_NAME.fullmatch(folder.name):
        return entry | {"problem": _bad_name(folder.name)}
    for key in FILE_KEYS:
        if path := _file_of(folder, key):
            entry[key] = str(path)
    if (folder / "meta.json").is_file():
        entry["meta"] = str(folder / "meta.json")
    if "cine" in needs and "cine" not in entry:
        return entry | {"problem": _no_cine(folder, entry)}
    return entry


def _no_cine(folder: Path, entry: dict) -> str:
    """What is there instead; only a file that is nothing else and is named nearly so may be the cine."""
    names = _image_names(folder)
    known = {Path(entry[key]).name for key in FILE_KEYS if key in entry}
    near = _near("cine", [name for name in names if name not in known])
    text = f"{folder.name}: no cine.nii.gz; found {', '.join(names[:_LISTED])}."
    if not near:
        measured = " (configs/quantify.json measures label and LGE without one)" if conventions.LABEL in entry else ""
        return f"{text}\nFix: copy the short-axis cine into it as cine.nii.gz, or leave the folder out{measured}."
    wanted = "cine" + next(suffix for suffix in SUFFIXES if near.endswith(suffix))
    return (
        f"{text} Nearest file: {near}\n"
        f"Fix: rename it to {wanted} if it is the short-axis cine, or leave the folder {folder.name} out."
    )


def _near(wanted: str, names: list[str]) -> str:
    """The file whose name may be a spelling of ``wanted``, endings aside; "" where none is near."""
    stems = {name.partition(".")[0].lower(): name for name in names}
    stem = wanted.partition(".")[0].lower()
    near = difflib.get_close_matches(stem, stems, n=1, cutoff=_NEARLY)
    return stems[near[0]] if near else next((stems[one] for one in stems if stem in one), "")


def _bad_name(name: object) -> str:
    return (
        f"subject {str(name)[:60]!r}: not usable as a folder name.\nFix: use letters, digits and . + = @ - _ or space, "
        "starting with a letter or digit, at most 100 characters."
    )


def _read_dataset_json(root: Path, needs: Sequence[str]) -> Layout:
    file = root / "dataset.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatalistError(f"{file}: not valid JSON ({error}).\nFix: correct the file at that place.") from error
    if isinstance(content, dict) and ("channel_names" in content or (root / "imagesTr").is_dir()):
        raise DatalistError(_not_recognised(root, sorted(root.iterdir()), "3 (nnU-Net raw)"))
    lists = {name: content[name] for name in _SECTIONS if content.get(name)} if isinstance(content, dict) else {}
    if not lists or not all(isinstance(e, dict) for entries in lists.values() for e in entries):
        found = f"keys {', '.join(list(content)[:8])}" if isinstance(content, dict) else f"a {type(content).__name__}"
        raise DatalistError(
            f"{file}: found {found or 'nothing'}, expected lists of subjects.\n{_EXPECTED}Fix: write at least one list."
        )
    entries: list[dict] = []
    seen: dict[str, str] = {}
    for section, listed in lists.items():
        for index, raw in enumerate(listed):
            entry = _listed_subject(root, raw, f"{file.name}:{section}[{index}]", needs) | {"split": section}
            name = entry[conventions.SUBJECT]
            if name.casefold() in seen:
                raise DatalistError(
                    f"{file}: subject '{name}' is listed in {seen[name.casefold()]} and again in {section}; "
                    "splits are by subject.\nFix: keep one of the two entries."
                )
            seen[name.casefold()] = section
            entries.append(entry)
    unlisted = [path.name for path in _shown(root) if path.is_dir() and _file_of(path, "cine")]
    used = {Path(entry["cine"]).parent.name for entry in entries if "cine" in entry}
    skipped = tuple(f"{name}: not in dataset.json" for name in unlisted if name not in used)
    return Layout(DATALIST, sorted(entries, key=lambda e: e[conventions.SUBJECT]), skipped)


def _listed_subject(root: Path, raw: dict, where: str, needs: Sequence[str]) -> dict:
    """One entry of dataset.json with absolute paths. Raises DatalistError for a name or path that is refused."""
    name = raw.get(conventions.SUBJECT)
    if not isinstance(name, (str, int)) or not _SUBJECT_NAME.fullmatch(str(name)):
        raise DatalistError(f"{where}: {_bad_name(name)}")
    entry: dict[str, Any] = {conventions.SUBJECT: str(name)}
    problems, reference_problems = [], {}
    for key in (*FILE_KEYS, "meta"):
        if raw.get(key) in (None, ""):
            continue
        path = _inside(root, raw[key], f"{where}:{key}")
        if path.is_file():
            entry[key] = str(path)
        else:
            near = _near(path.name, _image_names(path.parent))
            nearest = f" Nearest file: {near}" if near else " Its folder holds no file of a name near to it."
            text = f"{name}: {key} file {raw[key]} of {where} not found.{nearest}\nFix: correct the path."
            if key in (conventions.LGE, conventions.LABEL) or "cine" not in needs:
                reference_problems[key] = text
            else:
                problems.append(text)
    entry |= {key: raw[key] for key in _PLAIN_KEYS if raw.get(key) is not None}
    if not problems and "cine" in needs and "cine" not in entry:
        problems.append(f"{name}: {where} has no 'cine'; found {', '.join(list(raw)[:8])}.\nFix: add its path.")
    entry |= {"reference_problems": reference_problems} if reference_problems else {}
    return entry | ({"problem": problems[0]} if problems else {})


def _inside(root: Path, relative: object, where: str) -> Path:
    """Path of a file in the dataset folder. Refuses absolute paths and '..', also in Windows spelling."""
    text = str(relative)
    windows = PureWindowsPath(text)
    refused = PurePosixPath(text).is_absolute() or windows.drive or windows.root or ".." in windows.parts
    if refused or not isinstance(relative, str) or "\0" in text:
        raise DatalistError(
            f"{where}: found path {text[:120]!r}, expected a path relative to the folder of dataset.json, inside it.\n"
            "Fix: move the file into the dataset folder and give its path from there, without '..'."
        )
    return root / text
