"""M&Ms, <code>_sa and <code>_sa_gt with one map per phase, and M&Ms-2, <code>_SA_CINE, _SA_ED and _SA_ED_gt."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path

from ... import conventions
from ...preprocessing.labels import LABEL_TABLE
from ...volumes.entry_files import CINE_FRAMES
from ...volumes.reading import CHANNELS
from ..layout import (
    END_SYSTOLE,
    Layout,
    found_twice,
    image_suffix,
    lost_subjects,
    missing_cine,
    put_file,
    sorted_entries,
    stem,
    unread,
)

FIRST_NAME, SECOND_NAME = "6 (M&Ms)", "6 (M&Ms-2)"
_FILE = re.compile(r"(?P<case>.+)_SA(?:_(?P<what>CINE|ED|ES))?(?P<gt>_gt)?", re.IGNORECASE | re.DOTALL)
_CODES, _VENDORS, _FIELDS = ("external code", "subject_code"), ("vendorname", "vendor"), ("field",)
_CSV_HEAD_BYTES = 2**16


def fits(files: list[Path]) -> bool:
    return any(_match(path) for path in files)


def read(root: Path, files: list[Path]) -> Layout:
    """Phases and vendor come from the csv of the set, which has to lie in the folder as well."""
    cases: dict[str, dict[str, Path]] = {}
    twice: dict[str, tuple[Path, Path]] = {}
    for path in files:
        if match := _match(path):
            what = f"{(match['what'] or 'sa').lower()}{'_gt' if match['gt'] else ''}"
            first = cases.setdefault(match["case"], {}).setdefault(what, path)
            if first != path:
                twice[match["case"]] = first, path
    rows = _rows(path for path in files if path.suffix.lower() == ".csv")
    used = [path for found in cases.values() for path in found.values()] + [two[1] for two in twice.values()]
    lost, lost_files = lost_subjects(files, used, "<code>_sa.nii.gz or <code>_SA_CINE.nii.gz")
    entries = [
        {conventions.SUBJECT: name, "problem": found_twice(name, *twice[name])} if name in twice
        else _entry(name, found, rows)
        for name, found in cases.items()
    ]  # fmt: skip
    listed = sorted_entries([*entries, *lost])
    left = unread(root, files, [*used, *lost_files])
    second = any("sa" not in found for found in cases.values())
    cine = "<code>_SA_CINE.nii.gz, or _SA_ED and _SA_ES" if second else "<code>_sa.nii.gz"
    label = "<code>_SA_ED_gt.nii.gz" if second else "<code>_sa_gt.nii.gz"
    name = SECOND_NAME if second else FIRST_NAME
    text = (
        f"{root}: found {name[3:-1]}, cines with label maps of the chambers, expected an LGE of each subject.\n"
        f"Fix: give a folder with cine, LGE and label; inference, quantify and transfer.json work on {name[3:-1]}."
    )
    return Layout(name, listed, left, "mnms", {"cine": cine, "label": label}, {"lge": text})


def _match(path: Path) -> re.Match[str] | None:
    return _FILE.fullmatch(stem(path.name)) if image_suffix(path.name) else None


def _entry(name: str, found: dict[str, Path], rows: dict[str, dict[str, str]]) -> dict:
    row = rows.get(_code(name), {})
    entry: dict = {conventions.SUBJECT: name}
    if vendor := _first(row, _VENDORS):
        entry[conventions.VENDOR] = vendor
    if re.fullmatch(r"\d+(\.\d+)?", field := _first(row, _FIELDS)):
        entry["field_strength_t"] = float(field)
    entry |= _first_set(name, found, row, bool(rows)) if "sa" in found or "sa_gt" in found else _second_set(found)
    return missing_cine(entry, f"{name}_sa.nii.gz or {name}_SA_CINE.nii.gz", [path.name for path in found.values()])


def _first_set(name: str, found: dict[str, Path], row: dict[str, str], any_csv: bool) -> dict:
    """The whole cine, and of the label file the phase that the csv calls end-diastole (counted from 0)."""
    entry: dict = {conventions.SUBJECT: name}
    if "sa" in found:
        put_file(entry, "cine", found["sa"])
    phases = {key: int(row[key]) for key in ("ed", "es") if row.get(key, "").isdecimal()}
    entry |= {f"{key}_phase": phase for key, phase in phases.items()}
    if "sa_gt" not in found:
        return entry
    if "ed" in phases:
        put_file(entry, conventions.LABEL, found["sa_gt"])
        drawn = {key: {"label_phase": phase, CHANNELS: {conventions.LABEL: phase}} for key, phase in phases.items()}
        return entry | {LABEL_TABLE: "mnms"} | drawn["ed"] | ({END_SYSTOLE: drawn["es"]} if "es" in drawn else {})
    said = f"no ED in the csv's row of {name}" if row else f"no row of {name} in it" if any_csv else "no csv"
    text = (
        f"{name}: found {found['sa_gt'].name} with a map for each of two phases and {said}, expected the csv of the set"
        " with the columns External code, ED and ES.\nFix: copy it into dataset_dir, or correct that row."
    )
    return entry | {"reference_problems": {conventions.LABEL: text}}


def _second_set(found: dict[str, Path]) -> dict:
    """End-diastole and end-systole as a cine of two phases: nothing says which phases of the whole cine they are."""
    entry: dict = {}
    frames = [str(found[key]) for key in ("ed", "es") if key in found]
    if frames and ("cine" not in found or "ed_gt" in found):
        entry |= {"cine": frames[0]} | ({CINE_FRAMES: frames} if len(frames) > 1 else {})
        entry |= {f"{key}_phase": n for n, key in enumerate(key for key in ("ed", "es") if key in found)}
    elif "cine" in found:
        entry["cine"] = str(found["cine"])
    label = next((key for key in ("ed", "es") if f"{key}_gt" in found), None)
    if label is None:
        return entry
    entry |= {conventions.LABEL: str(found[f"{label}_gt"]), LABEL_TABLE: "mnms"}
    if label == "ed" and "es_gt" in found and "es_phase" in entry:
        entry[END_SYSTOLE] = {conventions.LABEL: str(found["es_gt"]), "label_phase": entry["es_phase"]}
    return entry | ({"label_phase": entry[f"{label}_phase"]} if f"{label}_phase" in entry else {})


def _rows(files: Iterable[Path]) -> dict[str, dict[str, str]]:
    """{code: {column in small letters: value}} of every csv that has a column of codes."""
    rows: dict[str, dict[str, str]] = {}
    for path in files:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
        head = text[:_CSV_HEAD_BYTES].splitlines()[:1]
        delimiter = ";" if head and head[0].count(";") > head[0].count(",") else ","
        for row in csv.DictReader(text.splitlines(), delimiter=delimiter):
            plain = {str(key).strip().lower(): str(value or "").strip() for key, value in row.items()}
            if code := _first(plain, _CODES):
                rows[_code(code)] = plain
    return rows


def _code(text: str) -> str:
    """M&Ms-2 writes 1 in the csv and 001 in the names of files."""
    return text.lstrip("0") or text if text.isdecimal() else text


def _first(row: dict[str, str], keys: tuple[str, ...]) -> str:
    return next((row[key] for key in keys if row.get(key)), "")
