"""Owns what already lies in a cohort's folder: what may stay, what is refused, what overwriting removes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..conventions import DataError

DATASET_FILE = "dataset.json"


def prepare_folder(output_dir: Path, parameters: dict[str, Any], overwrite: bool) -> None:
    """Makes the folder and checks what is in it.

    Args:
        parameters: what decides the bytes of the cohort, as dataset.json records it.
        overwrite: removes phantom subjects and their dataset.json, and allows other files beside them.
    Raises:
        DataError: it holds another cohort or anything else, or cannot be written.
    """
    if output_dir.exists() and not output_dir.is_dir():
        raise DataError(f"output_dir {output_dir}: found a file, expected a folder. Fix: choose another --output_dir.")
    with _readable_os_errors(output_dir):
        output_dir.mkdir(parents=True, exist_ok=True)
        if overwrite:
            _remove_phantoms(output_dir)
        _refuse_other_dataset(output_dir / DATASET_FILE, parameters)
        for path in sorted(output_dir.iterdir()):
            if path.name != DATASET_FILE and not path.name.startswith(".phantom_"):
                _refuse_other_content(path, parameters, overwrite)


def subject_identity(path: Path) -> dict[str, Any] | None:
    """What a phantom subject's meta.json says of its origin; None for anything else."""
    meta = path / "meta.json"
    if not path.name.startswith("phantom_") or not meta.is_file():
        return None
    try:
        identity = json.loads(meta.read_text()).get("phantom")
    except (ValueError, AttributeError):
        return None
    return identity if isinstance(identity, dict) else None


def write_json(target: Path, content: dict[str, Any]) -> None:
    """Written aside, then renamed. Raises DataError when the folder cannot be written."""
    aside = target.with_name(f".{target.name}.part")
    with _readable_os_errors(target):
        aside.write_text(json.dumps(content, indent=1) + "\n")
        aside.replace(target)


def _refuse_other_dataset(dataset: Path, parameters: dict[str, Any]) -> None:
    found = _recorded_parameters(dataset) if dataset.exists() else parameters
    if found != parameters:
        raise DataError(
            f"{dataset}: found another dataset, {found or 'not a phantom cohort'}, expected {parameters}. "
            "Fix: choose another --output_dir, or --overwrite true to replace a phantom cohort."
        )


def _refuse_other_content(path: Path, parameters: dict[str, Any], overwrite: bool) -> None:
    identity = subject_identity(path)
    if identity is None:
        if overwrite:
            return
        raise DataError(
            f"output_dir {path.parent}: found {path.name}, not part of a phantom cohort, expected an empty folder. "
            "Fix: choose another --output_dir, or --overwrite true to write beside it."
        )
    seed, phases = parameters["seed"], parameters["phases"]
    if identity.get("seed") != seed or identity.get("phases") != phases:
        raise DataError(
            f"{path}: found a phantom of seed {identity.get('seed')} with {identity.get('phases')} phases, "
            f"expected seed {seed} with {phases}. Fix: choose another --output_dir, or --overwrite true."
        )


def _remove_phantoms(output_dir: Path) -> None:
    """Removes phantom subjects and their dataset.json, known by what they say of themselves; nothing else."""
    dataset = output_dir / DATASET_FILE
    if dataset.exists() and _recorded_parameters(dataset):
        dataset.unlink()
    for path in output_dir.iterdir():
        if subject_identity(path) is not None:
            shutil.rmtree(path)


def _recorded_parameters(dataset: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(dataset.read_text())
    except ValueError:
        return None
    return content.get("phantom") if isinstance(content, dict) else None


@contextmanager
def _readable_os_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read or written ({error.strerror or error}). Expected a writable folder. "
            "Fix: choose another --output_dir or correct its permissions."
        ) from error
