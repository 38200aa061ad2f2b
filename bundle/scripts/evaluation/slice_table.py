"""slices.csv: overlap with the reference and similarity of the images, slice by slice, and their means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..conventions import LGE, MASK, TASKS, NotMeasurable
from ..reports.tables import write_table
from .image_quality import image_quality
from .pairs import STRUCTURES, SubjectPair

SLICES = "slices.csv"


class SliceTable:
    """One row per slice with a reference: slices.csv, "slices".

    Args:
        dice: label, reference (X, Y, 1) and structure to a number; raises NotMeasurable.
        summarise: rows with their subject to a dict for JSON.
        tasks: what the network gives, "mask", "lge" or both.
    """

    section = "slices"

    def __init__(
        self, dice: Callable[..., float], summarise: Callable[..., dict], tasks: Sequence[str] = TASKS
    ) -> None:
        self.dice, self.summarise, self.tasks = dice, summarise, tuple(tasks)
        self.start()

    def start(self) -> None:
        """Forgets an earlier run."""
        self.rows: list[dict] = []

    def collect(self, pair: SubjectPair) -> None:
        """Adds the subject's slices, counted from 1 as in its files."""
        indices = range(pair.label.shape[-1]) if pair.slices is None else pair.slices
        for k, index in enumerate(indices):
            row: dict[str, Any] = {"subject": pair.subject, "slice": index + 1}
            missing: list[str] = []
            if MASK in self.tasks:
                for name in STRUCTURES:
                    label, reference = (one[0, ..., k : k + 1].numpy() for one in (pair.label, pair.reference))
                    try:
                        row[f"dice_{name}"] = float(self.dice(label, reference, name))
                    except NotMeasurable as reason:
                        missing.append(f"dice_{name}: {reason}")
            if LGE in self.tasks:
                pictures = (one[..., k : k + 1] for one in (pair.lge, pair.reference_lge, pair.wall))
                found, reasons = image_quality(*pictures)
                row, missing = row | found, missing + reasons
            self.rows.append(row | ({"not_measurable": "; ".join(missing)} if missing else {}))

    def write(self, folder: Path) -> dict[str, Any]:
        """Writes slices.csv; returns the means over the slices."""
        write_table(folder / SLICES, self.rows)
        return {self.section: self.summarise(self.rows)}
