"""Check of a dataset folder before use: what is there, whether it fits together, what is wrong."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .. import conventions
from ..files import write_text
from ..preprocessing.labels import coded, marks_infarct
from ..preprocessing.phases import pick_phase, read_meta
from ..volumes.grids import Grid, GridTolerance, match_grids, offset_warning
from ..volumes.reading import read_volume
from .layouts import FILE_KEYS, read_layout

_logger = logging.getLogger(__name__)


class DatasetCheck:
    """Reads every file of a folder and reports; changes nothing in it.

    Args:
        dataset_dir: folder in layout 1 or 2.
        tolerance: as in the preprocessing section of train.json.
        label_table: as there.
        output_dir: folder for ``check_dataset.json``; None or "" writes no file.
    """

    def __init__(
        self,
        dataset_dir: str,
        tolerance: GridTolerance | None = None,
        label_table: str | Mapping = "ours",
        output_dir: str | None = None,
    ) -> None:
        self.dataset_dir, self.output_dir = dataset_dir, output_dir
        self.tolerance, self.label_table = tolerance or GridTolerance(), label_table

    def run(self) -> dict:
        """Logs the findings; returns the report.

        Raises:
            DatalistError: the folder as a whole is not usable.
            SystemExit: with code 2 when at least one subject has a problem.
        """
        if not marks_infarct(self.label_table):
            _logger.warning("label_table %s: %s", self.label_table, conventions.NO_INFARCT_CLASS)
        layout = read_layout(self.dataset_dir)
        _logger.info("layout %s: %d subjects in %s", layout.name, len(layout.entries), self.dataset_dir)
        for text in layout.skipped:
            _logger.info("skipped %s", text)
        subjects = []
        for entry in layout.entries:
            subjects.append(self.check_subject(entry))
            _log_subject(subjects[-1])
        broken = [subject["subject"] for subject in subjects if subject["problems"]]
        readable = {key: sum(key in subject["files"] for subject in subjects) for key in FILE_KEYS}
        report = {
            "layout": layout.name,
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

    def check_subject(self, entry: dict) -> dict:
        """Findings for one datalist entry; every problem is collected, none stops the check."""
        result = {
            "subject": entry[conventions.SUBJECT],
            "split": entry.get("split"),
            "files": {},
            "missing": [key for key in FILE_KEYS if key not in entry],
            "warnings": [],
            "problems": [entry["problem"]]
            if "problem" in entry
            else list(entry.get("reference_problems", {}).values()),
        }
        grids: dict[str, Grid] = {}
        for key in FILE_KEYS:
            if key not in entry:
                continue
            try:
                result["files"][key] = self._check_file(entry, key, grids, result)
            except (conventions.DataError, OSError, MemoryError) as error:
                result["problems"].append(str(error) or type(error).__name__)
        return result

    def _check_file(self, entry: dict, key: str, grids: dict[str, Grid], result: dict) -> dict:
        """What the file holds; adds its grid to ``grids`` of the files read before, and warnings to the result."""
        volume = read_volume(entry[key], phases=key == "cine", is_label=key == "label")
        grids[key] = volume.grid
        result["warnings"] += volume.warnings
        found = {
            "file": Path(entry[key]).name,
            "shape": list(volume.array.shape),
            "spacing_mm": np.round(volume.grid.spacing_mm, 3).tolist(),
        }
        if key == "cine":
            meta = read_meta(entry.get("meta"))
            _, result["phase_rule"] = pick_phase(volume.array.shape[3], meta, f"{entry['subject']}/meta.json")
        if key == conventions.LABEL:
            drawn_on = [grids[name] for name in ("cine", conventions.LGE) if name in grids]
            result["warnings"] += offset_warning(volume.grid, drawn_on, self.tolerance)
        if key != "cine" and "cine" in grids:
            match = match_grids(grids["cine"], volume.grid, self.tolerance)
            found["geometry"] = match.verdict
            result["warnings"] += match.warnings
        if key == conventions.LABEL:
            values, counts = np.unique(np.round(volume.array, 3), return_counts=True)
            found["values"] = {f"{v:g}": int(n) for v, n in zip(values[:20], counts[:20], strict=True)}
            coded(volume, self.label_table)
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
        values = f", values {found['values']}" if "values" in found else ""
        place = found.get("geometry", "reference grid" if key == "cine" else "no cine to compare")
        _logger.info("  %-8s %s, %s, %s mm, %s%s", key, found["file"], shape, spacing, place, values)
    if "phase_rule" in result:
        _logger.info("  phase    %s", result["phase_rule"])
    for text in result["warnings"]:
        _logger.warning("  %s", text)
    for text in result["problems"]:
        _logger.error("  %s", text.replace("\n", "\n    "))
