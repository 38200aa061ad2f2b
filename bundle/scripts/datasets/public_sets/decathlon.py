"""Decathlon and MONAI lists: dataset.json with lists of {"image": file or files, "label": file}."""

from __future__ import annotations

import difflib
from pathlib import Path, PurePosixPath
from typing import Any

from ... import conventions
from ...volumes.reading import CHANNELS
from ..layout import DatalistError, Layout, image_names, inside, sorted_entries, stem
from .channels import channel_sequences, cine_lacking, label_fields

NAME = "6 (Decathlon list)"
# Lists of the file, and the split each stands for; the Medical Segmentation Decathlon calls its own "test".
_LISTS = {"training": "training", "validation": "validation", "testing": "testing", "test": "testing"}
_IMAGE = "image"


def fits(content: object) -> bool:
    """Whether dataset.json lists images without saying by key which sequence each is."""
    if not isinstance(content, dict):
        return False
    entries = [entry for name in _LISTS if isinstance(content.get(name), list) for entry in content[name]]
    named = any(isinstance(entry, dict) and "cine" in entry for entry in entries)
    return not named and any(isinstance(entry, dict) and _IMAGE in entry for entry in entries)


def read(root: Path, content: dict) -> Layout:
    """Every listed subject, named by ``subject`` where the entry has it, else by its file.

    Raises:
        DatalistError: the file does not say which sequence is which, an entry cannot be read, a path leaves the
            folder, or a subject is listed twice.
    """
    file = root / "dataset.json"
    sequences, notes = channel_sequences(content, file)
    places: dict[str, str] = {}
    listed = [
        (entry, section, f"{file.name}:{name}[{index}]")
        for name, section in _LISTS.items()
        for index, entry in enumerate(content.get(name) or [])
    ]
    raw = [({_IMAGE: entry} if isinstance(entry, str) else entry, section, where) for entry, section, where in listed]
    for entry, _, where in raw:
        if not isinstance(entry, dict) or not _image_list(entry):
            raise DatalistError(
                f'{where}: found {str(entry)[:80]}, expected {{"image": file or list of files, "label": file}}.\n'
                "Fix: correct the entry."
            )
    by_folder = len({_file_name(entry) for entry, _, _ in raw}) < len(raw)
    entries = []
    for one, section, where in raw:
        name = str(one.get(conventions.SUBJECT) or _name_of(one, by_folder))
        if name.casefold() in places:
            raise DatalistError(
                f"{file}: subject '{name}' is listed in {places[name.casefold()]} and again in {where}; splits are by "
                'subject.\nFix: keep one of the entries, or give each its own "subject".'
            )
        places[name.casefold()] = where
        entry = {conventions.SUBJECT: name, "split": section} | _images(root, name, one, sequences, where)
        entries.append(entry | _label(root, one, where, content, entry))
    table = label_fields(content, file).get("label_table", "ours")
    names = {key: "one of its images" for key in sequences.values()} | {"label": "label"}
    return Layout(NAME, sorted_entries(entries), tuple(notes), table, names, cine_lacking(sequences, file))


def _image_list(entry: dict) -> list[str]:
    images = entry.get(_IMAGE)
    listed = [images] if isinstance(images, str) else images
    return listed if isinstance(listed, list) and all(isinstance(one, str) and one for one in listed) else []


def _file_name(entry: dict) -> str:
    name = stem(PurePosixPath(_image_list(entry)[0].replace("\\", "/")).name)
    return name.removesuffix("_0000")


def _name_of(entry: dict, by_folder: bool) -> str:
    """The file's own name; that of its folder where several subjects share the name of a file."""
    folder = PurePosixPath(_image_list(entry)[0].replace("\\", "/")).parent.name
    return folder if by_folder and folder else _file_name(entry)


def _images(root: Path, name: str, entry: dict, sequences: dict[int, str], where: str) -> dict[str, Any]:
    """The sequences of one entry: a file each, or channels of one file."""
    listed = _image_list(entry)
    if len(listed) == 1 and len(sequences) > 1:
        path = inside(root, listed[0], f"{where}:{_IMAGE}")
        if not path.is_file():
            return {"problem": _not_found(name, _IMAGE, listed[0], path, where)}
        return {key: str(path) for key in sequences.values()} | {CHANNELS: {key: n for n, key in sequences.items()}}
    if len(listed) <= max(sequences):
        return {
            "problem": f"{name}: image of {where} found {len(listed)} files, expected {max(sequences) + 1}, one for "
            "each of the channels that dataset.json names.\nFix: list them all in that order, or correct channel_names."
        }
    found: dict[str, Any] = {}
    for number, key in sequences.items():
        path = inside(root, listed[number], f"{where}:{_IMAGE}")
        if path.is_file():
            found[key] = str(path)
        elif key == conventions.LGE:
            found["reference_problems"] = {key: _not_found(name, key, listed[number], path, where)}
        else:
            found.setdefault("problem", _not_found(name, key, listed[number], path, where))
    return found


def _label(root: Path, entry: dict, where: str, content: dict, read: dict) -> dict[str, Any]:
    text = entry.get(conventions.LABEL)
    if not text:
        return {}
    path = inside(root, text, f"{where}:label")
    if not path.is_file():
        message = _not_found(read[conventions.SUBJECT], conventions.LABEL, text, path, where)
        return {"reference_problems": read.get("reference_problems", {}) | {conventions.LABEL: message}}
    return {conventions.LABEL: str(path)} | label_fields(content, root / "dataset.json")


def _not_found(name: str, key: str, text: str, path: Path, where: str) -> str:
    near = difflib.get_close_matches(path.name, image_names(path.parent), n=3, cutoff=0.0)
    found = f"found there: {', '.join(near)}" if near else "its folder holds no image file"
    return f"{name}: {key} file {text[:120]} of {where} not found; {found}.\nFix: correct the path."
