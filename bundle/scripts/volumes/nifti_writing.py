"""Deterministic NIfTI files: the same array and affine give the same bytes."""

from __future__ import annotations

import gzip

import nibabel as nib
import numpy as np

from .. import conventions

SHEAR_TOLERANCE_MM = 1e-3


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
