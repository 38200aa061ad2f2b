"""The folder of a cohort: where a subject's files are, what may stay, what overwriting removes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...conventions import DataError
from ...files import PART_PREFIX, read_json, write_text
from ..foreign_files import VOLUMES, refuse_foreign_files

DATASET_FILE = "dataset.json"
# DICOM of a subject: <output_dir>/dicom/<subject>/, its meta beside it as dicom/<subject>.json.
DICOM_FOLDER = "dicom"
_SUBJECT_PREFIX = "phantom_"
# The last one is how version 0.1.0 named it.
_UNFINISHED = (".phantom_", PART_PREFIX, f".{DATASET_FILE}.part")
_OTHER_FOLDER = (
    "Fix: choose another --output_dir, or replace the phantoms in it with make_phantom.json --overwrite true."
)


def meta_file(output_dir: Path, name: str, file_format: str) -> Path:
    """Where the meta of subject ``name`` lies; ``file_format`` is "nifti" or "dicom"."""
    return output_dir / DICOM_FOLDER / f"{name}.json" if file_format == "dicom" else output_dir / name / "meta.json"


def is_finished(output_dir: Path, name: str, formats: Sequence[str]) -> bool:
    """Whether all files of a subject are there; its folders appear by a rename once they are complete."""
    dicom = output_dir / DICOM_FOLDER / name
    there = {
        "nifti": all((output_dir / name / f"{key}.nii.gz").is_file() for key in VOLUMES),
        "dicom": dicom.is_dir() and any(dicom.iterdir()),
    }
    return all(there[one] and meta_file(output_dir, name, one).is_file() for one in formats)


def make_folder(output_dir: Path) -> None:
    """Raises DataError when the folder cannot be made."""
    if output_dir.exists() and not output_dir.is_dir():
        raise DataError(f"output_dir {output_dir}: found a file, expected a folder. Fix: choose another --output_dir.")
    with _readable_os_errors(output_dir):
        output_dir.mkdir(parents=True, exist_ok=True)


def prepare_folder(output_dir: Path, recorded: Mapping, origin: Mapping, overwrite: bool) -> None:
    """Makes the folder and checks what is in it.

    Args:
        recorded: what dataset.json records of the cohort.
        origin: what meta.json of each of its subjects records.
        overwrite: removes phantom subjects and their dataset.json, and allows other files beside them.
    Raises:
        DataError: it holds another cohort or anything else, or cannot be written.
    """
    make_folder(output_dir)
    with _readable_os_errors(output_dir):
        if overwrite:
            _remove_phantoms(output_dir)
        _refuse_other_dataset(output_dir / DATASET_FILE, recorded)
        for path, meta in _content(output_dir):
            _refuse_other_content(path, meta, origin, overwrite)


def prepare_study_folder(output_dir: Path, cohorts: Sequence[str], overwrite: bool) -> None:
    """Makes the folder above several cohorts; like ``prepare_folder``, for what lies beside them.

    Raises:
        DataError: it holds a cohort of its own or anything else, or cannot be written.
    """
    make_folder(output_dir)
    with _readable_os_errors(output_dir):
        if overwrite:
            _remove_phantoms(output_dir)
        found = [path.name for path in sorted(output_dir.iterdir()) if path.name not in cohorts]
    if DATASET_FILE in found or (found and not overwrite):
        listed = ", ".join(found[:3]) + " ..." * (len(found) > 3)
        raise DataError(
            f"output_dir {output_dir}: found {listed}, expected nothing beside {', '.join(cohorts)}. {_OTHER_FOLDER}"
        )


def identity_in(meta: Path) -> dict[str, Any] | None:
    """What the meta file of a phantom subject says of its origin; None for anything else."""
    name = meta.parent.name if meta.name == "meta.json" else meta.stem
    if not name.startswith(_SUBJECT_PREFIX) or not meta.is_file():
        return None
    try:
        identity = read_json(meta).get("phantom")
    except (OSError, ValueError, AttributeError):
        return None
    return identity if isinstance(identity, dict) else None


def recorded_in(dataset: Path) -> dict[str, Any] | None:
    """What a dataset.json says of its phantom cohort; None when it is missing or of something else."""
    try:
        content = read_json(dataset) if dataset.is_file() else None
    except (OSError, ValueError):
        return None
    recorded = content.get("phantom") if isinstance(content, dict) else None
    return recorded if isinstance(recorded, dict) else None


def generator_of(record: Mapping) -> int:
    """Version of the generator in a record; 1 where it names none."""
    return record.get("parameters", {}).get("generator", 1)


def write_json(target: Path, content: dict[str, Any]) -> None:
    """Raises OutputError when the folder cannot be written."""
    write_text(target, json.dumps(content, indent=1) + "\n")


def _content(output_dir: Path) -> Iterator[tuple[Path, Path]]:
    """Everything in the folder but dataset.json and unfinished parts, with the meta file it would have."""
    for path in sorted(output_dir.iterdir()):
        if path.name == DICOM_FOLDER and path.is_dir():
            found = [p for p in sorted(path.iterdir()) if not _is_unfinished(p)]
            yield from ((p, p if p.is_file() else p.with_name(f"{p.name}.json")) for p in found)
        elif path.name != DATASET_FILE and not _is_unfinished(path):
            yield path, path / "meta.json"


def _is_unfinished(path: Path) -> bool:
    return path.name.startswith(_UNFINISHED)


def _refuse_foreign_dataset(dataset: Path) -> None:
    if dataset.exists() and recorded_in(dataset) is None:
        raise DataError(f"{dataset}: found a dataset that is no phantom cohort. Fix: choose another --output_dir.")


def _refuse_other_dataset(dataset: Path, recorded: Mapping) -> None:
    _refuse_foreign_dataset(dataset)
    found = recorded_in(dataset)
    if found is not None and found != recorded:
        raise DataError(f"{dataset}: found another cohort, {_difference(found, recorded)}. {_OTHER_FOLDER}")


def _refuse_other_content(path: Path, meta: Path, origin: Mapping, overwrite: bool) -> None:
    found = identity_in(meta)
    if found is None:
        if overwrite:
            return
        raise DataError(
            f"output_dir {path.parent}: found {path.name}, not part of a phantom cohort, expected an empty folder. "
            "Fix: choose another --output_dir, or --overwrite true to write beside it."
        )
    common = {key: value for key, value in found.items() if key != "index"}
    if common != origin:
        raise DataError(f"{path}: found a phantom of another cohort, {_difference(common, origin)}. {_OTHER_FOLDER}")


def _difference(found: Mapping, expected: Mapping) -> str:
    """Where two records differ, in words."""
    sides = [_flat(found), _flat(expected)]
    keys = list(dict.fromkeys([*sides[1], *sides[0]]))
    if generator_of(found) != generator_of(expected):
        keys = ["generator"]
    different = [key for key in keys if sides[0].get(key) != sides[1].get(key)]
    words = (", ".join(f"{key} {side.get(key, 'not given')}" for key in different) for side in sides)
    return "{}; expected {}".format(*words)


def _flat(record: Mapping) -> dict[str, Any]:
    rest = {key: value for key, value in record.items() if key != "parameters"}
    return rest | dict(record.get("parameters", {})) | {"generator": generator_of(record)}


def refuse_overwriting(output_dir: Path) -> None:
    """Whether ``_remove_phantoms`` may go on; asked of every folder before anything is removed from the first.

    Raises:
        DataError: dataset.json is somebody else's, or somebody put files of their own into a subject's folder.
    """
    if not output_dir.is_dir():
        return
    with _readable_os_errors(output_dir):
        _refuse_foreign_dataset(output_dir / DATASET_FILE)
        for path, meta in _content(output_dir):
            if path.is_dir() and identity_in(meta) is not None:
                refuse_foreign_files(path)


def _remove_phantoms(output_dir: Path) -> None:
    """Removes phantom subjects and their dataset.json, known by what they say of themselves; nothing else."""
    refuse_overwriting(output_dir)
    (output_dir / DATASET_FILE).unlink(missing_ok=True)
    for path, meta in list(_content(output_dir)):
        if identity_in(meta) is None:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    dicom = output_dir / DICOM_FOLDER
    if dicom.is_dir() and not any(dicom.iterdir()):
        dicom.rmdir()


@contextmanager
def _readable_os_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read or written ({error.strerror or error}). Expected a writable folder. "
            "Fix: choose another --output_dir or correct its permissions."
        ) from error
