"""Recognition of dataset folders, and the reading of layouts 1 and 2."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

from .. import conventions
from ..files import read_json
from ..preprocessing.labels import LABEL_TABLE
from ..preprocessing.phases import PHASE_KEYS
from .layout import (
    FILE_KEYS,
    LISTED,
    SECTIONS,
    DatalistError,
    Layout,
    bad_name,
    file_of,
    files_below,
    image_names,
    image_suffix,
    inside,
    is_subject_name,
    shown,
    sorted_entries,
    stem,
)
from .public_sets import acdc, decathlon, emidec, mnms, myops, nnunet

OURS, DATALIST = "1 (subject folders)", "2 (dataset.json)"
# Optional in an entry of dataset.json: slices of the cine, counted from 0, that are worth training on.
USABLE_SLICES = "usable_slices"
# Optional in an entry of dataset.json: LGE and label map drawn at other phases of its cine, {one of KEY_PHASES: {"lge",
# "label": path, "label_phase": phase of the cine, counted from 0}}. Training uses them, nothing else does.
KEY_REFERENCES, KEY_PHASES = "key_references", ("end_diastole", "end_systole")
# Place and bytes by which a DICOM file is known.
_DICOM_MARK = (128, b"DICM")
_PLAIN_KEYS = (conventions.VENDOR, "field_strength_t", USABLE_SLICES, LABEL_TABLE, *PHASE_KEYS)
# Layouts that are told by the names of their files, in the order in which they are tried.
_BY_FILE_NAMES = (emidec, acdc, myops, mnms)
_EXPECTED = (
    "Expected: <subject>/{cine,t2_stir,lge,label}.nii.gz (or .nrrd, .mha), or dataset.json with training/validation/"
    'testing lists of {"subject": ..., "cine": ...}, or nnU-Net raw, MyoPS, EMIDEC, ACDC, M&Ms or Decathlon as '
    "docs/DATASETS.md shows them.\n"
)
# Names that other files of a subject go by: none of them is the cine.
_NO_CINE = re.compile(
    r"lge|label|mask|stir|infarct|scar|segment|uncertainty|probability|(?<![a-z0-9])(gt|gd|de|t2|seg|psir)(?![a-z])",
    re.IGNORECASE,
)
# A folder of such files alone, or of a run's results, is no subject whose images were lost.
_DOCUMENTS = re.compile(
    r"\.(txt|md|csv|tsv|pdf|json|xlsx?|docx?|png|jpe?g|svg|html?|log|cfg|ya?ml|py|ipynb|sh|m)", re.I
)
_NO_SUBJECT = ("run.json", "dataset.json")
_NEARLY = 0.5  # likeness, 0..1, from which on a name may be a misspelling
_MEASURED = "LGE and label map alone are measured by configs/quantify.json."


def read_layout(dataset_dir: str | Path) -> Layout:
    """Recognises the layout and lists every subject, sorted by name; at least one.

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
    children = shown(root)
    if not children:
        raise DatalistError(f"dataset_dir {root}: the folder is empty.\n{_EXPECTED}Fix: copy the subjects into it.")
    content = _content(root / "dataset.json")
    if nnunet.fits(root) or nnunet.is_announced(content):
        return nnunet.read(root, content)
    if decathlon.fits(content):
        return decathlon.read(root, content)
    if content is not None:
        return _read_list(root, content)
    folders = [path for path in children if path.is_dir()]
    if not any(file_of(folder, key) for folder in folders for key in FILE_KEYS):
        if file_of(root, "cine"):
            raise DatalistError(_not_recognised(root, children))
        files = files_below(root)
        for one in _BY_FILE_NAMES:
            if one.fits(files):
                return one.read(root, files)
        if not any("cine" in name.lower() for folder in folders for name in image_names(folder)):
            raise DatalistError(_not_recognised(root, children))
    return _subject_folders(root, children)


def _nearest_folder(path: Path) -> Path:
    return next(parent for parent in path.parents if parent.is_dir())


def _content(file: Path) -> Any:
    """Content of dataset.json; None where there is none."""
    if not file.is_file():
        return None
    try:
        content = read_json(file)
    except (OSError, ValueError) as error:
        raise DatalistError(f"{file}: not valid JSON ({error}).\nFix: correct the file at that place.") from error
    return content if content is not None else {}


