"""Owns what a subject's folder may hold, so that a file of the user's in it is never removed with it."""

from __future__ import annotations

from pathlib import Path

from ..conventions import DataError

VOLUMES = ("cine", "t2_stir", "lge", "label")
_WRITTEN = {"meta.json", *(f"{key}.nii.gz" for key in VOLUMES)}
_DICOM_PREFIX_BYTES, _DICOM_MAGIC = 128, b"DICM"


def refuse_foreign_files(subject: Path) -> None:
    """Raises DataError when a folder about to be replaced holds what no phantom writes; an absent folder passes."""
    if not subject.is_dir():
        return
    foreign = [
        path.relative_to(subject).as_posix()
        for path in sorted(subject.rglob("*"))
        if path.is_file() and not (path.name in _WRITTEN and path.parent == subject) and not is_dicom(path)
    ]
    if foreign:
        raise DataError(
            f"{subject}: found {', '.join(foreign[:3])}, which no phantom writes, expected a phantom's NIfTI or DICOM "
            "files only. Fix: move it away; the folder would be replaced."
        )


def is_dicom(path: Path) -> bool:
    """Whether a file starts as DICOM files do: 128 bytes, then DICM."""
    with path.open("rb") as stream:
        return stream.read(_DICOM_PREFIX_BYTES + len(_DICOM_MAGIC)).endswith(_DICOM_MAGIC)
