"""Rows of a transfer evaluation: LV blood and LV wall of each label map, on the grid of the cine, and their means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..clinical.agreement import dice
from ..clinical.heart_finding import centre_distance_mm, slice_holds_lv, slice_invents_lv, slice_misses_lv
from ..clinical.volumes import infarct_percent_lv, structure_mask, voxel_volume_ml
from .statistics.bootstrap import with_interval
from .subject_rows import Row, measured_row, volume_difference_ml

STRUCTURES = ("lv_blood_pool", "lv_myocardium")
# A heart whose centre lies farther away was looked for in the wrong place: half of the radius of a small LV, mm.
CENTRE_WITHIN_MM = 10.0
WITHOUT_MISSED, WITHOUT_INVENTED, CENTRE_WITHIN = (
    "without_missed_slice",
    "without_invented_slice",
    "centre_within_10_mm",
)
SHARES = (WITHOUT_MISSED, WITHOUT_INVENTED, CENTRE_WITHIN)


def transfer_row(label: np.ndarray, reference: np.ndarray, affine: np.ndarray) -> Row:
    """Numbers of one label map; what cannot be measured is missing and named in ``not_measurable``.

    Args:
        label, reference: (X, Y, S), disk codes, on the grid of the cine, the slices that the reference covers.
        affine: (4, 4), voxel to mm.
    """
    spacing_mm = np.linalg.norm(np.asarray(affine, dtype=np.float64)[:3, :3], axis=0)
    voxel_ml = voxel_volume_ml(affine)
    measures: dict[str, tuple] = {}
    for name in STRUCTURES:
        measures[f"dice_{name}"] = (dice, label, reference, name)
        measures[f"volume_difference_{name}_ml"] = (volume_difference_ml, label, reference, name, voxel_ml)
    measures["centre_distance_mm"] = (centre_distance_mm, label, reference, spacing_mm[:2])
    measures["called_infarct_percent_lv"] = (infarct_percent_lv, label)
    row = measured_row(measures)
    missed, invented = slice_misses_lv(label, reference), slice_invents_lv(label, reference)
    counts = {"lv_slices": slice_holds_lv(reference), "slices_missed": missed, "slices_invented": invented}
    return {key: float(flags.sum()) for key, flags in counts.items()} | row


def transfer_slice_rows(label: np.ndarray, reference: np.ndarray, slices: Sequence[int]) -> list[Row]:
    """One row per slice: Dice, pixels of LV blood, and whether the LV was missed or invented there (1 or 0).

    Args:
        label, reference: (X, Y, S), disk codes. slices: their numbers in the cine, from 0; rows count from 1.
    """
    missed, invented = slice_misses_lv(label, reference), slice_invents_lv(label, reference)
    rows = []
    for k, index in enumerate(slices):
        one, other = label[..., k : k + 1], reference[..., k : k + 1]
        row: Row = {"slice": index + 1}
        row |= measured_row({f"dice_{name}": (dice, one, other, name) for name in STRUCTURES})
        pixels = {f"{who}_blood_pixels": a for who, a in (("found", one), ("reference", other))}
        row |= {key: float(structure_mask(a, "lv_blood_pool").sum()) for key, a in pixels.items()}
        rows.append(row | {"missed": float(missed[k]), "invented": float(invented[k])})
    return rows


def summarise_transfer(rows: Sequence[Row]) -> dict:
    """Means over the label maps, each with a 95 % interval by bootstrap over subjects; counts beside the shares.

    Args:
        rows: of transfer_row, each with its "subject".
    """
    subjects = np.array([row["subject"] for row in rows])
    found: dict = {"subjects": len(set(subjects.tolist())), "label_maps": len(rows)}
    names = dict.fromkeys(key for row in rows for key, value in row.items() if isinstance(value, float))
    for name in names:
        own = [row for row in rows if name in row]
        found[f"mean_{name}"] = with_interval(
            np.mean, np.array([row[name] for row in own]), subjects=np.array([row["subject"] for row in own])
        )
    for name in SHARES:
        held = np.array([_holds(row, name) for row in rows], dtype=np.float64)
        share = with_interval(np.mean, held, subjects=subjects)
        if share["value"] in (0.0, 1.0):  # drawn again they are all alike: a limit of that width would be a promise
            share = {key: share[key] for key in ("value", "subjects")} | {"no_interval": "all label maps are alike"}
        found[name] = share | {"count": int(held.sum()), "of": len(rows)}
    return found


def by_group(rows: Sequence[Row], columns: Sequence[str]) -> dict[str, dict[str, dict]]:
    """summarise_transfer of the rows of each value of each column; a row without the column is "unknown"."""
    found: dict[str, dict[str, dict]] = {}
    for column in columns:
        groups: dict[str, list[Row]] = {}
        for row in rows:
            groups.setdefault(str(row.get(column) or "unknown"), []).append(row)
        found[column] = {name: summarise_transfer(groups[name]) for name in sorted(groups)}
    return found


def _holds(row: Mapping, name: str) -> bool:
    """Whether a label map counts in a share; where no LV was found its centre is not within any distance."""
    if name == CENTRE_WITHIN:
        return row.get("centre_distance_mm", np.inf) <= CENTRE_WITHIN_MM
    return row["slices_missed" if name == WITHOUT_MISSED else "slices_invented"] == 0
