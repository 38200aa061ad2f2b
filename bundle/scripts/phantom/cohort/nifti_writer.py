"""One phantom subject as NIfTI files in layout 1, written aside and renamed when complete."""

from __future__ import annotations

import json
from pathlib import Path

from ...files import folder_aside
from ...volumes.nifti_writing import RUN_LENGTHS, TimeAxis, nifti_image, packed
from ..foreign_files import refuse_foreign_files
from ..subject import PhantomSubject

_ROOM = "room for up to 25 MB per subject"


def write_subject(subject: PhantomSubject, output_dir: Path) -> None:
    """Writes <output_dir>/<name>/{cine,t2_stir,lge,label}.nii.gz and meta.json; replaces an older folder of that name.

    The same subject gives the same bytes.

    Raises:
        DataError: the older folder holds files of the user's.
        OutputError: the disk is full or not writable; nothing half-written stays.
    """
    final = output_dir / subject.name
    refuse_foreign_files(final)
    with folder_aside(final, _ROOM) as aside:
        for name, volume in subject.volumes.items():
            time = TimeAxis("sec") if volume.ndim == 4 else None
            image = nifti_image(volume, subject.affine_of(name), f"digital phantom {name}, research use", time)
            (aside / f"{name}.nii.gz").write_bytes(packed(image, RUN_LENGTHS))
        (aside / "meta.json").write_text(json.dumps(subject.meta, indent=1) + "\n")
