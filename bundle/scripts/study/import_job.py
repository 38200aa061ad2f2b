"""The job that turns DICOM studies into subject folders: alignment, files, messages, exit code."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..conventions import BUNDLE_NAME, BUNDLE_VERSION, EXIT_SOME_FAILED, DataError, flag
from ..dicom.study import Study, StudyReader, UnreadableStudy
from ..dicom.voxels import Voxels
from ..files import ensure_writable, folder_aside, read_json, settle_folder, write_bytes, write_text
from ..inference.ledger import Failure, Ledger
from ..inference.outputs import RESULT, SUBJECT_FILES, subject_file
from ..inference.summary import failed_cases_text
from ..registration.registration import Alignment
from ..registration.study_alignment import StudyAlignment
from ..runtime.distributed import meet, process_number
from ..runtime.folder_lock import locked, unlock
from ..runtime.provenance import without_folders
from ..subject_faults import subject_problem
from ..volumes.nifti_writing import FAST, TimeAxis, nifti_image, packed

logger = logging.getLogger(__name__)

REPORT, META = "import.json", "meta.json"
# Reports on studies that were refused; the readers of input folders pass over names that begin like this.
REFUSED = "_not_imported"
_MESSAGE_LINES = 10
FAILURES = "failed_cases.csv"
_CINE = "cine"
_ALIGNED = ("t2_stir", "lge")
_DESCRIPTION = f"imported by {BUNDLE_NAME}, research use only"


class StudyImport:
    """Writes each study as a subject of layout 1: cine, t2_stir and lge on the cine grid, meta.json, import.json.

    Args:
        reader: where the studies come from. output_dir: gets a folder per study.
        aligner: brings T2-STIR and LGE onto the cine grid.
        overwrite: import a study again that is there.
        ledger: of the whole job, where studies that cannot be used are noted; one of its own by default.
        results_dir: of the inference; results of other images are removed there when a study is put in their place.
    """

    def __init__(
        self,
        reader: StudyReader,
        output_dir: str,
        aligner: StudyAlignment,
        overwrite: bool | str = False,
        ledger: Ledger | None = None,
        results_dir: str = "",
    ) -> None:
        self.reader, self.aligner = reader, aligner
        self.folder, self.overwrite = Path(str(output_dir)).expanduser(), flag(overwrite, "overwrite")
        self.results = Path(str(results_dir)).expanduser() if str(results_dir) else self.folder
        self.imported: dict[str, Study] = {}
        self.ledger = Ledger() if ledger is None else ledger

    def run(self) -> None:
        """Imports all studies; a study that cannot be used is logged and the others go on.

        Under torchrun the first process does it while the others wait.

        Raises:
            DataError: none could be imported, with the reason of the first.
        """
        if process_number() == 0:
            self._import_all()
        meet()

    def _import_all(self) -> None:
        ensure_writable(self.folder)
        lock, errors = locked(self.folder, "output_dir"), list[str]()
        for study in self.reader.studies():
            try:
                if isinstance(study, UnreadableStudy):
                    raise self._refused(study)
                self._write(study)
                self.imported[study.name] = _without_pixels(study)
                self._clear_refusal(study.name)
            except Exception as error:
                problem = subject_problem(error, quote=False)
                errors.append(str(problem))
                self.add_failure(study.name, "import", problem)
        write_text(self.folder / FAILURES, failed_cases_text(self.ledger.failures))
        unlock(lock)
        if not self.imported:
            raise DataError(errors[0])
        logger.info(
            "%d studies imported into %s, %d failed. Research use only.",
            len(self.imported), self.folder, len(self.ledger.failures),
        )  # fmt: skip

    def _refused(self, study: UnreadableStudy) -> DataError:
        """The error; import.json with its reason and a row for each series lies apart from what was imported."""
        if study.report is None:
            return study.error
        subject_file(self.folder, study.name, RESULT)  # a name that is no plain folder name stops here
        file = self.folder / REFUSED / study.name / REPORT
        report = {"software": f"{BUNDLE_NAME} {BUNDLE_VERSION}"} | study.report
        report["refused"] = without_folders(report["refused"])
        write_text(file, json.dumps(report, indent=1) + "\n")
        text = str(study.error)
        if len(text.splitlines()) < _MESSAGE_LINES:
            text, _, fix = text.rpartition("Fix: ")
            text = f"{text}Every series and why: {file}. Fix: {fix}"
        return DataError(text)

    def _clear_refusal(self, name: str) -> None:
        """What an earlier run said of a study that is imported."""
        folder = self.folder / REFUSED
        shutil.rmtree(folder / name, ignore_errors=True)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()

    def add_failure(self, name: str, stage: str, error: Exception | str) -> None:
        """One row of failed_cases.csv; the others go on."""
        self.ledger.failures.append(Failure.of_error(name, stage, error))
        logger.warning("%s failed (%s): %s", name, stage, error)

    def exit_status(self) -> None:
        """Last entry of the run list.

        Raises:
            SystemExit: status 2, some studies failed; the others are written.
        """
        if self.ledger.failures:
            raise SystemExit(EXIT_SOME_FAILED)

    def _write(self, study: Study) -> None:
        """One subject folder, made aside and renamed; an older import of the same study is replaced when asked to."""
        subject_file(self.folder, study.name, RESULT)  # a name that is no plain folder name stops here
        final = self.folder / study.name
        settle_folder(final, _own_files)
        images, before = {role: _digest(voxels) for role, voxels in study.volumes.items()}, _report_of(final)
        if (final / REPORT).is_file() and not self.overwrite:
            self._require_same(study, before, images)
            logger.info("%s: imported before; --overwrite true imports it again.", study.name)
            return
        if final.exists() and not (final / REPORT).is_file():
            raise DataError(
                f"{study.name}: a folder of that name is there and is no import. Fix: another --output_dir or --subject"
            )
        started = time.perf_counter()
        volumes, alignment, notes = self._aligned(study)
        report = {"software": f"{BUNDLE_NAME} {BUNDLE_VERSION}"} | study.report | {"alignment": alignment}
        report["notes"] = [*study.report.get("notes", []), *notes]
        report["used"] = {role: entry for role, entry in report["used"].items() if role in volumes}
        report |= {"request": self._request(study), "images": images}
        absent = {f"{role}_trigger_time_ms" for role in _ALIGNED if role not in volumes}
        meta = {key: value for key, value in study.meta.items() if key not in absent}
        report["seconds_alignment"] = round(time.perf_counter() - started, 2)
        affine = study.volumes[_CINE].affine(_CINE)
        with folder_aside(final, own=_own_files) as aside:
            for role, volume in volumes.items():
                write_bytes(aside / f"{role}.nii.gz", _nifti(volume, affine, study))
            write_bytes(aside / META, (json.dumps(meta, indent=1) + "\n").encode())
            write_bytes(aside / REPORT, (json.dumps(report, indent=1) + "\n").encode())
            if before.get("images") != images:
                for folder in (final, self.results / study.name):
                    _discard_results(folder)

    def _request(self, study: Study) -> dict[str, Any]:
        return {"series": study.picked, "alignment": dict(self.aligner.options)}

    def _require_same(self, study: Study, before: dict, images: dict[str, str]) -> None:
        """An earlier import stays only when it was asked for in the same way, and holds the same images."""
        name = study.name
        if before.get("request") != json.loads(json.dumps(self._request(study))):
            raise DataError(
                f"{name}: was imported before with other series picked or another alignment. "
                "Fix: --overwrite true imports (and infers) it again, or give another --output_dir"
            )
        if before.get("images") != images:
            raise DataError(
                f"{name}: was imported before from other images: another study, or this one with images more or less. "
                "Fix: another --subject or --output_dir; --overwrite true puts this study in its place"
            )

    def _aligned(self, study: Study) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]], list[str]]:
        cine, found = study.volumes[_CINE], dict[str, Alignment]()
        volumes, alignment, notes = {_CINE: _squeezed(cine.array)}, {}, []
        # T2-STIR first: LGE is compared with it too
        for role in (role for role in _ALIGNED if role in study.volumes):
            try:
                found[role] = self.aligner(cine, study.volumes[role], role, found.get(_ALIGNED[0]))
                volumes[role], alignment[role] = found[role].volume, found[role].report()
            except DataError as error:
                notes.append(f"{role} not used: {error}")
                logger.warning("%s: %s not used: %s", study.name, role, error)
        return volumes, alignment, notes


def _without_pixels(study: Study) -> Study:
    """What an export needs of the study: its headers' places; pixels of many studies would fill the memory."""
    for voxels in study.volumes.values():
        voxels.array = voxels.array[:0]
    return study


