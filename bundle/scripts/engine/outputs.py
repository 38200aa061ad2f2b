"""Owns the names and formats inside the output folder (contract section 5): NIfTI and JSON."""

from __future__ import annotations

import gzip
import json
import platform
from pathlib import Path

import nibabel as nib
import numpy as np

from .. import conventions
from ..conventions import DataError
from . import atomic

VIRTUAL_LGE, LABEL = "virtual_lge.nii.gz", "label.nii.gz"
INFARCT_PROBABILITY, UNCERTAINTY = "infarct_probability.nii.gz", "uncertainty.nii.gz"
PREVIEW, RESULT = "preview.png", "result.json"
SUBJECT_FILES = (VIRTUAL_LGE, LABEL, INFARCT_PROBABILITY, UNCERTAINTY, PREVIEW, RESULT)
SHEAR_TOLERANCE_MM = 1e-3


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


def nifti_bytes(volume: np.ndarray, affine: np.ndarray) -> bytes:
    """A .nii.gz file of ``volume`` (X, Y, S) on the grid of ``affine``; the same input gives the same bytes.

    The s-form is the affine itself. The q-form repeats it when it can (no shear), else it is marked unknown (code 0)
    rather than left to contradict.
    """
    image = nib.Nifti1Image(np.ascontiguousarray(volume), None)
    image.header.set_data_dtype(volume.dtype)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = conventions.DISCLAIMER.encode("ascii")[:79]
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner")
    if not np.allclose(image.get_qform(), affine, atol=SHEAR_TOLERANCE_MM):
        image.set_qform(affine, code="unknown")
    # Level 4: a tenth of level 9's time on noise-like images, for files a few percent larger.
    return gzip.compress(image.to_bytes(), compresslevel=4, mtime=0)


def json_text(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_result(path: Path) -> dict:
    """A result.json of this bundle.

    Raises:
        DataError: it cannot be read as one.
    """
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path.name}: cannot be read ({type(error).__name__}). Fix: delete it and run again."
        ) from error
    if not isinstance(result, dict) or conventions.SUBJECT not in result or "structures" not in result:
        raise DataError(f"{path.name}: is not a result of this bundle. Fix: delete it and run again.")
    return result


def ensure_writable(output_dir: Path) -> None:
    """Makes the folder and tries one file in it, before the first minute of computing is spent.

    Raises:
        OutputError: it cannot be made or written.
    """
    # Processes on several machines may try the same folder at once; in containers even their process ids are equal.
    probe = output_dir / f".{conventions.BUNDLE_NAME}_{platform.node()}_write_test"
    atomic.write_bytes(probe, b"")
    atomic.remove(probe)
