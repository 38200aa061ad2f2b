"""The job that measures a folder of LGE and label maps: a JSON and a bull's eye per subject, one table."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from .conventions import DISCLAIMER, LGE, SUBJECT, DataError
from .files import ensure_writable, json_text, remove, write_text
from .reports.tables import write_table

logger = logging.getLogger(__name__)

TABLE, RESULT, BULLSEYE = "quantification.csv", "quantification.json", "bullseye.png"
PROBLEMS_EXIT_CODE = 2


class Cohort(Protocol):
    """Where subjects come from, as datasets.cohort_on_disk.CohortOnDisk."""

    def entries(self) -> list[dict]:
        """Subjects; one that cannot be used has a "problem"."""

    def load(self, entry: dict) -> Any:
        """One subject: name, label, affine, images, missing."""


class Quantification:
    """Measures every subject of a folder.

    Args:
        cohort: where the subjects come from.
        measure: label, lge or None, affine, and ``options`` to numbers for JSON.
        row: numbers to a table row. segments: numbers to (17,) percent. draw: path, percent, title to a PNG.
        options: zero_level, rv_insertion_degrees, no_reflow_marked, as the measure takes them.
    """

    def __init__(
        self,
        cohort: Cohort,
        output_dir: str,
        measure: Callable[..., dict],
        row: Callable[[dict], dict],
        segments: Callable[[dict], Any],
        draw: Callable[..., Any],
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.cohort, self.folder = cohort, Path(output_dir)
        self.measure, self.row, self.segments, self.draw = measure, row, segments, draw
        self.options = dict(options or {})

    def run(self) -> None:
        """Writes quantification.csv and, per subject, its JSON and bull's eye.

        Raises:
            DatalistError: the folder is not usable. SystemExit: code 2 when a subject cannot be read.
        """
        ensure_writable(self.folder)
        rows, failed = [], 0
        for entry in tqdm(self.cohort.entries(), desc="Measuring", unit="subject", disable=None):
            name = str(entry[SUBJECT])
            try:
                if "problem" in entry:
                    raise DataError(entry["problem"])
                rows.append({"subject": name} | self._subject(entry, name))
            except (DataError, OSError) as error:
                failed += 1
                logger.warning("%s failed: %s", name, " ".join(str(error).split()))
                rows.append({"subject": name, "failure": " ".join(str(error).split())})
        write_table(self.folder / TABLE, rows)
        logger.info(
            "%d subjects measured, %d failed: %s. %s", len(rows) - failed, failed, self.folder / TABLE, DISCLAIMER
        )
        if failed:
            raise SystemExit(PROBLEMS_EXIT_CODE)

    def _subject(self, entry: dict, name: str) -> dict:
        subject = self.cohort.load(entry)
        numbers = self.measure(subject.label, subject.images.get(LGE), subject.affine, **self.options)
        folder = self.folder / name
        record = {"subject": name, "disclaimer": DISCLAIMER, "settings": self.options} | numbers
        write_text(folder / f"{name}_{RESULT}", json_text(record))
        remove(folder / f"{name}_{BULLSEYE}")
        percent = self.segments(numbers)
        if (percent == percent).any():
            self.draw(folder / f"{name}_{BULLSEYE}", percent, f"{name}: infarct", "% of segment")
        return self.row(numbers)
