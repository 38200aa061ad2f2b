"""Provenance of a run: versions, weights hash, config; with no folder of the user's in it."""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PureWindowsPath
from typing import Any

from .. import conventions
from ..conventions import DataError
from ..files import read_json

PACKAGES = ("monai", "torch", "numpy", "nibabel", "pytorch-ignite", "scipy")
# Keys whose folder is the site's own: its name, absolute or not, may name a patient.
DATA_FOLDERS = ("dataset_dir", "default_dataset_dir", "output_dir", "extra_training_dirs")
NOT_RECORDED = "not recorded"
TRAINING_RECORD, PHANTOMS_ONLY, UNMARKED_CLASSES = "training_record.json", "phantoms_only", "unmarked_classes"
PHANTOMS = "phantoms only"
# The folders of an absolute path inside a text. A folder name may hold spaces or quotes (a patient's name may), but not
# begin or end with one and not hold ": ", "; " or ", ", where a sentence goes on.
FOLDER = r"""(?!\s)(?:(?!: |; |, )[^/\\\n])*[^/\\\s'"(][/\\]"""
ABSOLUTE_PATH = re.compile(rf"(?<![\w.~/\\])(?:~?/|[A-Za-z]:[\\/])(?:{FOLDER})+")


def software_versions() -> dict[str, str]:
    versions = {conventions.BUNDLE_NAME: conventions.BUNDLE_VERSION, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def weights_record(weights: str | Path) -> dict[str, str]:
    """File name and SHA-256 of the checkpoint; ``trained_on``: "phantoms only" where the record beside it says so.

    Raises:
        DataError: it is missing; a result without its weights cannot be traced.
    """
    path = Path(weights)
    if not path.is_file():
        raise DataError(
            f"{path.name}: weights not found. Expected: the trained checkpoint. Fix: give its folder with --ckpt_dir, "
            "or train first (configs/train.json)."
        )
    record = {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    return record | ({"trained_on": PHANTOMS} if trained_on_phantoms(path, record["sha256"]) else {})


def trained_on_phantoms(weights: str | Path, sha256: str) -> bool:
    """Whether the training record beside weights of this SHA-256 says that phantoms alone were trained on."""
    record = recorded(Path(weights).with_name(TRAINING_RECORD))
    return record.get("weights_sha256") == sha256 and record.get(PHANTOMS_ONLY) is True


def unmarked_classes(weights: str | Path) -> list[str]:
    """Classes that no label map of the last training marked, by the record beside these very weights; [] without."""
    path = Path(weights)
    record = recorded(path.with_name(TRAINING_RECORD))
    found = record.get(UNMARKED_CLASSES)
    if not isinstance(found, list) or not found or not path.is_file():
        return []
    own = record.get("weights_sha256") == hashlib.sha256(path.read_bytes()).hexdigest()
    return [str(name) for name in found] if own else []


def recorded(path: Path) -> dict[str, Any]:
    """The content of a training record; {} where there is none that can be read."""
    try:
        record = read_json(path)
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def is_phantom(meta: Mapping[str, Any]) -> bool:
    """Whether the meta.json of a subject says what this bundle's phantom writes into it."""
    origin = meta.get("phantom")
    return isinstance(origin, Mapping) and {"seed", "parameters"} <= set(origin)


def provenance(weights: str | Path) -> dict[str, dict[str, str]]:
    """Versions and weights, the same for every subject of a run.

    Raises:
        DataError: as weights_record.
    """
    return {"software": software_versions(), "weights": weights_record(weights)}


def without_folders(text: str) -> str:
    """The text with every absolute path cut down to its last part: a folder name may name a patient."""
    if "\n" in text or ": " in text or ", " in text:
        return ABSOLUTE_PATH.sub("", text)
    for path in (Path(text), PureWindowsPath(text)):
        if path.is_absolute() and not ABSOLUTE_PATH.search(text, 1):
            return path.name
    return ABSOLUTE_PATH.sub("", text)


def public_config(config: object) -> Any:
    """The resolved config as plain JSON values, without folders; an object is named by its class."""
    if isinstance(config, Mapping):
        return {without_folders(str(key)): _public_entry(str(key), value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [public_config(value) for value in config]
    if isinstance(config, Path):
        return config.name
    if isinstance(config, str):
        return without_folders(config)
    return config if config is None or isinstance(config, (bool, int, float)) else type(config).__name__


def _public_entry(key: str, value: object) -> object:
    if key in DATA_FOLDERS and isinstance(value, (list, tuple)):
        return [_public_entry(key, one) for one in value]
    if not isinstance(value, (str, Path)) or str(value).startswith(("@", "$", "%")):
        return public_config(value)
    if key in DATA_FOLDERS:
        return NOT_RECORDED
    if key.endswith(("_dir", "_path", "_uri")):
        return PureWindowsPath(value).name.rpartition("@")[2]  # a server's address may begin with name:password@
    return public_config(value)
