"""Check of a dataset folder before use: what is there, whether it fits together, what is wrong."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from .. import conventions
from ..clinical.plausibility import grid_flags, heart_flags
from ..conventions import counted
from ..files import write_text
from ..preprocessing.labels import AUTO, LABEL_TABLE, LABEL_TABLE_PROBLEM, coded, marks_infarct, table_for
from ..preprocessing.labels import label_table as named_table
from ..preprocessing.phases import PHASE_KEYS, named_phase, noted_flags, phase_by_times, subject_meta
from ..preprocessing.stack_check import refuse_exchanged_axes, stack_flags
from ..subject_faults import subject_problem
from ..volumes.entry_files import read_entry
from ..volumes.grids import GridTolerance, match_grids, offset_warning
from ..volumes.volume import Volume, placed_like
from .layout import FILE_KEYS, Layout
from .layouts import read_layout

_MOST_THREADS = 4  # each holds the files of one subject
_logger = logging.getLogger(__name__)


class DatasetCheck:
    """Reads every file of a folder and reports; changes nothing in it.

    Args:
        dataset_dir: folder in any layout.
        tolerance: as in the preprocessing section of train.json.
        label_table: as there.
        output_dir: folder for ``check_dataset.json``; None or "" writes no file.
    """

    def __init__(
        self,
        dataset_dir: str,
        tolerance: GridTolerance | None = None,
        label_table: str | Mapping = AUTO,
        output_dir: str | None = None,
    ) -> None:
        self.dataset_dir, self.output_dir = dataset_dir, output_dir
        self.tolerance, self.label_table = tolerance or GridTolerance(), label_table

    def run(self) -> dict:
        """Logs the findings; returns the report.

        Raises:
            DatalistError: the folder as a whole is not usable.
            SystemExit: with code 2 when at least one subject has a problem, or a size that no heart or stack has.
        """
        named_table(self.label_table)
        layout = read_layout(self.dataset_dir)
        _logger.info("layout %s: %s in %s", layout.name, counted(len(layout.entries), "subject"), self.dataset_dir)
        label_table = self._log_layout(layout)
        subjects = []
        # unpacking, most of the work, leaves Python to other threads
        with ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS)) as pool:
            for subject in pool.map(self.check_subject, layout.entries):
                subjects.append(subject)
                _log_subject(subject)
        broken = [subject["subject"] for subject in subjects if subject["problems"] or subject["implausible"]]
        readable = {key: sum(key in subject["files"] for subject in subjects) for key in FILE_KEYS}
        report = {
            "layout": layout.name,
            "label_table": label_table,
            "subjects": subjects,
            "skipped": list(layout.skipped),
            "subjects_with_problems": broken,
            "files": readable,
        }
        counts = ", ".join(f"{key} {count}" for key, count in readable.items())
        _logger.info("readable files: %s; subjects with problems: %d of %d", counts, len(broken), len(subjects))
        self._write(report)
        if broken:
            raise SystemExit(conventions.EXIT_SOME_FAILED)
        return report

    def _log_layout(self, layout: Layout) -> str:
        """Says what was left out, what such a folder lacks, and what label values mean; returns the latter."""
        for text in layout.skipped:
            _logger.info("skipped %s", text)
        for key, text in layout.lacks.items():
            if not any(key in entry for entry in layout.entries):
                _logger.warning("no %s in this layout: %s", key, " ".join(text.partition(": ")[2].split()))
        labelled = [entry for entry in layout.entries if conventions.LABEL in entry]
        if self.label_table == AUTO and labelled and all(LABEL_TABLE_PROBLEM in entry for entry in labelled):
            return "not known"
        chosen = layout.label_table if self.label_table == AUTO else self.label_table
        codes = ", ".join(f"{value} {conventions.LABEL_NAMES[code]}" for value, code in named_table(chosen).items())
        if labelled and not marks_infarct(chosen):
            _logger.warning("label table %s: %s", chosen, conventions.NO_INFARCT_CLASS)
        origin = "dataset.json" if self.label_table == AUTO else "as given"
        text = f"{chosen if isinstance(chosen, str) else origin}: {codes}"
        if labelled:
            _logger.info("label table %s", text)
        return text

    def check_subject(self, entry: dict) -> dict:
        """Findings for one datalist entry; every problem is collected, none stops the check."""
        result = {
            "subject": entry[conventions.SUBJECT],
            "split": entry.get("split"),
            "files": {},
            "missing": [key for key in FILE_KEYS if key not in entry],
            "warnings": [],
            "implausible": [],
            "problems": [entry["problem"]]
            if "problem" in entry
            else list(entry.get("reference_problems", {}).values()),
        }
        volumes: dict[str, Volume] = {}
        for key in FILE_KEYS:
            if key not in entry:
                continue
            try:
                result["files"][key] = self._check_file(entry, key, volumes, result)
            except Exception as error:
                problem = subject_problem(error)
                result["problems"].append(str(problem) or type(problem).__name__)
        return result

    def _check_file(self, entry: dict, key: str, volumes: dict[str, Volume], result: dict) -> dict:
        """What the file holds; adds it to ``volumes``, the files read before, and warnings to the result."""
        cine = volumes.get("cine")
        volume = read_entry(entry, key)
        volume = volume if cine is None else placed_like(cine, volume)
        volumes[key] = volume
        result["warnings"] += volume.warnings
        flags = grid_flags(volume.grid.shape, volume.grid.affine) + (stack_flags(volume.array) if key == "cine" else [])
        found = {
            "file": Path(entry[key]).name,
            "shape": list(volume.array.shape),
            "spacing_mm": np.round(volume.grid.spacing_mm, 3).tolist(),
        }
        if key == "cine":
            meta, place = subject_meta(entry), f"{entry['subject']}/meta.json"
            for phase_key in PHASE_KEYS:
                named_phase(meta, phase_key, volume.array.shape[3], place)
            choice = phase_by_times(volume.array.shape[3], meta, place)
            result["phase_rule"] = choice.rule
            flags += noted_flags(meta, place)
            result["warnings"] += choice.warnings
        if key == conventions.LABEL:
            drawn_on = [volumes[name].grid for name in ("cine", conventions.LGE) if name in volumes]
            result["warnings"] += offset_warning(volume.grid, drawn_on, self.tolerance)
        if cine is not None:
            refuse_exchanged_axes(cine, volume.grid)
            match = match_grids(cine.grid, volume.grid, self.tolerance)
            found["geometry"] = match.verdict
            result["warnings"] += match.warnings
        if key == conventions.LABEL:
            values, counts = np.unique(np.round(volume.array, 3), return_counts=True)
            found["values"] = {f"{v:g}": int(n) for v, n in zip(values[:20], counts[:20], strict=True)}
            table = table_for(entry, self.label_table)
            codes = coded(volume, table).array
            if LABEL_TABLE not in entry and self.label_table == AUTO and not marks_infarct(table):
                result["warnings"].append(f"{volume.grid.name}: {conventions.NO_INFARCT_CLASS}")
            flags += heart_flags(codes, volume.grid.affine)
        result["implausible"] += [f"{volume.grid.name}: {flag.message}" for flag in flags]
        return found

    def _write(self, report: dict) -> None:
        if not self.output_dir:
            return
        path = Path(self.output_dir) / "check_dataset.json"
        write_text(path, json.dumps(report, indent=1))
        _logger.info("report written to %s", path)


def _log_subject(result: dict) -> None:
    split = f" ({result['split']})" if result["split"] else ""
    missing = f"; missing: {', '.join(result['missing'])}" if result["missing"] else ""
    _logger.info("%s%s%s", result["subject"], split, missing)
    for key, found in result["files"].items():
        shape = " x ".join(str(n) for n in found["shape"])
        spacing = " x ".join(f"{mm:g}" for mm in found["spacing_mm"])
        counts = ", ".join(f"{value}: {count}" for value, count in found.get("values", {}).items())
        values = f", voxels of each value {counts}" if counts else ""
        place = found.get("geometry", "reference grid" if key == "cine" else "no cine to compare")
        _logger.info("  %-8s %s, %s, %s mm, %s%s", key, found["file"], shape, spacing, place, values)
    if "phase_rule" in result:
        _logger.info("  phase    %s", result["phase_rule"])
    for text in (*result["warnings"], *result["implausible"]):
        _logger.warning("  %s", text)
    for text in result["problems"]:
        _logger.error("  %s", text.replace("\n", "\n    "))
