"""subjects.csv, one row per evaluated subject, and the summary by group."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from monai.metrics import compute_hausdorff_distance

from ..clinical.size_interval import undecided
from ..conventions import LGE, MASK, TASKS
from ..files import read_json, remove, write_bytes
from ..reports.tables import write_table
from .image_quality import image_quality
from .pairs import SubjectPair, structure
from .plots import infarct_size_png
from .readings import LgeReading
from .subject_rows import Row, reference_row, subject_row, summarise

logger = logging.getLogger(__name__)

TABLE, SCATTER = "subjects.csv", "infarct_size.png"
_FACTS = ("vendor", "field_strength_t", "condition", "cohort")
_TRUTH = ("territory", "oedema_regime", "haemorrhage")


class SubjectTable:
    """Sizes, overlap, presence, similarity of images, what readers see: subjects.csv, infarct_size.png, "all", "by".

    Args:
        subjects: entries of the datalist; their meta files say how subjects are grouped.
        readings: networks that read the images, for further columns.
        tasks: what the network gives, "mask", "lge" or both: no numbers of the other one.
    """

    needs, section = None, "all"

    def __init__(
        self, subjects: Sequence[Mapping], readings: Sequence[LgeReading] = (), tasks: Sequence[str] = TASKS
    ) -> None:
        self.facts = {str(entry["subject"]): group_facts(entry) for entry in subjects}
        self.readings, self.tasks = list(readings), tuple(tasks)
        self.rows: list[Row] = []

    def start(self) -> None:
        """Forgets an earlier run."""
        self.rows = []

    def collect(self, pair: SubjectPair) -> None:
        """Adds the subject's row."""
        row: Row = {"subject": pair.subject, **self.facts.get(pair.subject, {}), "sequences": pair.sequences}
        row |= reference_row(pair.reference[0].numpy(), pair.native_label, pair.infarct_marked)
        reasons = [str(row.pop("not_measurable", ""))]
        if MASK in self.tasks:
            x, y, z = pair.spacing_mm
            voxel_ml = x * y * z / 1000.0 if pair.evenly_spaced else float("nan")
            label, reference = pair.label[0].numpy(), pair.reference[0].numpy()
            row |= subject_row(label, reference, pair.infarct_probability.numpy(), voxel_ml, pair.compared)
            row |= undecided(pair.probabilities.numpy()) if pair.infarct_marked else {}
            distances, missing = _hausdorff_mm(pair)
            row |= distances
            reasons += [str(row.pop("not_measurable", "")), *missing]
        if LGE in self.tasks:
            quality, missing = image_quality(pair.lge, pair.reference_lge, pair.wall)
            row |= quality
            reasons += missing
        for reading in self.readings:
            found = reading(pair)
            reasons.append(str(found.pop("not_measurable", "")))
            row |= found
        text = "; ".join(filter(None, reasons))
        self.rows.append(row | ({"not_measurable": text} if text else {}))

    def write(self, folder: Path) -> dict:
        """Writes table and figure; returns the summary of all and by group."""
        write_table(folder / TABLE, self.rows)
        columns = {key for row in self.rows for key in row}
        if MASK in self.tasks:
            write_bytes(folder / SCATTER, infarct_size_png(self.rows))
        else:
            remove(folder / SCATTER)
        return summarise(self.rows, [name for name in (*_FACTS, *_TRUTH) if name in columns])


def group_facts(entry: Mapping) -> dict[str, str]:
    """What groups a subject belongs to: from its datalist entry, else from its meta.json."""
    known: dict = {}
    path = entry.get("meta")
    if path and Path(path).is_file():
        try:
            known = read_json(Path(path))
        except (OSError, ValueError):
            logger.warning("%s: the meta file is no JSON; the subject belongs to no group.", path)
    if not isinstance(known, dict):
        known = {}
    truth = known.get("truth")
    truth = truth if isinstance(truth, dict) else {}
    facts = {key: entry.get(key, known.get(key)) for key in _FACTS} | {key: truth.get(key) for key in _TRUTH}
    return {key: str(value) for key, value in facts.items() if value is not None}


def _hausdorff_mm(pair: SubjectPair) -> tuple[dict[str, float], list[str]]:
    """``hd95_<structure>_mm``, 95th percentile, both directions; and why some have none."""
    found: dict[str, float] = {}
    missing: list[str] = []
    if not pair.evenly_spaced:
        return found, ["hd95: the slices with a reference are not evenly spaced"]
    for name in pair.compared:
        masks = [structure(one, name)[None].float() for one in (pair.label, pair.reference)]
        absent = [where for where, mask in zip(("label map", "reference"), masks, strict=True) if not mask.any()]
        if absent:
            missing.append(f"hd95_{name}_mm: no {name} in the {' and the '.join(absent)}")
            continue
        spacing: tuple[float, ...] = pair.spacing_mm
        if pair.label.shape[-1] == 1:  # in three dimensions one slice is all surface
            masks, spacing = [mask[..., 0] for mask in masks], spacing[:2]
        elif pair.label.shape[-1] == 2:
            missing.append(f"hd95_{name}_mm: two slices are all surface, their distance would count the inside")
            continue
        found_mask, true_mask = masks
        distance = compute_hausdorff_distance(found_mask, true_mask, True, percentile=95, spacing=spacing)
        found[f"hd95_{name}_mm"] = float(distance)
    return found, missing
