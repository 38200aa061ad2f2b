"""The job that writes results as DICOM for every study of a run."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np

from ..conventions import flag
from ..dicom.export_results import Results, export_results
from ..dicom.source_headers import source_headers
from ..dicom.study import Study
from ..files import write_text
from ..inference import outputs
from ..inference.ledger import EXPORT_STAGE
from ..inference.run_report import RunReport
from ..runtime.distributed import process_number
from ..subject_faults import subject_problem
from .import_job import REPORT, StudyImport

logger = logging.getLogger(__name__)

FOLDER, LIST = "dicom", "dataset.json"
_LISTED = {"lge": outputs.VIRTUAL_LGE, "label": outputs.LABEL}


class StudyExport:
    """Writes <output_dir>/<subject>/dicom for every study of this run that has a result.

    Args:
        studies: the import job of the same run, whose ledger is the whole run's. output_dir: of the inference.
        report: of the run; written again, with links to the DICOM and what failed here.
        enabled: False writes no DICOM.
        deidentify: pseudonymised objects; ``key``: the site's, for their UIDs.
    """

    def __init__(
        self,
        studies: StudyImport,
        output_dir: str,
        report: RunReport,
        enabled: bool | str = True,
        deidentify: bool | str = False,
        key: bytes | None = None,
    ) -> None:
        self.studies, self.folder = studies, Path(str(output_dir)).expanduser()
        self.ledger, self.report, self.key = studies.ledger, report, key
        self.enabled, self.deidentify = flag(enabled, "export_dicom"), flag(deidentify, "deidentify")

    def run(self) -> None:
        """Exports; a subject that cannot be exported keeps its NIfTI results and counts as failed.

        Under torchrun the first process does it when all results are written.
        """
        self.ledger.gather()
        if process_number():
            return
        self._write_list()
        if self.enabled:
            self._export_all()
        self._link_beside()
        self.report.write()

    def _export_all(self) -> None:
        logging.getLogger("highdicom").setLevel(logging.WARNING)  # a line per copied module, with UIDs
        without = {failure.subject for failure in self.ledger.failures}
        for name, study in self.studies.imported.items():
            result_file = outputs.subject_file(self.folder, name, outputs.RESULT)
            if not result_file.is_file() or name in without:
                continue  # a result that is there all the same is an earlier one's
            try:
                files = self._one(name, study, outputs.read_result(result_file))
            except Exception as error:
                self.studies.add_failure(name, EXPORT_STAGE, subject_problem(error, quote=False))
                continue
            logger.info("%s: %d DICOM files in %s/%s/%s", name, len(files), self.folder, name, FOLDER)

    def _link_beside(self) -> None:
        """DICOM and the account of the import, of earlier runs too, for the page of this one."""
        for name in sorted(path.parent.name for path in self.studies.folder.glob(f"*/{REPORT}")):
            found = {}
            if any((self.folder / name / FOLDER).glob("*")):
                found["DICOM"] = f"{name}/{FOLDER}/"
            imported = self.studies.folder / name / REPORT
            if imported.is_file() and imported.is_relative_to(self.folder):
                found["which series was used, and why"] = imported.relative_to(self.folder).as_posix()
            if found:
                self.report.beside[name] = found

    def _write_list(self) -> None:
        """dataset.json (layout 2) of virtual LGE and label map, so that quantify.json can measure and draw them."""
        entries = []
        for folder in sorted(path for path in self.studies.folder.iterdir() if (path / "cine.nii.gz").is_file()):
            files = {key: f"{folder.name}/{folder.name}_{kind}" for key, kind in _LISTED.items()}
            if all((self.folder / file).is_file() for file in files.values()):
                cine = (folder / "cine.nii.gz").relative_to(self.folder).as_posix()
                entries.append({"subject": folder.name, "cine": cine} | files)
        write_text(self.folder / LIST, json.dumps({"testing": entries}, indent=1) + "\n")

    def _one(self, name: str, study: Study, result: dict) -> list[Path]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # highdicom's and pydicom's quote names
            return self._exported(name, study, result)

    def _exported(self, name: str, study: Study, result: dict) -> list[Path]:
        lge, label = (
            cast(nib.Nifti1Image, nib.load(outputs.subject_file(self.folder, name, kind)))
            for kind in (outputs.VIRTUAL_LGE, outputs.LABEL)
        )
        volumes = np.asarray(lge.dataobj, dtype=np.float32), np.asarray(label.dataobj, dtype=np.uint8)
        headers, folder = source_headers(study.volumes["cine"]), self.folder / name / FOLDER
        return export_results(Results(*volumes, lge.affine, result), headers, folder, self.deidentify, self.key)
