"""The job that measures a folder of LGE and label maps: a JSON and a bull's eye per subject, one table."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from .clinical.quantification import quantify, segment_values, table_row
from .conventions import DISCLAIMER, EXIT_SOME_FAILED, LGE, SUBJECT, DataError, flag
from .datasets.cohort_on_disk import CohortOnDisk
from .files import ensure_writable, json_text, remove, write_bytes, write_text
from .preprocessing.labels import AUTO
from .reports.bullseye import bullseye_png
from .reports.tables import write_table

logger = logging.getLogger(__name__)

TABLE, RESULT, BULLSEYE = "quantification.csv", "quantification.json", "bullseye.png"


class QuantifyJob:
    """Measures every subject of a folder.

    Args:
        dataset_dir: folder with a label map per subject, and LGE where there is one. label_table: as CohortOnDisk's.
        zero_level, rv_insertion_degrees, no_reflow_marked: as clinical.quantification.quantify takes them.
    Raises:
        ConfigError: no_reflow_marked is neither true nor false.
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
        self.cohort, self.folder = CohortOnDisk(dataset_dir, label_table), Path(output_dir)
        self.zero_level, self.rv_insertion_degrees = zero_level, rv_insertion_degrees
        self.no_reflow_marked = flag(no_reflow_marked, "no_reflow_marked")

    def run(self) -> None:
        """Writes quantification.csv and, per subject, its JSON and bull's eye.

        Raises:
            DatalistError: the folder is not usable. SystemExit: EXIT_SOME_FAILED when a subject cannot be read.
        """
        ensure_writable(self.folder)
        rows, failed = [], 0
        for entry in tqdm(self.cohort.entries(), desc="Measuring", unit="subject", disable=None):
            name = str(entry[SUBJECT])
            try:
                if "problem" in entry:
                    raise DataError(entry["problem"])
                rows.append({"subject": name, **self._subject(entry, name)})
            except (DataError, OSError) as error:
                failed += 1
                logger.warning("%s failed: %s", name, " ".join(str(error).split()))
                rows.append({"subject": name, "failure": " ".join(str(error).split())})
        write_table(self.folder / TABLE, rows)
        logger.info(
            "%d subjects measured, %d failed: %s. %s", len(rows) - failed, failed, self.folder / TABLE, DISCLAIMER
        )
        if failed:
            raise SystemExit(EXIT_SOME_FAILED)

    def _subject(self, entry: dict, name: str) -> dict[str, float | str]:
        """Writes the files of one subject; its row of the table."""
        subject = self.cohort.load(entry)
        settings: dict[str, Any] = {
            "zero_level": self.zero_level,
            "rv_insertion_degrees": self.rv_insertion_degrees,
            "no_reflow_marked": self.no_reflow_marked,
        }
        numbers = quantify(subject.label, subject.images.get(LGE), subject.affine, **settings)
        folder = self.folder / name
        record = {"subject": name, "disclaimer": DISCLAIMER, "settings": settings} | numbers
        write_text(folder / f"{name}_{RESULT}", json_text(record))
        remove(folder / f"{name}_{BULLSEYE}")
        percent = segment_values(numbers)
        if np.isfinite(percent).any():
            write_bytes(folder / f"{name}_{BULLSEYE}", bullseye_png(percent, f"{name}: infarct", "% of segment"))
        return table_row(numbers)
