"""Time of import and alignment of a study: 12 slices, 25 phases, 600 files beside it; prints, asserts nothing."""

import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bundle"))

import numpy as np
import pydicom
from scripts.dicom.study import StudyReader
from scripts.phantom.dicom.writer import write_dicom_subject
from scripts.phantom.parameters import PhantomParameters
from scripts.phantom.subject import make_subject
from scripts.registration.study_alignment import StudyAlignment
from scripts.study.import_job import StudyImport


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def distractors(folder: Path, count: int) -> None:
    """Half of them images of other series (perfusion), half no DICOM at all."""
    template = next(path for path in sorted(folder.rglob("*")) if path.is_file())
    for number in range(count // 2):
        image = pydicom.dcmread(template)
        image.SeriesInstanceUID, image.SOPInstanceUID = "1.2.3", f"1.2.3.{number}"
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        image.SeriesDescription, image.SeriesNumber, image.InstanceNumber = "perfusion", 90, number
        image.save_as(folder / f"other_{number}.dcm")
        (folder / f"note_{number}.bin").write_bytes(np.random.default_rng(number).bytes(50000))


def main() -> None:
    """One study, three times."""
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        subject = make_subject(1, 3, PhantomParameters(slices=12, vendor="siemens"), views=True)
        folder = write_dicom_subject(subject, scratch / "in")
        files = sum(path.is_file() for path in folder.rglob("*"))
        distractors(folder, 600)
        _say(f"{files} files of the study, 600 others")
        for _ in range(3):
            shutil.rmtree(scratch / "out", ignore_errors=True)
            wall, processor = time.perf_counter(), time.process_time()
            StudyImport(StudyReader(folder), str(scratch / "out"), StudyAlignment()).run()
            _say(
                f"import and alignment: {time.perf_counter() - wall:.1f} s wall, "
                f"{time.process_time() - processor:.1f} s processor"
            )
        peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        _say(f"peak memory {peak_gb:.2f} GB, the making of the phantom included")


if __name__ == "__main__":
    main()
