"""Comparison of several evaluations: table and paired differences from their per-case CSVs."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Mapping
from pathlib import Path

from ..conventions import DISCLAIMER, ConfigError, DataError, counted
from ..files import read_json, write_bytes
from ..reports.tables import write_table
from .evaluation_report import SUMMARY
from .method_table import markdown, method_rows, overview, paired_differences
from .segment_agreement import summarise_segments
from .segment_table import SEGMENTS
from .subject_rows import Row, together
from .subject_table import TABLE

logger = logging.getLogger(__name__)

# What no per-case table holds: pixels were pooled.
_POOLED = ("calibration", "frechet_distance")
# Significant digits that are read, kept and compared: the kept tables give the same numbers again.
_DIGITS = 5
_TEXT = (
    "subject",
    "vendor",
    "field_strength_t",
    "condition",
    "cohort",
    "territory",
    "oedema_regime",
    "haemorrhage",
    "sequences",
)


class Comparison:
    """Compares methods that were evaluated on the same subjects; all but pooled numbers come from the CSVs.

    Writes comparison.md, comparison.csv, overview.md and paired.csv, and under runs/<name> the CSVs they come from, on
    which the command gives the same tables again.

    Args:
        runs: name of the method to the folder of its evaluation, or one folder that holds them all.
        reference: what the others are compared with, listed first; the first one if empty.
    Raises:
        ConfigError: no run, or the reference is none of them.
    """

    def __init__(self, runs: Mapping[str, str] | str, output_dir: str, reference: str = "") -> None:
        self.runs, self.folder = _named_folders(runs, reference), Path(output_dir)

    def run(self) -> None:
        """Writes the files and logs the table.

        Raises:
            DataError: a folder without evaluation, or evaluations of different subjects.
        """
        tables = {name: read_rows(folder / TABLE) for name, folder in self.runs.items()}
        first = next(iter(tables))
        _require_same_subjects(tables)
        summaries = {name: self._summary(name, folder, tables[name]) for name, folder in self.runs.items()}
        rows = method_rows(summaries)
        text = markdown(rows)
        write_table(self.folder / "comparison.csv", rows)
        write_table(self.folder / "paired.csv", paired_differences(tables, first))
        count = counted(len(tables[first]), "subject")
        write_bytes(self.folder / "comparison.md", f"{text}\n{count}. {DISCLAIMER}\n".encode())
        write_bytes(self.folder / "overview.md", overview(summaries).encode())
        logger.info("%s\n%s\nwritten to %s. %s", count, text, self.folder, DISCLAIMER)

    def _summary(self, name: str, folder: Path, table: list[Row]) -> dict:
        """The numbers of one method, and its per-case files kept beside the comparison."""
        kept = self.folder / "runs" / name
        pooled = {key: value for key, value in read_summary(folder).items() if key in _POOLED}
        write_bytes(kept / SUMMARY, (json.dumps({"disclaimer": DISCLAIMER} | pooled, indent=1) + "\n").encode())
        write_table(kept / TABLE, table)
        segments = read_rows(folder / SEGMENTS) if (folder / SEGMENTS).is_file() else []
        write_table(kept / SEGMENTS, segments)
        return {"all": together(table), "segments": summarise_segments(segments)} | pooled


def _named_folders(runs: Mapping[str, str] | str, reference: str) -> dict[str, Path]:
    """The runs by name, the reference first, those of a folder by name."""
    if isinstance(runs, str) and Path(runs).is_dir():
        runs = {folder.name: str(folder) for folder in sorted(Path(runs).iterdir()) if folder.is_dir()}
    if not isinstance(runs, Mapping) or not runs:
        raise ConfigError(
            f"runs: found {str(runs)[:80]}, expected names and folders, or a folder of them. "
            "Fix: --runs \"{'ours': 'OUT/ours', 'unet': 'OUT/unet'}\""
        )
    first = reference or next(iter(runs))
    if first not in runs:
        raise ConfigError(f"reference: found '{reference}', expected one of {', '.join(runs)}.")
    return {name: Path(runs[name]) for name in (first, *(name for name in runs if name != first))}


def _require_same_subjects(tables: Mapping[str, list[Row]]) -> None:
    subjects = {name: {row["subject"] for row in table} for name, table in tables.items()}
    first = next(iter(subjects))
    for name, own in subjects.items():
        if own != subjects[first]:
            raise DataError(
                f"runs: {name} has {counted(len(own), 'subject')}, {first} {len(subjects[first])}, "
                f"{len(own & subjects[first])} of them in both; expected the same ones.\n"
                "Fix: evaluate all methods on the same dataset_dir and section."
            )


def read_summary(folder: Path) -> dict:
    """The content of an evaluation's evaluation.json.

    Raises:
        DataError: there is none that can be read.
    """
    path = folder / SUMMARY
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"evaluation: found no readable {path.name} in {path.parent} ({type(error).__name__}). "
            "Fix: run configs/evaluate.json with this --output_dir first."
        ) from error


def read_rows(path: Path) -> list[Row]:
    """Rows of an evaluation's CSV, numbers as numbers of _DIGITS digits, empty cells left out.

    Raises:
        DataError: there is no such file.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise DataError(
            f"evaluation: found no {path.name} in {path.parent}. "
            "Fix: run configs/evaluate.json with this --output_dir first."
        ) from error
    return [{k: v if k in _TEXT else _number(v) for k, v in row.items() if v not in (None, "")} for row in rows]


def _number(text: str) -> float | str:
    try:
        return float(f"{float(text):.{_DIGITS}g}")
    except ValueError:
        return text
