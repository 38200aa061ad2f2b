"""Files of one MONAI Label case: the case itself, its T2-STIR, LGE and meta by name, and its own name."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import nibabel as nib
from nibabel.spatialimages import SpatialImage

from .. import conventions
from ..preprocessing.preprocessing import SubjectPreprocessing
from ..volumes.nifti import UNREADABLE
from ..volumes.reading import CHANNELS
from ..volumes.volume import VolumeError

SUFFIXES = (".nii.gz", ".nii")
# A case's further files lie beside it: <case>_t2_stir.nii.gz; the case itself is <case>.nii.gz or <case>_cine.nii.gz.
# In a folder of its own a case may go by the names of a subject folder: cine.nii.gz, t2_stir.nii.gz.
PARTNERS = {"t2_stir": "T2-STIR", "lge": "LGE"}
_CINE, _META = "cine", "meta.json"
# A name becomes a folder and the start of file names, which most systems end at 255 bytes.
_LONGEST_BYTES = 80


def case_entry(image: str | Path, label: str | Path | None = None) -> dict:
    """Datalist entry of one case.

    Args:
        image: NIfTI file of the case: a cine (x, y, slice[, phase]), or one file of two channels, cine then T2-STIR
            (x, y, slice, 2), taken as such where no ``<case>_t2_stir`` lies beside it.
        label: its label map, for training.
    Returns:
        {subject, cine, t2_stir?, lge?, label?, meta?, channels?}; an ``<case>_lge`` is only taken with a label.
    Raises:
        VolumeError: no such case, not a NIfTI file, or the file of another sequence.
    """
    path = Path(image)
    if not str(image) or not path.is_file():
        raise VolumeError(
            f"{f'case {path.name}' if path.name else 'the case'}: not found among the studies.\n"
            "Fix: ask the server for its cases (GET /datastore/), and give the name without .nii.gz."
        )
    stem = _stem(path)
    _refuse_partner(stem)
    beside, prefix = {file.name.lower(): file for file in path.parent.iterdir()}, _prefix(stem)
    entry: dict[str, object] = {
        conventions.SUBJECT: _subject_name(stem if prefix else path.parent.name),
        "cine": str(path),
    }
    partners = {name: _partner(beside, f"{prefix}{name}") for name in PARTNERS}
    if partners["t2_stir"]:
        entry["t2_stir"] = partners["t2_stir"]
    elif _volumes(path) == len(conventions.SEQUENCES):
        entry["t2_stir"] = str(path)
        entry[CHANNELS] = {name: channel for channel, name in enumerate(conventions.SEQUENCES)}
    if f"{prefix}{_META}".lower() in beside:
        entry["meta"] = str(beside[f"{prefix}{_META}".lower()])
    if label is not None:
        entry[conventions.LABEL] = str(label)
        entry |= {conventions.LGE: partners["lge"]} if partners["lge"] else {}
    return entry


class CaseReader:
    """Path of a case -> its subject-level item, with a line in ``warnings`` where there is no T2-STIR."""

    def __init__(self, preprocessing: SubjectPreprocessing) -> None:
        self.preprocessing = preprocessing

    def __call__(self, image: str | Path) -> dict:
        """Raises DataError: no case, or one that cannot be used."""
        item = self.preprocessing(case_entry(image))
        if not item["available_slices"][conventions.SEQUENCES.index("t2_stir")].any():
            missing = (
                f"T2-STIR missing: made from the cine alone, oedema is not seen; put {_prefix(_stem(Path(image)))}"
                "t2_stir.nii.gz beside the case, or give two channels"
            )
            item["warnings"] = "\n".join([*item["warnings"].splitlines(), missing])
        return item


def as_entry(entry: Mapping[str, Any]) -> dict:
    """A datalist entry; MONAI Label's training list, {image, label}, is turned into one.

    What is no case becomes {subject, problem}, which the preprocessing raises where it is read.
    """
    if "cine" in entry or conventions.IMAGE not in entry:
        return dict(entry)
    try:
        return case_entry(entry[conventions.IMAGE], entry.get(conventions.LABEL))
    except VolumeError as error:
        return {conventions.SUBJECT: Path(entry[conventions.IMAGE]).name, "problem": str(error)}


def _prefix(stem: str) -> str:
    """Begin of the names of a case's partners: "case_" of case.nii.gz and case_cine.nii.gz, "" of cine.nii.gz."""
    if stem.lower() == _CINE:
        return ""
    return stem[: -len(_CINE)] if stem.lower().endswith(f"_{_CINE}") else f"{stem}_"


def _refuse_partner(stem: str) -> None:
    for sequence, title in PARTNERS.items():
        if stem.lower() == sequence or stem.lower().endswith(f"_{sequence}"):
            case = stem[: -len(sequence)].rstrip("_")
            raise VolumeError(
                f"case {stem}: this is the {title} that belongs to a cine, not a case of its own.\n"
                f"Fix: ask for case {case or _CINE}."
            )


def _stem(path: Path) -> str:
    suffix = next((s for s in SUFFIXES if path.name.lower().endswith(s)), None)
    if suffix is None:
        raise VolumeError(f"case {path.name}: expected a NIfTI file, .nii.gz or .nii.\nFix: convert it.")
    return path.name[: -len(suffix)]


def _partner(beside: Mapping[str, Path], stem: str) -> str | None:
    found = [beside[f"{stem}{suffix}".lower()] for suffix in SUFFIXES if f"{stem}{suffix}".lower() in beside]
    return str(found[0]) if found else None


def _volumes(path: Path) -> int:
    """Volumes along the axes behind the third, by the header alone; 1 where it cannot be read (reading says why)."""
    try:
        return math.prod(cast(SpatialImage, nib.load(path)).shape[3:])
    except UNREADABLE:
        return 1


def _subject_name(stem: str) -> str:
    """The case's name where it can be a folder's; otherwise what is left of it and a mark, as no two may share one."""
    plain = re.sub(r"[^\w .+=@-]", "_", stem).lstrip("._ -").encode()[:_LONGEST_BYTES].decode(errors="ignore")
    return plain if plain == stem else f"{plain or 'case'}_{hashlib.sha256(stem.encode()).hexdigest()[:8]}"
