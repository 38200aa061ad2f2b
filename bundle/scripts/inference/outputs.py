"""Paths in the output folder, and the reading of a result.json."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .. import conventions
from ..conventions import DataError
from ..files import read_json

VIRTUAL_LGE, LABEL = "virtual_lge.nii.gz", "label.nii.gz"
INFARCT_PROBABILITY, UNCERTAINTY = "infarct_probability.nii.gz", "uncertainty.nii.gz"
PREVIEW, RESULT = "preview.png", "result.json"
# What is read of a result.json, beside the subject's name: objects, those whose entries are objects too, lists.
_INTERVAL = "infarct_percent_lv_interval"
_OBJECTS = (
    *("infarct_percent_lv", _INTERVAL, "reference_infarct_percent_lv"),
    *("slices", "seconds", "sequences", "weights"),
)
_TABLES = ("structures", "reference_dice")
_LISTS = ("qc", "warnings", "files")
_NEEDED = {conventions.SUBJECT, "structures"}
SUBJECT_FILES = (VIRTUAL_LGE, LABEL, INFARCT_PROBABILITY, UNCERTAINTY, PREVIEW, RESULT)


def subject_file(output_dir: Path, subject: str, kind: str) -> Path:
    """``<output_dir>/<subject>/<subject>_<kind>``.

    Raises:
        DataError: the subject's name is not a plain folder name.
    """
    if not subject or subject.startswith(".") or any(character in subject for character in "/\\\0"):
        raise DataError(
            f"{subject!r}: a subject's name becomes a folder, so it may hold no slash and not start with a dot. "
            "Fix: rename it in the input folder or in dataset.json."
        )
    return output_dir / subject / f"{subject}_{kind}"


def result_of(label: Path) -> Path | None:
    """The result.json beside a label map that inference wrote; None for any other label map."""
    subject = label.parent.name
    result = label.parent / f"{subject}_{RESULT}"
    return result if label.name == f"{subject}_{LABEL}" and result.is_file() else None


def measured_subjects(folder: Path) -> list[dict]:
    """Subjects whose results lie in ``folder``, as a datalist has them: subject, label, and lge, the virtual one.

    Sorted by name; empty where the folder is no output folder of inference, or has a dataset.json that says what is in
    it.
    """
    if not folder.is_dir() or (folder / "dataset.json").is_file():
        return []
    entries = []
    for name in sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        label, lge, result = (subject_file(folder, name, kind) for kind in (LABEL, VIRTUAL_LGE, RESULT))
        if label.is_file() and (lge.is_file() or result.is_file()):
            entry = {conventions.SUBJECT: name, conventions.LABEL: str(label)}
            entries.append(entry | ({conventions.LGE: str(lge)} if lge.is_file() else {}))
    return entries


def read_result(path: Path, needed: Iterable[str] = ()) -> dict:
    """A result.json of this bundle.

    Args:
        needed: keys that it has to have, beside the subject and the structures.
    Raises:
        DataError: it cannot be read as one.
    """
    try:
        result = read_json(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path.name}: cannot be read ({type(error).__name__}). Fix: delete it and run again."
        ) from error
    if not _is_result(result, _NEEDED.union(needed)) or path.name != f"{result[conventions.SUBJECT]}_{RESULT}":
        raise DataError(f"{path.name}: is not a result of this bundle. Fix: delete it and run again.")
    return result


def _is_result(content: Any, needed: set[str]) -> bool:
    """Whether it has the shape that the reports read; a file of a person's may hold anything."""
    if not isinstance(content, dict) or not set(content) >= needed:
        return False
    # tables hold structures, structures hold measurements
    objects = [content[key] for key in (*_OBJECTS, *_TABLES) if key in content] + [content.get("seeds") or {}]
    entries = [entry for key in _TABLES for entry in _values(content.get(key))]
    objects += [*entries, *(part for entry in _values(content["structures"]) for part in _values(entry))]
    lists = [content[key] for key in _LISTS if key in content]
    if not all(isinstance(one, dict) for one in objects) or not all(isinstance(one, list) for one in lists):
        return False
    flags = [flag if isinstance(flag, dict) else {} for flag in content.get("qc", ())]
    texts = [content[conventions.SUBJECT], *(flag.get(key) for flag in flags for key in ("flag", "message"))]
    texts += [name for key in ("used", "missing") for name in _names(content.get("sequences", {}).get(key, []))]
    numbers = [one["value"] for one in objects if "value" in one]
    numbers += [value for key, value in content.get(_INTERVAL, {}).items() if key in ("low", "high", "coverage")]
    return all(isinstance(text, str) for text in texts) and all(_is_number(value) for value in numbers)


def _names(content: Any) -> list:
    """Entries of a list; of anything else, one that is no text."""
    return content if isinstance(content, list) else [None]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _values(content: Any) -> list:
    return list(content.values()) if isinstance(content, dict) else []
