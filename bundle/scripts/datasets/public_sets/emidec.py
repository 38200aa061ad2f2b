"""EMIDEC: <case>/Images/<case>.nii.gz, an LGE, and its label map in <case>/Contours."""

from __future__ import annotations

from pathlib import Path

from ... import conventions
from ...preprocessing.labels import LABEL_TABLE
from ..layout import Layout, image_suffix, paths_of, put_file, sorted_entries, unread

NAME = "5 (EMIDEC)"
_FOLDERS = {"images": conventions.LGE, "contours": conventions.LABEL}


def fits(files: list[Path]) -> bool:
    places = (_place(path) for path in files if image_suffix(path.name))
    return any(place is not None and place[1] == conventions.LGE for place in places)


def read(root: Path, files: list[Path]) -> Layout:
    """Some unpackings leave a folder that is called as the file in it, Case_N006.nii/Case_N006.nii."""
    entries: dict[str, dict] = {}
    for path in files:
        place = _place(path) if image_suffix(path.name) else None
        if place:
            entry = entries.setdefault(place[0], {conventions.SUBJECT: place[0]})
            put_file(entry, place[1], path)
            if place[1] == conventions.LABEL:
                entry[LABEL_TABLE] = "emidec"
    listed = sorted_entries(entries.values())
    names = {"lge": "<case>/Images/<case>.nii.gz", "label": "<case>/Contours/<case>.nii.gz"}
    text = (
        f"{root}: found EMIDEC, LGE and label maps without any cine; a virtual LGE is made of a cine.\n"
        "Expected: a folder with cines. Fix: measure these with configs/quantify.json, which needs no cine."
    )
    return Layout(NAME, listed, unread(root, files, paths_of(listed)), "emidec", names, {"cine": text})


def _place(path: Path) -> tuple[str, str] | None:
    """Case and key of a file below Images or Contours; None elsewhere."""
    parts = path.parts
    for index in range(len(parts) - 2, 0, -1):
        key = _FOLDERS.get(parts[index].lower())
        if key and len(parts) - index <= 3:
            return parts[index - 1], key
    return None
