"""MyoPS 2020, MyoPS++ and MS-CMRSeg: <case>_C0, _T2, _DE or _LGE, and the label map <case>_gd or <case>_LGE_manual."""

from __future__ import annotations

import re
from pathlib import Path

from ... import conventions
from ...preprocessing.labels import LABEL_TABLE, LABEL_TABLES
from ..layout import Layout, image_suffix, missing_cine, paths_of, put_file, sorted_entries, stem, unread

NAME, MSCMR_NAME = "4 (MyoPS)", "4 (MS-CMRSeg)"
_KEYS = {"c0": "cine", "t2": "t2_stir", "de": "lge", "lge": "lge"}
_FILE = re.compile(r"(?P<case>.+)_(?:(?P<what>C0|T2|DE|LGE)(?P<manual>_manual)?|gd)", re.IGNORECASE | re.DOTALL)


def fits(files: list[Path]) -> bool:
    return any(_case(path) for path in files)


NAME_OF_TABLE = "myops"
_MYOCARDIUM, _OEDEMA = (conventions.LABEL_NAMES.index(name) for name in ("myocardium", "oedema"))


def read(root: Path, files: list[Path]) -> Layout:
    """Images and label maps may lie in folders of their own; the name of the case joins them."""
    entries: dict[str, dict] = {}
    found: dict[str, list[Path]] = {}
    manual: dict[str, dict[str, Path]] = {}
    for path in files:
        match = _case(path)
        if match is None:
            continue
        entry = entries.setdefault(match["case"], {conventions.SUBJECT: match["case"]})
        found.setdefault(match["case"], []).append(path)
        if match["what"] is None:
            put_file(entry, conventions.LABEL, path)
            entry[LABEL_TABLE] = NAME_OF_TABLE
        elif match["manual"]:
            manual.setdefault(match["case"], {})[_KEYS[match["what"].lower()]] = path
        else:
            put_file(entry, _KEYS[match["what"].lower()], path)
    for case, maps in manual.items():
        if conventions.LABEL not in entries[case]:
            # the LGE's own map; that of the cine is of end-diastole
            key = next(key for key in ("lge", "cine", "t2_stir") if key in maps)
            entries[case] |= {conventions.LABEL: str(maps[key]), LABEL_TABLE: "mscmrseg"}
    for entry in entries.values():
        if entry.get(LABEL_TABLE) == NAME_OF_TABLE and "t2_stir" not in entry:
            # MyoPS++: no oedema was drawn where there was no T2
            entry[LABEL_TABLE] = {
                value: code if code != _OEDEMA else _MYOCARDIUM for value, code in LABEL_TABLES[NAME_OF_TABLE].items()
            }
    listed = [
        missing_cine(entry, f"{case}_C0.nii.gz", [path.name for path in found[case]]) for case, entry in entries.items()
    ]
    mscmr = bool(manual) and all(entry.get(LABEL_TABLE, "mscmrseg") == "mscmrseg" for entry in listed)
    names = {"cine": "<case>_C0.nii.gz", "t2_stir": "<case>_T2.nii.gz", "lge": "<case>_DE.nii.gz or <case>_LGE.nii.gz"}
    label = "<case>_LGE_manual.nii.gz" if mscmr else "<case>_gd.nii.gz"
    done = sorted_entries(listed)
    used = [*paths_of(done), *(path for maps in manual.values() for path in maps.values())]
    return Layout(
        MSCMR_NAME if mscmr else NAME, done, unread(root, files, used), "mscmrseg" if mscmr else NAME_OF_TABLE,
        names | {"label": label},
    )  # fmt: skip


def _case(path: Path) -> re.Match[str] | None:
    return _FILE.fullmatch(stem(path.name)) if image_suffix(path.name) else None
