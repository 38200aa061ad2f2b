"""A dataset folder as whole subjects in memory, with all cine phases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from .. import conventions
from ..preprocessing.labels import AUTO, coded, table_for
from ..preprocessing.localisation import heart_centre
from ..preprocessing.phase_match import Partner
from ..preprocessing.phases import PhaseChoice, choose_phase, phase_on_disk, subject_meta
from ..volumes.entry_files import read_entry
from ..volumes.grids import SAME_GRID, Grid, GridTolerance, corner_distance_mm, match_grids
from ..volumes.volume import placed_like
from .datalist import find_subjects


@dataclass(frozen=True)
class WholeSubject:
    """One subject on the grid of its label.

    ``label``: (X, Y, S), disk codes. ``images``: sequence to float32, cine (X, Y, S, P), others (X, Y, S).
    ``missing``: sequence to the reason why it is not in ``images``. ``timed``: the cine phase by trigger times.
    ``warnings``: what was found in the files that a reader should know.
    """

    name: str
    label: np.ndarray
    affine: np.ndarray
    timed: PhaseChoice
    meta: dict
    images: dict[str, np.ndarray]
    missing: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @cached_property
    def label_phase(self) -> int:
        """Cine phase of the label, 0 for a cine of one: by trigger times, else the one that agrees best with the LGE,
        on which labels are drawn, or the T2-STIR."""
        if "cine" not in self.images:
            return 0
        cine, spacing_mm = self.images["cine"], np.linalg.norm(self.affine[:3, :2], axis=0)
        slices = np.arange(cine.shape[2])
        partners = [
            Partner(name, self.images[name], np.tile(np.eye(3), (len(slices), 1, 1)), slices)
            for name in (conventions.LGE, "t2_stir")
            if name in self.images
        ]
        centre, _ = heart_centre(cine, (float(spacing_mm[0]), float(spacing_mm[1])))
        return max(choose_phase(self.timed, cine, (centre, spacing_mm), partners).index or 0, 0)


class CohortOnDisk:
    """Folder in any layout (docs/DATASETS.md of the repository); every subject needs a label, nothing else.

    Args:
        dataset_dir: as everywhere.
        label_table: name or table of preprocessing.labels, or "auto", the one of the folder's layout.
        sequences: what is read beside the label.
    """

    def __init__(
        self,
        dataset_dir: str,
        label_table: str | Mapping = AUTO,
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
        volume = read_entry(entry, conventions.LABEL)
        label = coded(volume, table_for(entry, self.label_table), check)
        meta = subject_meta(entry)
        images, missing, warnings = {}, {}, [*volume.warnings]
        if meta.get("label_phase") is not None and meta["label_phase"] == meta.get("es_phase"):
            warnings.append(f"{volume.grid.name} is of end-systole: its volumes are not those of end-diastole")
        for key in self.sequences:
            if key not in entry:
                missing[key] = entry.get("reference_problems", {}).get(key, f"there is no {key}").splitlines()[0]
                continue
            found = placed_like(label, read_entry(entry, key))
            warnings += found.warnings
            if _same_grid(label.grid, found.grid):
                images[key] = found.array
            else:
                missing[key] = _elsewhere(label.grid, found.grid, key)
        phases = images["cine"].shape[3] if "cine" in images else 1
        timed = phase_on_disk(phases, meta, f"{Path(self.dataset_dir).name}/{name}/meta.json", labelled=True)
        return WholeSubject(name, label.array, label.grid.affine, timed, meta, images, missing, tuple(warnings))


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
