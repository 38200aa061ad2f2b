"""Owns the evaluation's files: subjects.csv, one row per subject, evaluation.json, pictures; not their numbers."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from ignite.engine import Engine, Events
from monai.metrics import compute_hausdorff_distance

from ..conventions import DISCLAIMER, LABEL_NAMES, NETWORK_CLASSES, SUBJECT
from .atomic import write_bytes

logger = logging.getLogger(__name__)

TABLE, SUMMARY, PICTURE = "subjects.csv", "evaluation.json", "infarct_size.png"
_FACTS = ("vendor", "field_strength_t", "condition", "cohort")
_TRUTH = ("territory", "oedema_regime", "haemorrhage")
_STRUCTURES = {
    "lv_blood_pool": [LABEL_NAMES.index("lv_blood_pool")],
    "lv_myocardium": [LABEL_NAMES.index("myocardium"), LABEL_NAMES.index("infarct")],
    "infarct": [LABEL_NAMES.index("infarct")],
}
_SHOWN = ("mean_dice_infarct", "infarct_size_r", "infarct_size_bias_percent_lv", "presence_auc", "presence_specificity")


class SubjectTable:
    """Collects the numbers of each subject of an evaluation and writes them at its end.

    Args:
        measure: label, reference, LGE, reference LGE, infarct probability (X, Y, S) and ml per voxel to a row.
        summarise: rows and names of grouping columns to a dict for JSON.
        draw: rows to the bytes of a PNG of infarct sizes.
        subjects: entries of the datalist; their meta files say how subjects are grouped.
        spacing_mm: in-plane spacing of the crop.
    """

    def __init__(
        self,
        measure: Callable[..., dict],
        summarise: Callable[..., dict],
        draw: Callable[..., bytes],
        subjects: Sequence[Mapping],
        spacing_mm: float,
        output_dir: str,
    ) -> None:
        self.measure, self.summarise, self.draw = measure, summarise, draw
        self.facts = {str(entry["subject"]): _facts(entry) for entry in subjects}
        self.spacing_mm, self.folder = float(spacing_mm), Path(output_dir)
        self.rows: list[dict] = []

    def attach(self, engine: Engine) -> None:
        """Registers on the evaluator."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)
        engine.add_event_handler(Events.COMPLETED, self.write)

    def start(self, engine: Engine) -> None:
        """Forgets an earlier run."""
        self.rows = []

    def collect(self, engine: Engine) -> None:
        """Adds the row of this iteration's subject, on the slices that its reference covers."""
        batch, output = engine.state.batch[0], engine.state.output[0]
        name = str(batch[SUBJECT])
        covered = torch.nonzero(batch["reference_slices"].cpu())[:, 0]
        infarct = output["probabilities"][NETWORK_CLASSES.index("infarct")][..., covered]
        labels = [output[key].cpu() for key in ("label_pred", "label_ref")]
        arrays = [one[0].numpy() for one in labels]
        arrays += [output[key][0].cpu().numpy() for key in ("lge_pred", "lge_ref")]
        # neighbouring slices lie one column of the cine's affine apart, gap included
        pitch_mm = float(torch.linalg.norm(torch.as_tensor(batch["cine_affine"])[:3, 2]))
        voxel_ml = self.spacing_mm**2 * pitch_mm / 1000.0
        row = self.measure(*arrays, infarct.cpu().numpy(), voxel_ml)
        distances, missing = _hausdorff_mm(*labels, (self.spacing_mm, self.spacing_mm, pitch_mm))
        reasons = "; ".join(filter(None, [row.pop("not_measurable", ""), *missing]))
        row = {"subject": name} | self.facts.get(name, {}) | row | distances
        self.rows.append(row | ({"not_measurable": reasons} if reasons else {}))

    def write(self, engine: Engine) -> None:
        """Writes table, summary and pictures, and logs what matters most."""
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        text = io.StringIO()
        table = csv.DictWriter(text, columns)
        table.writeheader()
        table.writerows(self.rows)
        write_bytes(self.folder / TABLE, text.getvalue().encode())
        groups = [name for name in (*_FACTS, *_TRUTH) if name in columns]
        summary = {"disclaimer": DISCLAIMER} | self.summarise(self.rows, groups)
        write_bytes(self.folder / SUMMARY, (json.dumps(summary, indent=1) + "\n").encode())
        write_bytes(self.folder / PICTURE, self.draw(self.rows))
        lines = [f"  {name:34s} {_shown(summary['all'].get(name, {}))}" for name in _SHOWN]
        logger.info("%d subjects, 95 %% intervals by subject:\n%s\nper subject: %s, by group: %s. %s", len(self.rows),
                    "\n".join(lines), self.folder / TABLE, self.folder / SUMMARY, DISCLAIMER)  # fmt: skip


def _facts(entry: Mapping) -> dict:
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


def _hausdorff_mm(
    label: torch.Tensor, reference: torch.Tensor, spacing_mm: tuple[float, ...]
) -> tuple[dict[str, float], list[str]]:
    """``hd95_<structure>_mm`` of two maps (1, H, W, S), 95th percentile, both directions; and why some have none."""
    found, missing = {}, []
    for name, codes in _STRUCTURES.items():
        masks = [torch.isin(one, torch.tensor(codes, dtype=one.dtype))[None].float() for one in (label, reference)]
        absent = [where for where, mask in zip(("label map", "reference"), masks, strict=True) if not mask.any()]
        if absent:
            missing.append(f"hd95_{name}_mm: no {name} in the {' and the '.join(absent)}")
            continue
        distance = compute_hausdorff_distance(*masks, include_background=True, percentile=95, spacing=spacing_mm)
        found[f"hd95_{name}_mm"] = float(distance)
    return found, missing


def _shown(number: Mapping) -> str:
    if "value" not in number:
        return str(number.get("not_measurable", "not measurable"))
    interval = f" ({number['low']:.3g} to {number['high']:.3g})" if "low" in number else ""
    return f"{number['value']:.3g}{interval}"
