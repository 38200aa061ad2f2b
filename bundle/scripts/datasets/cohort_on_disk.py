"""A dataset folder as whole subjects in memory, with all cine phases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .. import conventions
from ..preprocessing.labels import coded
from ..preprocessing.phases import pick_phase, read_meta
from ..volumes.grids import SAME_GRID, Grid, GridTolerance, corner_distance_mm, match_grids
from ..volumes.reading import read_volume
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
    """Folder in layout 1 or 2 (docs/USE.md of the repository, Input); every subject needs a label, nothing else.

    Args:
        dataset_dir: as everywhere.
        label_table: name or table of preprocessing.labels.
        sequences: what is read beside the label.
    """

    def __init__(
        self,
        dataset_dir: str,
        label_table: str | Mapping = "ours",
        sequences: Sequence[str] = (*conventions.SEQUENCES, conventions.LGE),
    ) -> None:
        self.dataset_dir, self.label_table, self.sequences = str(dataset_dir), label_table, tuple(sequences)

    def entries(self) -> list[dict]:
        """Subjects, sorted by name; one without label is ``{subject, problem}``.

        Raises:
            DatalistError: the folder is missing, empty or not recognised.
        """
        return find_subjects(self.dataset_dir, require=(conventions.LABEL,), on_problem="record")

    def load(self, entry: dict, check: bool = True) -> WholeSubject:
        """Reads the files of one entry; a sequence on another grid than the label's is listed as missing.

        Args:
            check: whether the label map has to look like a heart; that of inference, whose codes are known, need not.
        Raises:
            DataError: a file cannot be read or holds unknown labels, or labels that show no heart.
        """
        name = entry[conventions.SUBJECT]
        volume = read_volume(entry[conventions.LABEL], is_label=True)
        label = coded(volume, self.label_table, check)
        meta = read_meta(entry.get("meta"))
        images, missing = {}, {}
        for key in self.sequences:
            if key not in entry:
                missing[key] = entry.get("reference_problems", {}).get(key, f"there is no {key}").splitlines()[0]
                continue
            found = read_volume(entry[key], phases=key == "cine")
            if _same_grid(label.grid, found.grid):
                images[key] = found.array
            else:
                missing[key] = _elsewhere(label.grid, found.grid, key)
        phases = images["cine"].shape[3] if "cine" in images else 1
        phase, _ = pick_phase(phases, meta, f"{Path(self.dataset_dir).name}/{name}/meta.json")
        return WholeSubject(name, label.array, label.grid.affine, max(phase, 0), meta, images, missing)


def _elsewhere(label: Grid, image: Grid, key: str) -> str:
    """Why an image does not lie on the label's grid, with the distance where both have one shape."""
    beside = f", up to {corner_distance_mm(label, image):.1f} mm beside it" if label.shape == image.shape else ""
    return f"{key} lies on another grid than the label{beside}"


def _same_grid(label: Grid, image: Grid) -> bool:
    if label.shape != image.shape:
        return False
    try:
        return match_grids(label, image, GridTolerance()).verdict == SAME_GRID
    except conventions.DataError:
        return False
