"""The job that turns a folder in any layout into subject folders or nnU-Net raw."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from .conventions import (
    DISCLAIMER,
    EXIT_SOME_FAILED,
    LABEL,
    LABEL_NAMES,
    SUBJECT,
    VENDOR,
    ConfigError,
    DataError,
    counted,
    flag,
)
from .datasets.datalist import find_subjects
from .datasets.layout import FILE_KEYS, SECTIONS, image_names
from .datasets.layouts import USABLE_SLICES
from .datasets.public_sets.channels import NOT_MARKED
from .datasets.subject_files import nifti_file, own_file, written_file
from .files import ensure_writable, folder_aside, json_text, settle_folder, write_bytes, write_text
from .inference.ledger import Failure
from .inference.summary import failed_cases_text
from .preprocessing.labels import (
    AUTO,
    LABEL_TABLE,
    LABEL_TABLE_PROBLEM,
    LESIONS,
    coded,
    label_table,
    lesions_not_marked,
    shown_as,
    table_for,
)
from .preprocessing.localisation import heart_centre
from .preprocessing.phases import PHASE_KEYS, phase_on_disk, subject_meta
from .preprocessing.preprocessing import cine_phase, codes_on_cine_grid, on_cine_grid
from .preprocessing.stack_check import refuse_exchanged_axes
from .subject_faults import subject_problem
from .volumes.entry_files import read_entry
from .volumes.grids import Grid, GridMatch, GridTolerance, match_grids
from .volumes.nifti_writing import says_synthetic
from .volumes.reading import SUFFIXES
from .volumes.volume import Volume, placed_like

logger = logging.getLogger(__name__)

OURS, NNUNET = "ours", "nnunet"
IMAGES = FILE_KEYS[:3]
_FACTS = (VENDOR, "field_strength_t")
_STAGE = "convert"
_META = "meta.json"


class ConvertJob:
    """Writes every subject of a folder in another layout, with our label codes.

    Args:
        dataset_dir: folder in any layout; nothing in it is changed.
        output_dir: folder of its own, outside ``dataset_dir``.
        to: "ours", subject folders, or "nnunet", nnU-Net raw.
        label_table: name or table of preprocessing.labels, or "auto", the one of the folder's layout.
        sequences: which of cine, t2_stir and lge are written, where a subject has them.
        overwrite: write again what is there.
    Raises:
        ConfigError: a value that cannot be.
    """

    def __init__(
        self,
        dataset_dir: str,
        output_dir: str,
        to: str = OURS,
        label_table: str | Mapping = AUTO,
        sequences: Sequence[str] = IMAGES,
        overwrite: bool | str = False,
    ) -> None:
        if to not in (OURS, NNUNET):
            raise ConfigError(f"to: found {to!r}, expected {OURS} or {NNUNET}. Fix: --to {OURS}")
        wanted = [sequences] if isinstance(sequences, str) else list(sequences)
        if not wanted or set(wanted) - set(IMAGES):
            raise ConfigError(
                f"sequences: found {wanted}, expected one or more of {', '.join(IMAGES)}. "
                "Fix: --sequences \"['cine','lge']\""
            )
        self.dataset_dir, self.folder = (Path(path).expanduser().absolute() for path in (dataset_dir, output_dir))
        self.to = to
        self.sequences = tuple(key for key in IMAGES if key in wanted)
        self.label_table, self.overwrite = label_table, flag(overwrite, "overwrite")
        self._check_settings()

    def _check_settings(self) -> None:
        label_table(self.label_table)
        source, target = self.dataset_dir.resolve(), self.folder.resolve()
        if target == source or source in target.parents:
            raise ConfigError(
                f"output_dir {self.folder}: found in dataset_dir, expected a folder outside of {self.dataset_dir}.\n"
                "Fix: give another --output_dir."
            )

    def run(self) -> None:
        """Writes the subjects, dataset.json where the layout has one, and failed_cases.csv.

        Raises:
            DataError: the folder is not usable, or the output folder holds another data set.
            SystemExit: EXIT_SOME_FAILED when a subject could not be turned.
        """
        entries = find_subjects(self.dataset_dir, require=(), on_problem="record")
        ensure_writable(self.folder)
        writer = _NnunetFolder(self, entries) if self.to == NNUNET else _SubjectFolders(self)
        failures, done = [], []
        for entry in tqdm(entries, desc="Converting", unit="subject", disable=None):
            name = str(entry[SUBJECT])
            try:
                writer.write(entry, name)
                done.append(entry)
            except Exception as error:
                problem = subject_problem(error)
                failures.append(Failure.of_error(name, getattr(problem, "stage", _STAGE), problem))
                logger.warning("%s failed: %s", name, " ".join(str(problem).split()))
        writer.finish(done)
        write_text(self.folder / "failed_cases.csv", failed_cases_text(failures))
        logger.info("%s in %s, %d failed", counted(len(done), "subject"), self.folder, len(failures))
        if failures:
            raise SystemExit(EXIT_SOME_FAILED)

    def files_of(self, entry: dict) -> list[str]:
        """Keys of the files that are written for one subject.

        Raises:
            DataError: the subject cannot be used, or has none of the sequences.
        """
        if "problem" in entry:
            raise DataError(entry["problem"])
        for key, text in entry.get("reference_problems", {}).items():
            if key in (*self.sequences, LABEL) and key != "cine":
                raise DataError(text)
        found = [key for key in self.sequences if key in entry]
        if not found:
            raise DataError(
                f"{entry[SUBJECT]}: found none of {', '.join(self.sequences)}, expected at least one.\n"
                "Fix: give other --sequences, or leave the subject out."
            )
        return [*found, LABEL] if LABEL in entry else found

    def lesions_not_marked(self, entry: dict) -> tuple[str, ...]:
        """Lesions that the label map of a subject cannot show."""
        return lesions_not_marked(table_for(entry, self.label_table))

    def label_of(self, entry: dict) -> tuple[Volume, bool]:
        """The label map in our codes, uint8; and whether these are the values of its file."""
        read = read_entry(entry, LABEL)
        codes = coded(read, table_for(entry, self.label_table)).array
        return replace(read, array=codes), np.array_equal(codes, read.array)


class _SubjectFolders:
    """Layout 1: a folder per subject that appears whole; dataset.json beside them where the source has splits."""

    def __init__(self, job: ConvertJob) -> None:
        self.job = job
        self._written: dict[str, dict[str, str]] = {}

    def write(self, entry: dict, name: str) -> None:
        """Writes one subject's folder, aside and then renamed; one that is there stays unless it is to be overwritten.

        Raises:
            DataError: the subject cannot be read, or its folder would hold the source.
        """
        folder = self.job.folder / name
        keys = self.job.files_of(entry)
        if folder in self.job.dataset_dir.parents or folder == self.job.dataset_dir:
            raise DataError(f"{name}: its folder would hold dataset_dir itself.\nFix: give another --output_dir.")
        names = [f"{key}{suffix}" for key in keys for suffix in SUFFIXES] + [_META]

        def own(folder: Path) -> list[str]:
            return names

        settle_folder(folder, own)
        if folder.exists() and not self.job.overwrite:
            logger.info("%s is there and left as it is; --overwrite true makes it again", name)
            self._written[name] = {key: _name_there(folder, key) for key in keys}
            return
        files = {key: self._content(entry, key) for key in keys}
        absent = self.job.lesions_not_marked(entry) if LABEL in keys else ()
        table = {str(code): code for code, known in enumerate(LABEL_NAMES) if known not in absent}
        meta = _meta(entry) | ({LABEL_TABLE: table} if absent else {})
        with folder_aside(folder, own=own) as aside:
            for key, (suffix, content) in files.items():
                write_bytes(aside / f"{key}{suffix}", content)
            if meta:
                write_text(aside / _META, json_text(meta))
        self._written[name] = {key: f"{key}{suffix}" for key, (suffix, _) in files.items()}

    def _content(self, entry: dict, key: str) -> tuple[str, bytes]:
        """Suffix and bytes of one file: the source's own where nothing in it has to change."""
        volume, same = self.job.label_of(entry) if key == LABEL else (read_entry(entry, key), True)
        return own_file(entry, key, volume) if same else written_file(entry, key, volume)

    def finish(self, done: list[dict]) -> None:
        """dataset.json with the splits and usable slices that the source has."""
        if not any("split" in entry for entry in done):
            return
        lists: dict[str, list[dict]] = {section: [] for section in SECTIONS}
        for entry in done:
            name = str(entry[SUBJECT])
            files = {key: f"{name}/{file}" for key, file in self._written[name].items() if file}
            kept = {key: entry[key] for key in (*_FACTS, USABLE_SLICES) if key in entry}
            meta = {"meta": f"{name}/meta.json"} if (self.job.folder / name / "meta.json").is_file() else {}
            lists[entry["split"]].append({SUBJECT: name} | files | meta | kept)
        write_text(self.job.folder / "dataset.json", json_text(lists))


