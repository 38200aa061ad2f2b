"""export.json: what an export says about itself, and whether it may be used here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from .. import conventions
from ..conventions import ConfigError, DataError
from ..diffusion.inferers import SubjectSampler
from ..diffusion.process import JointProcess
from ..files import read_json
from ..preprocessing.preprocessing import SubjectPreprocessing

RECORD = "export.json"
# Rises when an older reader would misread the files or this record.
FORMAT_VERSION = 1
_PROCESS = ("schedule", "prediction", "mask", "num_train_timesteps", "input_scaling", "num_classes")
_FIX = "Fix: export again with this bundle (configs/export.json), or use the bundle that made it."


# Of an inferer with no steps.
_NO_STATE = "none: the denoiser does not run"
_FIRST_ANSWER_ALONE = (
    "encoder once per slice; condition_first_answer_0 holds the mask channels, then the LGE; infarct_log_odds is added "
    "to its infarct channel; the class probabilities are the softmax of its mask channels over mask_temperature"
)


def weights_structure(network: nn.Module) -> str:
    """SHA-256 of names and shapes of all weights: equal for networks that take each other's state dict."""
    lines = [f"{name} {tuple(value.shape)}" for name, value in sorted(network.state_dict().items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def process_constants(process: JointProcess) -> dict[str, Any]:
    """What the sampling loop assumes about the network, as JSON values; the loop itself is not exported."""
    return {name: getattr(process, name) for name in _PROCESS}


def sampling_constants(inferer: SubjectSampler) -> dict[str, Any]:
    """Sampler, its steps with the scales of signal and noise at each, and how the output becomes a result."""
    process, times = inferer.process, [t for t, _ in inferer.pairs]
    signal, noise = ([float(table[t]) for t in times] for table in (process.signal_table, process.noise_table))
    names = ("sampler", "steps", "spacing", "infarct_log_odds", "mask_step", "mask_temperature")
    return {
        **{name: inferer.record[name] for name in names},
        "timesteps": times,
        "signal_scale": signal,
        "noise_scale": noise,
        "state": _NO_STATE
        if not times
        else "mask channels in the order of classes, then LGE; unit Gaussian noise at the first timestep; after "
        "the last step the clean state, signal 1 and noise 0",
        "passes": _FIRST_ANSWER_ALONE
        if not times
        else "encoder once per slice, denoiser once per step; infarct_log_odds is added to the infarct channel of "
        "every output, and to that of no_reflow where there is one; the LGE is that after the last step; the class "
        "probabilities are, with mask_step first, the softmax of the first output's mask channels over "
        "mask_temperature, else those after the last step; of six classes see merged",
    }


def preprocessing_constants(preprocessing: SubjectPreprocessing) -> dict[str, Any]:
    """From files to the encoder's image, for software that does not run this bundle."""
    return {
        "spacing_mm": preprocessing.spacing_mm,
        "crop_size": list(preprocessing.crop_size),
        "percentiles": list(preprocessing.percentiles),
        "t2_stir_percentiles": list(preprocessing.t2_stir_percentiles),
        "channels": list(conventions.IMAGE_CHANNELS),
        "motion": preprocessing.motion,
        "bias_correction": preprocessing.bias_correction,
        "rule": "crop around the heart, linear interpolation, rows and columns in display directions; the percentiles "
        "inside the crop, one pair per sequence and subject, become 0 and 1, clipped; then x * 2 - 1",
        "available": {"order": list(conventions.SEQUENCES), "values": "1 acquired, 0 missing"},
        "vendor": list(conventions.VENDORS),
    }


def postprocessing_constants(num_classes: int) -> dict[str, Any]:
    """From the last clean state to probabilities and virtual LGE."""
    return {
        "classes": list(conventions.network_classes(num_classes)),
        "merged": "of six classes the probabilities of infarct and no_reflow, and of myocardium and oedema, are summed "
        "before the largest is taken; mask_temperature divides the logarithms of these sums, and each class keeps its "
        "share of its sum",
        "probabilities": "(x + 1) / 2 of the mask channels, at least 0, divided by their sum",
        "virtual_lge": "(x + 1) / 2 of the last channel, clipped to 0..1",
        "clean_state": "prediction 'sample': softmax of the mask logits * 2 - 1, then the LGE as it is",
    }


def read_record(folder: Path) -> dict[str, Any]:
    """export.json of a folder, of this format and this bundle version.

    Raises:
        DataError: missing, not readable, or of another version.
    """
    path = folder / RECORD
    try:
        record = read_json(path)
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: not found. Expected: a complete export. Fix: give its folder with --export_dir, or make one: "
            "--config_file \"['configs/inference.json','configs/export.json']\" --output_dir DIR"
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({type(error).__name__}). {_FIX}") from error
    record = record if isinstance(record, dict) else {}
    wanted = {"format_version": FORMAT_VERSION, "bundle": conventions.BUNDLE_NAME}
    for key, expected in (wanted | {"bundle_version": conventions.BUNDLE_VERSION}).items():
        if record.get(key) != expected:
            raise DataError(
                f"{path}: an export of another version: found {key} {record.get(key)!r}, expected {expected!r}. {_FIX}"
            )
    return record


def check_fits(record: Mapping[str, Any], folder: Path, network: nn.Module, process: Mapping[str, Any]) -> None:
    """Compares an export with the network and process of the config that is to use it.

    Raises:
        DataError: exported from weights of another structure.
        ConfigError: exported for another process.
    """
    found, expected = record["weights"]["structure"], weights_structure(network)
    if found != expected:
        raise DataError(
            f"{folder / RECORD}: exported from weights of another structure: found {found[:12]}..., expected "
            f"{expected[:12]}... as network_def says. Fix: use the config it was exported with, or export again "
            "(configs/export.json)."
        )
    for key, expected in process.items():
        if record["process"].get(key) != expected:
            raise ConfigError(
                f"process::{key}: found {expected!r}, expected {record['process'].get(key)!r}, with which "
                f"{folder.name}/{RECORD} was exported. Fix: use that value, or export again (configs/export.json)."
            )


def exported_files(record: Mapping[str, Any], folder: Path, file_format: str) -> dict[str, Path]:
    """Path of each part's file in that format, present and unchanged since the export.

    Raises:
        DataError: the export has no such format, or a file is missing or of another export.
    """
    listed = record["files"].get(file_format)
    if listed is None:
        raise DataError(
            f"{folder / RECORD}: found {', '.join(record['files']) or 'no format'}, expected {file_format}. "
            f"Fix: export again with --formats {file_format}, or --backend with what is there."
        )
    files = {}
    for part, one in listed.items():
        path = folder / one["file"]
        if not path.is_file():
            raise DataError(f"{path}: not found. Expected: every file of {RECORD}. Fix: copy it too, or export again.")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != one["sha256"]:
            raise DataError(
                f"{path}: a file of another version: found sha256 {digest[:12]}..., expected {one['sha256'][:12]}... "
                f"as {RECORD} beside it says. Fix: copy all files of one export together, or export again."
            )
        files[part] = path
    return files