def _digest(voxels: Voxels) -> str:
    """Of pixels and places: what tells the images of one study from another's, whoever hashed their numbers."""
    content = hashlib.sha256(repr((voxels.array.shape, voxels.array.dtype.str)).encode())
    content.update(np.ascontiguousarray(voxels.array).data)
    content.update(np.ascontiguousarray(np.round(voxels.positions_mm, 3) + 0.0).data)
    return content.hexdigest()


def _report_of(folder: Path) -> dict:
    """import.json of an earlier import; empty where there is none that can be read."""
    try:
        found = read_json(folder / REPORT)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _own_files(folder: Path) -> list[str]:
    """Files of an import in a folder, by its report, which goes last: a file of another hand may have such a name.

    Without a report it is an import that was never finished.
    """
    report = _report_of(folder)
    roles = [role for role in (_CINE, *_ALIGNED) if not report or role in report.get("images", ())]
    return [*(f"{role}.nii.gz" for role in roles), META, REPORT]


def _discard_results(folder: Path) -> None:
    """What the inference made of other images must not be taken for this study's; result.json, its sign, goes first.

    Its DICOM export stays until the next one replaces it: each file says whose it is, and others' files may lie there.
    """
    for kind in reversed(SUBJECT_FILES):
        (folder / f"{folder.name}_{kind}").unlink(missing_ok=True)


def _squeezed(array: np.ndarray) -> np.ndarray:
    return array[..., 0] if array.shape[3] == 1 else array


def _nifti(volume: np.ndarray, affine: np.ndarray, study: Study) -> bytes:
    """A .nii.gz in memory; no text of the study, and a time step where the phases have times."""
    times, time_axis = study.meta.get("cine_trigger_times_ms"), None
    if volume.ndim == 4:
        time_axis = TimeAxis("msec", float(np.median(np.diff(times))) if times and len(times) > 1 else None)
    return packed(nifti_image(volume, affine, _DESCRIPTION, time_axis), FAST)
