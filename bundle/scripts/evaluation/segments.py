"""Table and bull's eyes of the AHA segments in an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..conventions import NotMeasurable
from ..files import remove, write_bytes
from ..reports.tables import write_table
from .calibration_part import BULLSEYE, SEGMENTS
from .pairs import SubjectPair
from .subject_table import group_facts


class SegmentTable:
    """AHA segments of every subject whose reference shows an RV: segments.csv, bullseye.png, "segments".

    Args:
        measure: label, reference, affine, native label, native affine to rows; raises NotMeasurable.
        summarise: rows with their subject, and groups by subject, to a dict for JSON. draw: rows to the bytes of a PNG.
        subjects: entries of the datalist, for the groups. size_group: reference (X, Y, S) to its group by infarct size.
    """

    needs, section = "mask", "segments"

    def __init__(
        self,
        measure: Callable,
        summarise: Callable[..., dict],
        draw: Callable[..., bytes],
        subjects: Sequence[Mapping] = (),
        size_group: Callable[[np.ndarray], str] | None = None,
    ) -> None:
        self.measure, self.summarise, self.draw, self.size_group = measure, summarise, draw, size_group
        self.groups = {str(entry["subject"]): group_facts(entry) for entry in subjects}
        self.start()

    def start(self) -> None:
        """Forgets an earlier run."""
        self.rows: list[dict] = []
        self.missing: dict[str, str] = {}

    def collect(self, pair: SubjectPair) -> None:
        """Adds the subject's segments, or the reason why it has none."""
        try:
            rows = self.measure(
                pair.label[0].numpy(), pair.reference[0].numpy(), pair.affine, pair.native_label, pair.native_affine
            )
        except NotMeasurable as reason:
            self.missing[pair.subject] = str(reason)
            return
        self.rows += [{"subject": pair.subject} | row for row in rows]
        if self.size_group is not None:
            self.groups.setdefault(pair.subject, {})["reference_size"] = self.size_group(pair.reference[0].numpy())

    def write(self, folder: Path) -> dict[str, Any]:
        """Writes table and plot."""
        write_table(folder / SEGMENTS, self.rows)
        if self.rows:
            write_bytes(folder / BULLSEYE, self.draw(self.rows))
        else:
            remove(folder / BULLSEYE)
        return {"segments": self.summarise(self.rows, self.groups) | {"not_measurable_subjects": self.missing}}
