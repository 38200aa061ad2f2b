"""slices.csv: overlap with the reference and similarity of the images, slice by slice, and their means."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..clinical.agreement import dice
from ..conventions import LGE, MASK, TASKS, NotMeasurable
from ..reports.tables import write_table
from .image_quality import image_quality
from .pairs import SubjectPair
from .subject_rows import Row, summarise_slices

SLICES = "slices.csv"


class SliceTable:
    """One row per slice with a reference: slices.csv, "slices".

    Args:
        tasks: what the network gives, "mask", "lge" or both.
    """

    needs, section = None, "slices"

    def __init__(self, tasks: Sequence[str] = TASKS) -> None:
        self.tasks = tuple(tasks)
        self.start()

    def start(self) -> None:
        """Forgets an earlier run."""
        self.rows: list[Row] = []

    def collect(self, pair: SubjectPair) -> None:
        """Adds the subject's slices, counted from 1 as in its files."""
        indices = range(pair.label.shape[-1]) if pair.slices is None else pair.slices
        for k, index in enumerate(indices):
            row: Row = {"subject": pair.subject, "slice": index + 1}
            missing: list[str] = []
            if MASK in self.tasks:
                missing += filter(None, [pair.not_compared])
                for name in pair.compared:
                    label, reference = (one[0, ..., k : k + 1].numpy() for one in (pair.label, pair.reference))
                    try:
                        row[f"dice_{name}"] = dice(label, reference, name)
                    except NotMeasurable as reason:
                        missing.append(f"dice_{name}: {reason}")
            if LGE in self.tasks:
                lge, reference_lge, wall = (one[..., k : k + 1] for one in (pair.lge, pair.reference_lge, pair.wall))
                found, reasons = image_quality(lge, reference_lge, wall)
                row, missing = row | found, missing + reasons
            self.rows.append(row | ({"not_measurable": "; ".join(missing)} if missing else {}))

    def write(self, folder: Path) -> dict[str, Any]:
        """Writes slices.csv; returns the means over the slices."""
        write_table(folder / SLICES, self.rows)
        return {self.section: summarise_slices(self.rows)}