class _NnunetFolder:
    """nnU-Net raw v2: one grid per case, that of the chosen cine phase; label values are our codes.

    Raises:
        DataError: the output folder has a dataset.json already.
    """

    def __init__(self, job: ConvertJob, entries: list[dict]) -> None:
        self.job = job
        self.channels = [key for key in job.sequences if any(key in entry for entry in entries)]
        labelled = [entry for entry in entries if LABEL in entry and LABEL_TABLE_PROBLEM not in entry]
        tables = [self.job.lesions_not_marked(entry) for entry in labelled]
        self._marks_infarct = not tables or "infarct" not in tables[0]  # of every case, as the first has it
        fitting = [one for one in tables if ("infarct" in one) != self._marks_infarct]
        self._not_marked = [name for name in LESIONS if any(name in one for one in fitting)]
        for name in self._not_marked:
            if not all(name in one for one in fitting):
                logger.warning("%s is not marked in all subjects, and written as what it is a part of in all.", name)
        if (job.folder / "dataset.json").exists() and not job.overwrite:
            raise DataError(
                f"output_dir {job.folder}: found dataset.json, so a data set is there already.\n"
                "Fix: give another --output_dir, or --overwrite true to write its cases again."
            )

    def write(self, entry: dict, name: str) -> None:
        """Writes one case: a file per channel, and its label map where it has one.

        Raises:
            DataError: the case cannot be read, or lacks a channel, a class or slices that the others have.
        """
        keys = self.job.files_of(entry)
        if missing := [key for key in self.channels if key not in keys]:
            kept = [key for key in self.channels if key in keys]
            raise DataError(
                f"{name}: no {' and no '.join(missing)}, which other subjects have; nnU-Net wants the same channels in "
                f'each case.\nFix: leave the subject out, or the sequence with --sequences "{kept}".'
            )
        if LABEL in keys:
            self._check_classes(entry, name)
        volumes = self._on_one_grid(entry, name, keys)
        testing = LABEL not in keys or entry.get("split") == "testing"
        images, labels = ("imagesTs", "labelsTs") if testing else ("imagesTr", "labelsTr")
        affine = volumes[self.channels[0]].grid.affine
        files = {f"{images}/{name}_{number:04d}.nii.gz": key for number, key in enumerate(self.channels)}
        files |= {f"{labels}/{name}.nii.gz": LABEL} if LABEL in volumes else {}
        for place, key in files.items():
            if self.job.overwrite or not (self.job.folder / place).exists():
                write_bytes(
                    self.job.folder / place, nifti_file(volumes[key].array, affine, key, text=_said_of(entry, key))
                )

    def _check_classes(self, entry: dict, name: str) -> None:
        marked = "infarct" not in self.job.lesions_not_marked(entry)
        if self._marks_infarct != marked:
            raise DataError(
                f"{name}: found a label table {'with' if marked else 'without'} infarct, expected one "
                f"{'without' if marked else 'with'}, as of the first subject: an infarct that is not marked would be "
                "learnt as myocardium.\nFix: convert the subjects of each label table to a folder of their own."
            )

    def _shown(self, volume: Volume) -> Volume:
        """A label map without the codes that are not marked in every subject."""
        known = set(LABEL_NAMES) - set(self._not_marked)
        codes = np.array([shown_as(name, known) for name in LABEL_NAMES], np.uint8)
        return replace(volume, array=codes[volume.array.astype(np.uint8)])

    def _on_one_grid(self, entry: dict, name: str, keys: list[str]) -> dict[str, Volume]:
        """Every sequence and the label on the slices of the first channel that all of them cover."""
        first = self.channels[0]
        volumes = {
            key: self._shown(self.job.label_of(entry)[0]) if key == LABEL else read_entry(entry, key) for key in keys
        }
        volumes = {key: placed_like(volumes[first], volume) for key, volume in volumes.items()}
        if "cine" in volumes:
            for volume in volumes.values():
                refuse_exchanged_axes(volumes["cine"], volume.grid)
            volumes["cine"] = _frame(entry, volumes, name)
        grid = volumes[first].grid
        matches = {key: match_grids(grid, volume.grid, GridTolerance()) for key, volume in volumes.items()}
        covered = np.logical_and.reduce([match.slices >= 0 for match in matches.values()])
        used = np.flatnonzero(covered)
        if not used.size or not covered[used[0] : used[-1] + 1].all():
            raise DataError(
                f"{name}: {', '.join(keys)} share slices {(used + 1).tolist()} of {grid.shape[2]}, expected slices "
                "without a gap: a slice without label map would be learnt as background.\nFix: leave a sequence out "
                "with --sequences, or export the whole stack."
            )
        span = slice(int(used[0]), int(used[-1]) + 1)
        affine = grid.affine.copy()
        affine[:3, 3] = grid.world(np.array([[0, 0, span.start]]))[0]
        shape = (*grid.shape[:2], span.stop - span.start)
        return {
            key: Volume(_moved(volume, matches[key], grid, key)[..., span], Grid(volume.grid.name, shape, affine))
            for key, volume in volumes.items()
        }

    def finish(self, done: list[dict]) -> None:
        """dataset.json, last, so that an unfinished folder has none."""
        content = {
            "channel_names": {str(number): key for number, key in enumerate(self.channels)},
            "labels": {name: code for code, name in enumerate(LABEL_NAMES)},
            **({NOT_MARKED: self._not_marked} if self._not_marked else {}),
            "numTraining": len(image_names(self.job.folder / "labelsTr")),
            "file_ending": ".nii.gz",
        }
        write_text(self.job.folder / "dataset.json", json_text(content))


