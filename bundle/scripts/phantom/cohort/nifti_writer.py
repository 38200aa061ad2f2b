"""One phantom subject as NIfTI files in layout 1, written aside and renamed when complete."""

from __future__ import annotations

import json
import shutil
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np

from ...conventions import DataError
from ..foreign_files import refuse_foreign_files
from ..subject import PhantomSubject

_GZIP_LEVEL = 1
_GZIP_CONTAINER = 31  # zlib's window bits of a gzip file with the largest window


def write_subject(subject: PhantomSubject, output_dir: Path) -> None:
    """Writes <output_dir>/<name>/{cine,t2_stir,lge,label}.nii.gz and meta.json; replaces an older folder of that name.

    Raises:
        DataError: the older folder holds files of the user's; the disk is full or not writable; nothing half-written
            stays.
    """
    final, aside = output_dir / subject.name, output_dir / f".{subject.name}.part"
    refuse_foreign_files(final)
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        for name, volume in subject.volumes.items():
            (aside / f"{name}.nii.gz").write_bytes(_nifti_bytes(volume, subject.affine, name))
        (aside / "meta.json").write_text(json.dumps(subject.meta, indent=1) + "\n")
        shutil.rmtree(final, ignore_errors=True)
        aside.replace(final)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise DataError(
            f"{final}: cannot be written ({error.strerror or error}). Expected a writable folder with "
            "room for up to 25 MB per subject. Fix: free space or choose another --output_dir."
        ) from error


def _nifti_bytes(volume: np.ndarray, affine: np.ndarray, name: str) -> bytes:
    """A .nii.gz in memory; the gzip time stamp is 0 so that the same subject gives the same bytes."""
    image = nib.Nifti1Image(volume, affine)
    image.header.set_xyzt_units("mm", "sec" if volume.ndim == 4 else None)
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    image.header["descrip"] = f"digital phantom {name}, research use".encode()
    # Run-length matches only: noise has no others, and finding that out takes a third of the time.
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_CONTAINER, 9, zlib.Z_RLE)
    return packer.compress(image.to_bytes()) + packer.flush()
