"""Realism check of a phantom cohort: measures every subject, judges the targets, writes table and plots."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from ...clinical.independent_reader import IndependentReader
from ...conventions import EXIT_SOME_FAILED, SUBJECT, ConfigError, DataError, NotMeasurable, counted
from ...files import write_bytes
from ...subject_faults import subject_problem
from .plots import pathology_png, signal_png
from .reader_agreement import read_subject, reader_targets
from .sheet import chosen_examples, contact_sheet_png
from .subject_measures import Measures, SubjectOnDisk, measure_subject
from .target_table import realism_targets
from .targets import Row, judge
from .trained_networks import network_targets, read_evaluations
from .verdict_table import subjects_csv, table_csv, table_markdown

_logger = logging.getLogger(__name__)


class Cohort(Protocol):
    """Where subjects come from, as datasets.cohort_on_disk.CohortOnDisk."""

    def entries(self) -> list[dict]:
        """Subjects; one that cannot be used is ``{subject, problem}``."""

    def load(self, entry: dict) -> SubjectOnDisk:
        """One subject in memory."""


class RealismCheck:
    """Compares a cohort on disk with published patients.

    Writes to ``output_dir``: phantom_check.csv and .md (one row per target), phantom_check_subjects.csv,
    phantom_check_pathology.png, phantom_check_signal.png and phantom_check_sheet.png.

    Args:
        reader_dir: folder with the networks of the independent reader; "" skips it.
        reader_section: only subjects of this list of dataset.json go to the reader; "" all.
        reader_threads: processor threads of the reader.
        evaluations: folders of evaluations of networks that were trained on the cohort, by the names of
            trained_networks.EVALUATIONS; none leaves their rows unmeasured.
    """

    def __init__(
        self,
        cohort: Cohort,
        output_dir: str,
        reader_dir: str = "",
        reader_section: str = "",
        reader_threads: int = 1,
        evaluations: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        if not str(output_dir):
            raise ConfigError("output_dir: found nothing, expected a folder for the table. Fix: --output_dir OUT")
        self.cohort, self.output_dir = cohort, Path(str(output_dir)).expanduser()
        self.reader_dir, self.reader_section, self.reader_threads = reader_dir, reader_section, reader_threads
        self.evaluations = read_evaluations(evaluations or {})

    def run(self) -> list[Row]:
        """Measures, judges and writes; returns the rows.

        Raises:
            DataError: the folder is not usable, no subject can be read, or the output cannot be written.
            SystemExit: with code 2 when some subjects cannot be read; the rest are in the table.
        """
        entries = self.cohort.entries()
        reader, no_reader = self._reader()
        measured, problems = [], []
        for entry in tqdm(entries, desc="realism", unit="subject", disable=None):
            try:
                measured.append(self._measure(entry, reader))
            except Exception as error:
                problems.append(str(subject_problem(error)).splitlines()[0])
        for text in problems:
            _logger.error("left out: %s", text)
        if not measured:
            raise DataError(f"no subject could be read: {problems[0]} Fix: run check_dataset.json on the folder.")
        targets = (*realism_targets(), *network_targets(self.evaluations), *reader_targets(no_reader))
        rows = [judge(target, measured) for target in targets]
        self._write(rows, measured, {entry[SUBJECT]: entry for entry in entries}, problems)
        if problems:
            raise SystemExit(EXIT_SOME_FAILED)
        return rows

    def _reader(self) -> tuple[IndependentReader | None, str]:
        reader = IndependentReader(self.reader_dir, self.reader_threads)
        try:
            reader.load()
        except NotMeasurable as reason:
            _logger.info("%s", reason)
            return None, str(reason)
        return reader, ""

    def _measure(self, entry: dict, reader: IndependentReader | None) -> Measures:
        if "problem" in entry:
            raise DataError(entry["problem"])
        subject = self.cohort.load(entry)
        measures = measure_subject(subject)
        if reader is not None and self.reader_section in ("", entry.get("split")):
            read_subject(reader, subject, measures)
        return measures

    def _write(self, rows: list[Row], measured: list[Measures], entries: dict[str, dict], problems: list[str]) -> None:
        notes = [f"cohort: {counted(len(measured), 'subject')} measured, {len(problems)} left out"]
        table = table_markdown(rows, "Realism of the phantom cohort", notes)
        files = {
            "phantom_check.csv": table_csv(rows).encode(),
            "phantom_check.md": table.encode(),
            "phantom_check_subjects.csv": subjects_csv(measured).encode(),
            "phantom_check_pathology.png": pathology_png(measured, rows),
            "phantom_check_signal.png": signal_png(measured, rows),
            "phantom_check_sheet.png": contact_sheet_png(
                chosen_examples(measured), lambda name: self.cohort.load(entries[name]), measured
            ),
        }
        for name, content in files.items():
            write_bytes(self.output_dir / name, content)
        failed = [(row, row.realised) for row in rows if row.verdict == "FAIL" and row.realised is not None]
        judged = sum(row.verdict in ("pass", "FAIL") for row in rows)
        for row, realised in failed:
            _logger.warning("FAIL %s: %.3g, %s", row.target.quantity, realised.value, row.reason)
        _logger.info(
            "%d of %d targets with a verdict fail, %d of %d rows have none; tables and figures in %s",
            len(failed), judged, len(rows) - judged, len(rows), self.output_dir,
        )  # fmt: skip