def _moved(volume: Volume, match: GridMatch, grid: Grid, key: str) -> np.ndarray:
    """(X, Y, S) on ``grid``: linear in plane; of a label each code by itself, the largest share wins."""
    return (codes_on_cine_grid if key == LABEL else on_cine_grid)(volume, match, grid.shape)


def _frame(entry: dict, volumes: dict[str, Volume], name: str) -> Volume:
    """The cine at the phase on which the label map was drawn, where it is known; else at the one inference takes."""
    cine = volumes["cine"]
    timed = phase_on_disk(cine.array.shape[3], subject_meta(entry), f"{name}/meta.json", LABEL in entry)
    matches = {key: match_grids(cine.grid, volume.grid, GridTolerance()) for key, volume in volumes.items()}
    centre, _ = heart_centre(cine.array, tuple(cine.grid.spacing_mm[:2]))
    choice = cine_phase(timed, volumes, matches, centre)
    return replace(cine, array=cine.array[..., max(choice.index or 0, 0)])


def _said_of(entry: dict, key: str) -> str:
    """Description of a new file: that its image is synthetic, where the source says so."""
    return DISCLAIMER if says_synthetic(entry[key]) else key


def _meta(entry: dict) -> dict[str, Any]:
    """meta.json of the source with what its layout knows, but for a label table, as the values become our codes."""
    kept = {key: value for key, value in subject_meta(entry).items() if key != LABEL_TABLE}
    return kept | {key: entry[key] for key in (*_FACTS, *PHASE_KEYS) if entry.get(key) is not None}


def _name_there(folder: Path, key: str) -> str:
    return next((path.name for path in sorted(folder.glob(f"{key}.*"))), "")
