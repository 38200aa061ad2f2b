"""AHA segments of the label maps against the reference's: a part of the evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..conventions import MASK, NotMeasurable
from ..files import remove, write_bytes
from ..reports.tables import write_table
from .pairs import SubjectPair
from .plots import segments_png
from .segment_agreement import segment_rows, summarise_segments
from .subject_rows import size_group
from .subject_table import group_facts

SEGMENTS, BULLSEYE = "segments.csv", "bullseye.png"


class SegmentTable:
    """AHA segments of every subject whose reference shows an RV: segments.csv, bullseye.png, "segments".

    Args:
        subjects: entries of the datalist; they say how subjects are grouped, beside the size of the infarct.
    """

    needs, section = MASK, "segments"

    def __init__(self, subjects: Sequence[Mapping] = ()) -> None:
        self.facts = {str(entry["subject"]): group_facts(entry) for entry in subjects}
        self.start()

    def start(self) -> None:
        """Forgets an earlier run."""
        self.rows: list[dict] = []
        self.groups = {name: dict(facts) for name, facts in self.facts.items()}
        self.missing: dict[str, str] = {}

    def collect(self, pair: SubjectPair) -> None:
        """Adds the subject's segments, or the reason why it has none."""
        label, reference = pair.label[0].numpy(), pair.reference[0].numpy()
        if pair.not_compared:
            self.missing[pair.subject] = pair.not_compared
            return
        try:
            rows = segment_rows(label, reference, pair.affine, pair.native_label, pair.native_affine)
        except NotMeasurable as reason:
            self.missing[pair.subject] = str(reason)
            return
        self.rows += [{"subject": pair.subject} | row for row in rows]
        self.groups.setdefault(pair.subject, {})["reference_size"] = size_group(reference)

    def write(self, folder: Path) -> dict[str, Any]:
        """Writes table and figure."""
        write_table(folder / SEGMENTS, self.rows)
        if self.rows:
            write_bytes(folder / BULLSEYE, segments_png(self.rows))
        else:
            remove(folder / BULLSEYE)
        return {self.section: summarise_segments(self.rows, self.groups) | {"not_measurable_subjects": self.missing}}