def _not_recognised(root: Path, children: list[Path]) -> str:
    listed = ", ".join(path.name + "/" * path.is_dir() for path in children[:LISTED])
    more = f" and {len(children) - LISTED} more" if len(children) > LISTED else ""
    if file := file_of(root, "cine"):
        return (
            f"dataset_dir {root}: found {file.name} directly in it, so this is one subject.\n{_EXPECTED}"
            f"Fix: give its parent, --dataset_dir {root.parent}"
        )
    if lower := [path for path in children if (path / "dataset.json").is_file()]:
        return (
            f"dataset_dir {root}: found dataset.json in {len(lower)} of its folders and none in itself.\n{_EXPECTED}"
            f"Fix: give one of them, such as --dataset_dir {lower[0]}"
        )
    if first := next((path for path in files_below(root) if _is_dicom(path)), None):
        return (
            f"dataset_dir {root}: found DICOM, such as {first.relative_to(root)}.\n{_EXPECTED}"
            f"Fix: import it first (--config_file configs/import_study.json --dicom_dir {root} --output_dir OUT), and "
            "give OUT as dataset_dir."
        )
    return (
        f"dataset_dir {root}: layout not recognised; found {listed}{more}.\n{_EXPECTED}"
        "Fix: rename the files, or check that dataset_dir is the folder that holds the subjects."
    )


def _is_dicom(path: Path) -> bool:
    """By the mark behind the preamble, or by its name."""
    if path.suffix.lower() == ".dcm":
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(_DICOM_MARK[0] + len(_DICOM_MARK[1]))[_DICOM_MARK[0] :] == _DICOM_MARK[1]


def _subject_folders(root: Path, children: list[Path]) -> Layout:
    entries, skipped = [], []
    for path in children:
        if not path.is_dir():
            skipped += [f"{path.name}: a file beside the subject folders"] if image_suffix(path.name) else []
        elif image_names(path) or any(file_of(path, key) for key in FILE_KEYS):
            entries.append(_subject_folder(path))
        elif found := _lost_subject(path):
            entries.append({conventions.SUBJECT: path.name, "problem": found})
        else:
            skipped.append(f"{path.name}: no image file in it")
    return Layout(OURS, sorted_entries(entries), tuple(skipped))


def _lost_subject(folder: Path) -> str:
    """The message for a folder that was meant as a subject and has no image; "" for one of documents or results."""
    inner = shown(folder)
    if any(path.name in _NO_SUBJECT for path in inner):
        return ""
    files = [path for path in inner if path.is_file()]
    others = [path for path in files if not _DOCUMENTS.fullmatch(path.suffix)]
    below = [f"{path.name}/{name}" for path in inner for name in image_names(path)]
    if inner and not others and not below:
        return ""
    names = ", ".join([path.name for path in others[:LISTED]] or below[:LISTED]) or "nothing"
    fix = "move them up into it" if below and not others else "copy the subject's files into it"
    if others and not any(image_suffix(path.name) for path in others):
        fix = "turn DICOM into subject folders with configs/import_study.json, anything else into NIfTI"
    return (
        f"{folder.name}: no image file in it; found {names}. Expected: cine.nii.gz.\n"
        f"Fix: {fix}, or let the folder's name begin with _ to leave it out."
    )


def _subject_folder(folder: Path) -> dict:
    entry = {conventions.SUBJECT: folder.name}
    if not is_subject_name(folder.name):
        return entry
    for key in FILE_KEYS:
        if path := file_of(folder, key):
            entry[key] = str(path)
    if meta := next((path for path in shown(folder) if path.name.lower() == "meta.json" and path.is_file()), None):
        entry["meta"] = str(meta)
    if "cine" in entry:
        return entry
    if conventions.LABEL in entry:
        return entry | {"reference_problems": {"cine": _no_cine(folder)}}
    return entry | {"problem": _no_cine(folder)}


def _no_cine(folder: Path) -> str:
    """Names the file that may be the cine; never one that its name says is something else."""
    names = image_names(folder)
    if odd := next((name for name in names if stem(name).lower() == "cine"), None):
        return f"{folder.name}: {odd} is no plain file, but a folder, pipe or device.\nFix: put the file in its place."
    text = f"{folder.name}: no cine.nii.gz; found {', '.join(names[:LISTED])}."
    near = _near("cine", [name for name in names if not _NO_CINE.search(stem(name))])
    if not near:
        return (
            f"{text} None of them is a cine by its name.\nFix: copy the cine into {folder.name}, or leave the folder "
            f"out. {_MEASURED}"
        )
    wanted = f"cine{image_suffix(near).lower()}"
    return (
        f"{text} Nearest file: {near}\n"
        f"Fix: rename it to {wanted} if it is the cine, or remove the folder {folder.name}."
    )


def _near(wanted: str, names: list[str]) -> str:
    """The file whose name may be a spelling of ``wanted``, endings aside; "" where none is near."""
    stems = {stem(name).lower(): name for name in names}
    like = stem(wanted).lower()
    near = difflib.get_close_matches(like, stems, n=1, cutoff=_NEARLY)
    return stems[near[0]] if near else next((stems[one] for one in stems if like in one), "")


