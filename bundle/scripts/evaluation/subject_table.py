"""subjects.csv, one row per evaluated subject, and the summary by group."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from monai.metrics import compute_hausdorff_distance

from ..conventions import LGE, MASK, TASKS
from ..files import remove, write_bytes
from ..reports.tables import write_table
from .image_quality import image_quality
from .pairs import STRUCTURES, SubjectPair, structure

logger = logging.getLogger(__name__)

TABLE, PICTURE = "subjects.csv", "infarct_size.png"
_FACTS = ("vendor", "field_strength_t", "condition", "cohort")
_TRUTH = ("territory", "oedema_regime", "haemorrhage")


class SubjectTable:
    """Collects the numbers of each subject and writes the table; further columns by ``add``.

    Args:
        measure: label, reference, infarct probability (X, Y, S) and ml per voxel to a row.
        measure_reference: reference (X, Y, S) and the reference as filed to a row, whatever the network gives.
        summarise: rows and names of grouping columns to a dict for JSON.
        draw: rows to the bytes of a PNG of infarct sizes.
        subjects: entries of the datalist; their meta files say how subjects are grouped.
        readings: further networks that look at the images: a pair to a row.
        tasks: what the network gives, "mask", "lge" or both: no numbers of the other one.
    """

    def __init__(
        self,
        measure: Callable[..., dict],
        measure_reference: Callable[..., dict],
        summarise: Callable[..., dict],
        draw: Callable[..., bytes],
        subjects: Sequence[Mapping],
        readings: Sequence[Callable[[SubjectPair], dict]] = (),
        tasks: Sequence[str] = TASKS,
    ) -> None:
        self.measure, self.measure_reference = measure, measure_reference
        self.summarise, self.draw, self.readings = summarise, draw, list(readings)
        self.facts = {str(entry["subject"]): group_facts(entry) for entry in subjects}
        self.tasks = tuple(tasks)
        self.rows: list[dict] = []

    def start(self) -> None:
        """Forgets an earlier run."""
        self.rows = []

    def collect(self, pair: SubjectPair) -> None:
        """Adds the subject's row."""
        row: dict = {"subject": pair.subject} | self.facts.get(pair.subject, {})
        row |= self.measure_reference(pair.reference[0].numpy(), pair.native_label)
        reasons = [row.pop("not_measurable", "")]
        if MASK in self.tasks:
            x, y, z = pair.spacing_mm
            arrays = [pair.label[0].numpy(), pair.reference[0].numpy(), pair.infarct_probability.numpy()]
            row |= self.measure(*arrays, x * y * z / 1000.0 if pair.evenly_spaced else float("nan"))
            distances, missing = _hausdorff_mm(pair)
            row, reasons = row | distances, [*reasons, row.pop("not_measurable", ""), *missing]
        if LGE in self.tasks:
            found, missing = image_quality(pair.lge, pair.reference_lge, pair.wall)
            row, reasons = row | found, reasons + missing
        for reading in self.readings:
            found = reading(pair)
            reasons.append(found.pop("not_measurable", ""))
            row |= found
        reasons = "; ".join(filter(None, reasons))
        self.rows.append(row | ({"not_measurable": reasons} if reasons else {}))

    def write(self, folder: Path) -> dict:
        """Writes table and plot; returns the summary of all and by group."""
        write_table(folder / TABLE, self.rows)
        columns = {key for row in self.rows for key in row}
        if MASK in self.tasks:
            write_bytes(folder / PICTURE, self.draw(self.rows))
        else:
            remove(folder / PICTURE)
        return self.summarise(self.rows, [name for name in (*_FACTS, *_TRUTH) if name in columns])


def group_facts(entry: Mapping) -> dict:
    """What groups a subject belongs to: from its datalist entry, else from its meta.json."""
    known: dict = {}
    path = entry.get("meta")
    if path and Path(path).is_file():
        try:
            known = json.loads(Path(path).read_text())
        except ValueError:
            logger.warning("%s: the meta file is no JSON; the subject belongs to no group.", path)
    if not isinstance(known, dict):
        known = {}
    truth = known.get("truth") if isinstance(known.get("truth"), dict) else {}
    facts = {key: entry.get(key, known.get(key)) for key in _FACTS} | {key: truth.get(key) for key in _TRUTH}
    return {key: str(value) for key, value in facts.items() if value is not None}


def _hausdorff_mm(pair: SubjectPair) -> tuple[dict[str, float], list[str]]:
    """``hd95_<structure>_mm``, 95th percentile, both directions; and why some have none."""
    found, missing = {}, []
    if not pair.evenly_spaced:
        return found, ["hd95: the slices with a reference are not evenly spaced"]
    for name in STRUCTURES:
        masks = [structure(one, name)[None].float() for one in (pair.label, pair.reference)]
        absent = [where for where, mask in zip(("label map", "reference"), masks, strict=True) if not mask.any()]
        if absent:
            missing.append(f"hd95_{name}_mm: no {name} in the {' and the '.join(absent)}")
            continue
        spacing = pair.spacing_mm
        if pair.label.shape[-1] == 1:  # in three dimensions one slice is all surface
            masks, spacing = [mask[..., 0] for mask in masks], spacing[:2]
        elif pair.label.shape[-1] == 2:
            missing.append(f"hd95_{name}_mm: two slices are all surface, their distance would count the inside")
            continue
        distance = compute_hausdorff_distance(*masks, include_background=True, percentile=95, spacing=spacing)
        found[f"hd95_{name}_mm"] = float(distance)
    return found, missing
