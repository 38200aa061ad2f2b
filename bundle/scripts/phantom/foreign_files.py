"""Check that a folder about to be replaced holds a phantom's own files only."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ..conventions import DataError

VOLUMES = ("cine", "t2_stir", "lge", "label")
# LGE and label at end-diastole and end-systole, where a cohort has them.
KEY_VOLUMES = ("lge_ed", "label_ed", "lge_es", "label_es")
NIFTI_FILES = ("meta.json", *(f"{key}.nii.gz" for key in VOLUMES + KEY_VOLUMES))
_DICOM_PREFIX_BYTES, _DICOM_MAGIC = 128, b"DICM"


def refuse_foreign_files(subject: Path, beside_dicom: Collection[str] = NIFTI_FILES) -> None:
    """Checks a folder that is about to be replaced; one that is not there passes.

    Args:
        beside_dicom: names of the files that may lie in the folder itself; DICOM may lie anywhere in it.
    Raises:
        DataError: it is a file, or holds a file that no phantom writes.
    """
    foreign = [
        path.relative_to(subject.parent if path == subject else subject).as_posix()
        for path in [subject, *sorted(subject.rglob("*"))]
        if path.is_file() and not (path.name in beside_dicom and path.parent == subject) and not _is_dicom(path)
    ]
    if foreign:
        raise DataError(
            f"{subject}: found {', '.join(foreign[:3])}, expected a new folder or an older phantom's own files only. "
            "Fix: choose another --output_dir, or move what is there."
        )


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(_DICOM_PREFIX_BYTES + len(_DICOM_MAGIC)).endswith(_DICOM_MAGIC)