def _read_list(root: Path, content: Any) -> Layout:
    file = root / "dataset.json"
    lists = {name: content[name] for name in SECTIONS if content.get(name)} if isinstance(content, dict) else {}
    of_subjects = (isinstance(listed, list) and all(isinstance(e, dict) for e in listed) for listed in lists.values())
    if not lists or not all(of_subjects):
        found = f"keys {', '.join(list(content)[:8])}" if isinstance(content, dict) else f"a {type(content).__name__}"
        raise DatalistError(
            f"{file}: found {found or 'nothing'}, expected lists of subjects.\n{_EXPECTED}Fix: write at least one list."
        )
    entries: list[dict] = []
    seen: dict[str, str] = {}
    for section, listed in lists.items():
        for index, raw in enumerate(listed):
            entry = _listed_subject(root, raw, f"{file.name}:{section}[{index}]") | {"split": section}
            name = entry[conventions.SUBJECT]
            if name.casefold() in seen:
                raise DatalistError(
                    f"{file}: subject '{name}' is listed in {seen[name.casefold()]} and again in {section}; "
                    "splits are by subject.\nFix: keep one of the two entries."
                )
            seen[name.casefold()] = section
            entries.append(entry)
    unlisted = [path.name for path in shown(root) if path.is_dir() and file_of(path, "cine")]
    used = {Path(entry["cine"]).parent.name for entry in entries if "cine" in entry}
    skipped = tuple(f"{name}: not in dataset.json" for name in unlisted if name not in used)
    return Layout(DATALIST, sorted_entries(entries), skipped)


def _listed_subject(root: Path, raw: dict, where: str) -> dict:
    """One entry of dataset.json with absolute paths. Raises DatalistError for a name or path that is refused."""
    name = raw.get(conventions.SUBJECT)
    if not is_subject_name(name):
        raise DatalistError(f"{where}: {bad_name(name)}")
    entry: dict[str, Any] = {conventions.SUBJECT: str(name)}
    problems, reference_problems = [], {}
    for key in (*FILE_KEYS, "meta"):
        if raw.get(key) in (None, ""):
            continue
        path = inside(root, raw[key], f"{where}:{key}")
        if path.is_file():
            entry[key] = str(path)
        else:
            others = {str(raw.get(other)).replace("\\", "/").rpartition("/")[2] for other in FILE_KEYS if other != key}
            near = [one for one in image_names(path.parent) if one not in others and stem(one).lower() not in FILE_KEYS
                    or stem(one).lower() == key]  # fmt: skip
            nearest = _near(path.name, near)
            nearest = f" Nearest file: {nearest}" if nearest else " Its folder holds no image of a name near to it."
            text = f"{name}: {key} file {raw[key]} of {where} not found.{nearest}\nFix: correct the path."
            if key in (conventions.LGE, conventions.LABEL) or key == "cine" and raw.get(conventions.LABEL):
                reference_problems[key] = text
            else:
                problems.append(text)
    entry |= {key: raw[key] for key in _PLAIN_KEYS if raw.get(key) is not None}
    if not problems and "cine" not in entry and "cine" not in reference_problems:
        text = f"{name}: {where} has no 'cine'; found {', '.join(list(raw)[:8])}.\nFix: add its path."
        if conventions.LABEL in entry:
            reference_problems["cine"] = f"{text} {_MEASURED}"
        else:
            problems.append(text)
    entry |= {"reference_problems": reference_problems} if reference_problems else {}
    entry |= _key_references(root, raw.get(KEY_REFERENCES), f"{name}: {KEY_REFERENCES} of {where}")
    return entry | ({"problem": problems[0]} if problems else {})


def _key_references(root: Path, given: Any, where: str) -> dict[str, dict[str, dict]]:
    """KEY_REFERENCES of an entry with absolute paths; {} where it has none.

    A file that is not there is found by training, which reads it; no other job does without a subject for it.

    Raises:
        DatalistError: another form than that of KEY_REFERENCES, or a path out of the folder.
    """
    if given is None:
        return {}
    keys = {conventions.LGE, conventions.LABEL, "label_phase"}
    fits = isinstance(given, dict) and set(given) <= set(KEY_PHASES)
    if not fits or not all(isinstance(one, dict) and set(one) == keys for one in given.values()):
        raise DatalistError(
            f"{where}: found {str(given)[:120]}, expected {' or '.join(KEY_PHASES)}, each with lge, label and "
            "label_phase.\nFix: correct it, or remove the key."
        )
    found = {}
    for phase, one in given.items():
        paths = {key: inside(root, one[key], f"{where}:{phase}:{key}") for key in (conventions.LGE, conventions.LABEL)}
        found[phase] = {key: str(path) for key, path in paths.items()} | {"label_phase": one["label_phase"]}
    return {KEY_REFERENCES: found}
