"""The job that measures a folder of LGE and label maps: a JSON and a bull's eye per subject, one table."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from .clinical.quantification import quantify, segment_values, table_row, with_result
from .conventions import (
    ACQUIRED,
    EXIT_SOME_FAILED,
    LABEL,
    LABEL_MAP,
    LGE,
    PHANTOM,
    SUBJECT,
    SYNTHETIC,
    ConfigError,
    ImageRole,
    counted,
    flag,
)
from .datasets.cohort_on_disk import CohortOnDisk
from .datasets.layouts import DatalistError
from .files import ensure_writable, json_text, remove, write_bytes, write_text
from .inference.ledger import Failure
from .inference.outputs import VIRTUAL_LGE, measured_subjects, read_result, result_of
from .inference.summary import failed_cases_text
from .preprocessing.labels import AUTO, marks_infarct, table_for
from .preprocessing.labels import label_table as named_table
from .preprocessing.phases import read_meta
from .reports.bullseye import bullseye_png
from .reports.tables import write_table
from .runtime.provenance import is_phantom
from .subject_faults import subject_problem
from .volumes.nifti_writing import says_synthetic

logger = logging.getLogger(__name__)

TABLE, RESULT, BULLSEYE, FAILURES = "quantification.csv", "quantification.json", "bullseye.png", "failed_cases.csv"
_OWN_TABLES = (AUTO, "ours")


class QuantifyJob:
    """Measures every subject of a folder: a dataset, or what inference wrote.

    Args:
        dataset_dir: folder with a label map per subject, and LGE where there is one; cine and T2-STIR are not read.
            Of an output folder of inference the label maps and virtual LGE are measured; flags of its results stay.
        label_table: as CohortOnDisk's; the label maps of inference always have this bundle's codes.
        zero_level, rv_insertion_degrees, no_reflow_marked: as clinical.quantification.quantify takes them.
    Raises:
        ConfigError: no_reflow_marked is neither true nor false; label_table is none of those known.
    """

    def __init__(
        self,
        dataset_dir: str,
        output_dir: str,
        label_table: str | Mapping = AUTO,
        zero_level: float | None = None,
        rv_insertion_degrees: float | None = None,
        no_reflow_marked: bool | str = False,
    ) -> None:
        self.dataset_dir, self.folder, self.label_table = Path(dataset_dir).expanduser(), Path(output_dir), label_table
        named_table(label_table)
        self.zero_level, self.rv_insertion_degrees = zero_level, rv_insertion_degrees
        self.no_reflow_marked = flag(no_reflow_marked, "no_reflow_marked")

    def run(self) -> None:
        """Writes quantification.csv, failed_cases.csv and, per subject, its JSON and bull's eye.

        Raises:
            DatalistError: the folder is not usable. SystemExit: EXIT_SOME_FAILED when a subject cannot be read.
            ConfigError: output_dir, or label_table, does not go with a folder of inference.
        """
        results = measured_subjects(self.dataset_dir)
        if results:
            self._check_settings_for_results()
        cohort = CohortOnDisk(str(self.dataset_dir), self.label_table, sequences=(LGE,))
        entries = results or cohort.entries()
        ensure_writable(self.folder)
        rows: list[dict[str, float | str]] = []
        failures: list[Failure] = []
        for entry in tqdm(entries, desc="Measuring", unit="subject", disable=None):
            name = str(entry[SUBJECT])
            try:
                if "problem" in entry:
                    raise DatalistError(entry["problem"])
                rows.append({"subject": name, **self._subject(cohort, entry, name)})
            except Exception as error:
                failures.append(_failure(name, subject_problem(error)))
                logger.warning("%s failed: %s", name, failures[-1].reason)
                rows.append({"subject": name, "failure": failures[-1].reason})
        write_table(self.folder / TABLE, rows)
        write_text(self.folder / FAILURES, failed_cases_text(failures))
        measured = len(rows) - len(failures)
        logger.info(
            "%s measured, %d failed: %s. %s",
            counted(measured, "subject"),
            len(failures),
            self.folder / TABLE,
            LABEL_MAP.disclaimer,
        )
        if failures:
            raise SystemExit(EXIT_SOME_FAILED)

    def _check_settings_for_results(self) -> None:
        if self.label_table not in _OWN_TABLES:
            raise ConfigError(
                f"label_table: found {self.label_table!r}, but {self.dataset_dir.name} was written by inference, "
                f"expected '{AUTO}'.\nFix: leave label_table out."
            )
        if self.folder.resolve() == self.dataset_dir.resolve():
            raise ConfigError(
                f"output_dir: found {self.folder.name}, the folder that is measured; its {FAILURES} would be lost.\n"
                "Fix: give another --output_dir."
            )

    def _subject(self, cohort: CohortOnDisk, entry: dict, name: str) -> dict[str, float | str]:
        """Writes the files of one subject; its row of the table."""
        inferred = result_of(Path(entry[LABEL]))
        subject = cohort.load(entry, check=inferred is None)
        for text in subject.warnings:
            logger.warning("%s: %s", name, text)
        settings: dict[str, Any] = {
            "zero_level": self.zero_level,
            "rv_insertion_degrees": self.rv_insertion_degrees,
            "no_reflow_marked": self.no_reflow_marked,
        }
        lge, table = subject.images.get(LGE), table_for(entry, self.label_table)
        numbers = quantify(subject.label, lge, subject.affine, **settings, infarct_marked=marks_infarct(table))
        numbers = numbers if inferred is None else with_result(numbers, read_result(inferred))
        origin = LABEL_MAP if lge is None else _origin(entry)
        folder = self.folder / name
        files = {key: Path(entry[key]).name for key in (LABEL, LGE) if key in entry}
        record = {
            "subject": name,
            "disclaimer": origin.disclaimer,
            "lge": origin.lge,
            "files": files,
            "missing": subject.missing,
            "warnings": list(subject.warnings),
            "settings": settings | {"label_table": table},
        } | numbers
        write_text(folder / f"{name}_{RESULT}", json_text(record))
        remove(folder / f"{name}_{BULLSEYE}")
        percent = segment_values(numbers)
        if np.isfinite(percent).any():
            image = bullseye_png(percent, f"{name}: infarct", "% of segment", role=origin)
            write_bytes(folder / f"{name}_{BULLSEYE}", image)
        reason = numbers["infarct_percent_lv"].get("not_measurable")
        return {"lge": origin.lge} | table_row(numbers) | ({"not_measurable": reason} if reason else {})


def _origin(entry: Mapping[str, Any]) -> ImageRole:
    """A virtual LGE is named so by inference, and says so in its header wherever it was copied to; a phantom's lies
    beside a meta.json that says so."""
    lge_file = str(entry[LGE])
    if lge_file.endswith(f"_{VIRTUAL_LGE}") or says_synthetic(lge_file):
        return SYNTHETIC
    return PHANTOM if is_phantom(read_meta(entry.get("meta"))) else ACQUIRED


def _failure(name: str, error: Exception) -> Failure:
    text = str(error) or type(error).__name__
    return Failure.of_error(name, getattr(error, "stage", "read"), text)
