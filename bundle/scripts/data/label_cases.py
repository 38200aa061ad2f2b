"""Owns how a case of MONAI Label (one file, partners found by name) becomes an entry, and its request network input."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from monai.data import MetaTensor
from monai.transforms import Transform
from monai.utils import optional_import
from nibabel.filebasedimages import ImageFileError

from .. import conventions
from .volumes import CHANNELS, VolumeError

SUFFIXES = (".nii.gz", ".nii")
# A case's further files lie beside it: <case>_t2_stir.nii.gz; the case itself is <case>.nii.gz or <case>_cine.nii.gz.
PARTNERS = {"t2_stir": "T2-STIR", "lge": "LGE"}
_CINE, _META = "_cine", "_meta.json"
_NOT_FOUND, _UNUSABLE = 404, 422


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
    stem, suffix = _split_name(path)
    for sequence, title in PARTNERS.items():
        if stem.endswith(f"_{sequence}"):
            raise VolumeError(
                f"case {stem}: this is the {title} that belongs to a cine, not a case of its own.\n"
                f"Fix: ask for case {stem.removesuffix(f'_{sequence}')}."
            )
    base = stem.removesuffix(_CINE)
    entry = {conventions.SUBJECT: _subject_name(base), "cine": str(path)}
    partners = {name: _partner(path.parent, f"{base}_{name}", suffix) for name in PARTNERS}
    if partners["t2_stir"]:
        entry["t2_stir"] = partners["t2_stir"]
    elif _volumes(path) == len(conventions.SEQUENCES):
        entry["t2_stir"] = str(path)
        entry[CHANNELS] = {name: channel for channel, name in enumerate(conventions.SEQUENCES)}
    if (path.parent / f"{base}{_META}").is_file():
        entry["meta"] = str(path.parent / f"{base}{_META}")
    if label is not None:
        entry[conventions.LABEL] = str(label)
        entry |= {conventions.LGE: partners["lge"]} if partners["lge"] else {}
    return entry


def as_entry(entry: Mapping[str, Any]) -> dict:
    """A datalist entry; MONAI Label's training list, {image, label}, is turned into one."""
    if "cine" in entry or conventions.IMAGE not in entry:
        return dict(entry)
    return case_entry(entry[conventions.IMAGE], entry.get(conventions.LABEL))


class CaseRequest(Transform):
    """MONAI Label's request -> the same dict with the subject-level item, ``image`` as the network's input.

    ``image`` is a MetaTensor (C, I, J, S) in 0..1. Its meta says what the inferer would else be told by prepare_batch
    (available, vendor, subject), and the grid on which the server returns the label map (the cine's). ``started_s`` is
    time.perf_counter() when the work on the request began.

    Args:
        preprocessing: SubjectPreprocessing.
    """

    def __init__(self, preprocessing: Callable[[dict], dict]) -> None:
        self.preprocessing = preprocessing

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Reads the case.

        Raises:
            HTTPException: (the server's own; elsewhere DataError) 404 for an unknown case, 422 for an unusable one.
        """
        started_s, image = time.perf_counter(), data.get(conventions.IMAGE, "")
        if not isinstance(image, (str, Path)):
            raise server_error(_UNUSABLE, f"image: found a {type(image).__name__}, expected the name of a case.")
        try:
            item = self.preprocessing(case_entry(image))
        except (conventions.DataError, OSError, MemoryError) as error:
            known = Path(image).is_file()
            raise server_error(_UNUSABLE if known else _NOT_FOUND, _without_folder(str(error), image)) from error
        warnings = item["warnings"].splitlines()
        if not item["available_slices"][conventions.SEQUENCES.index("t2_stir")].any():
            warnings.append(
                "T2-STIR missing: made from the cine alone, oedema is not seen; put "
                f"{item[conventions.SUBJECT]}_t2_stir.nii.gz beside the case, or give two channels"
            )
        meta = {
            conventions.AVAILABLE: item["available_slices"][None],
            conventions.VENDOR: item[conventions.VENDOR][None],
            conventions.SUBJECT: [item[conventions.SUBJECT]],
            "spatial_shape": item["cine_shape"].numpy(),
            "original_affine": item["cine_affine"].numpy(),
        }
        tensor = MetaTensor(item[conventions.IMAGE], affine=item["cine_affine"], meta=meta)
        return {**data, **item, conventions.IMAGE: tensor, "warnings": "\n".join(warnings), "started_s": started_s}


def server_error(status: int, text: str) -> Exception:
    """The exception that MONAI Label's server answers with ``status`` and ``text``; a DataError where it is absent."""
    http_exception, found = optional_import("fastapi", name="HTTPException")
    return http_exception(status_code=status, detail=text) if found else conventions.DataError(text)


def _split_name(path: Path) -> tuple[str, str]:
    suffix = next((s for s in SUFFIXES if path.name.lower().endswith(s)), None)
    if suffix is None:
        raise VolumeError(f"case {path.name}: expected a NIfTI file, .nii.gz or .nii.\nFix: convert it.")
    return path.name[: -len(suffix)], suffix


def _partner(folder: Path, stem: str, suffix: str) -> str | None:
    names = [f"{stem}{s}" for s in (suffix, *SUFFIXES)]
    return next((str(folder / name) for name in names if (folder / name).is_file()), None)


def _volumes(path: Path) -> int:
    """Volumes along the axes behind the third, by the header alone; 1 where it cannot be read (reading says why)."""
    try:
        return int(np.prod(nib.load(path).shape[3:], dtype=int))
    except (ImageFileError, OSError, EOFError, ValueError):
        return 1


def _subject_name(stem: str) -> str:
    """A case's name as a folder name; every other character becomes an underscore."""
    return re.sub(r"[^\w .+=@-]", "_", stem).lstrip("._ -")[:100] or "case"


def _without_folder(text: str, image: str | Path) -> str:
    """An error's text without the folder of the studies: a client needs the file's name only."""
    folder = str(Path(image).parent)
    return text.replace(f"{folder}/", "") if len(folder) > 1 else text
