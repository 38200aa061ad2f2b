"""A dataset folder as whole subjects in memory, with all cine phases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .. import conventions
from ..preprocessing.labels import AUTO, table_for, translate
from ..preprocessing.phases import named_phase, pick_phase, subject_meta
from ..volumes.entry_files import read_entry
from ..volumes.grids import SAME_GRID, Grid, GridTolerance, match_grids
from .datalist import find_subjects


@dataclass(frozen=True)
class WholeSubject:
    """One subject on the grid of its label.

    ``label``: (X, Y, S), disk codes. ``images``: sequence to float32, cine (X, Y, S, P), others (X, Y, S).
    ``missing``: sequence to the reason why it is not in ``images``. ``label_phase``: cine phase of the label.
    """

    name: str
    label: np.ndarray
    affine: np.ndarray
    label_phase: int
    meta: dict
    images: dict[str, np.ndarray]
    missing: dict[str, str] = field(default_factory=dict)


class CohortOnDisk:
    """Folder in any layout (docs/DATASETS.md of the repository); every subject needs a label.

    Args:
        dataset_dir: as everywhere.
        label_table: name or table of preprocessing.labels, or "auto", the one of the folder's layout.
    """

    def __init__(self, dataset_dir: str, label_table: str | Mapping = AUTO) -> None:
        self.dataset_dir, self.label_table = str(dataset_dir), label_table

    def entries(self) -> list[dict]:
        """Subjects, sorted by name; one without label is ``{subject, problem}``.

        Raises:
            DatalistError: the folder is missing, empty or not recognised.
        """
        return find_subjects(self.dataset_dir, require=(conventions.LABEL,), on_problem="record")

    def load(self, entry: dict) -> WholeSubject:
        """Reads the files of one entry; a sequence on another grid than the label's is listed as missing.

        Raises:
            DataError: a file cannot be read or holds unknown labels.
        """
        name = entry[conventions.SUBJECT]
        volume = read_entry(entry, conventions.LABEL)
        label = translate(volume.array, table_for(entry, self.label_table), volume.grid.name)
        meta = subject_meta(entry)
        images, missing = {}, {}
        for key in (*conventions.SEQUENCES, conventions.LGE):
            if key not in entry:
                missing[key] = f"there is no {key}"
                continue
            found = read_entry(entry, key)
            if _same_grid(volume.grid, found.grid):
                images[key] = found.array
            else:
                missing[key] = f"{key} lies on another grid than the label"
        phases = images["cine"].shape[3] if "cine" in images else 1
        place = f"{Path(self.dataset_dir).name}/{name}/meta.json"
        phase = named_phase(meta, "label_phase", phases, place) if "cine" in images else None
        phase = pick_phase(phases, meta, place)[0] if phase is None else phase
        return WholeSubject(name, label, volume.grid.affine, max(phase, 0), meta, images, missing)


def _same_grid(label: Grid, image: Grid) -> bool:
    if label.shape != image.shape:
        return False
    try:
        return match_grids(label, image, GridTolerance()).verdict == SAME_GRID
    except conventions.DataError:
        return False
