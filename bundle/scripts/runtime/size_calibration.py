"""The calibration of infarct size intervals beside the weights: for which weights and settings it holds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..conventions import flag
from ..files import read_json
from .provenance import public_config
from .weights import sha256_of

# Beside the weights; written by configs/calibrate.json.
SIZE_CALIBRATION = "size_interval.json"
# What changes a network's probabilities; what it was shown makes the group.
_SETTINGS = (
    *("steps", "sampler", "spacing", "samples", "infarct_log_odds", "mask_step", "mask_temperature"),
    *("test_time_scales", "one_heart", "num_classes", "preprocessing"),
)
_TERMS = 4


def shared_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings an interval depends on, as JSON has them, without whether motion is shown."""
    found = {key: settings[key] for key in _SETTINGS if key in settings}
    if isinstance(found.get("preprocessing"), Mapping):
        found["preprocessing"] = {key: value for key, value in found["preprocessing"].items() if key != "motion"}
    if "one_heart" in found:
        found["one_heart"] = flag(found["one_heart"], "one_heart")
    return dict(json.loads(json.dumps(public_config(found))))


def group_name(sequences: Sequence[str], motion: bool) -> str:
    """What a network was shown, as the calibration calls it."""
    return " and ".join(sequences) + ("" if motion else ", one phase")


def size_calibration(weights: str | Path, settings: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The calibration beside weights and "", or {} and why it cannot be used for them.

    Args:
        weights: file of the network's. settings: resolved keys of the config, as in evaluation.json.
    """
    path, settings = Path(weights).with_name(SIZE_CALIBRATION), shared_settings(settings)
    if not path.is_file():
        return {}, f"no {SIZE_CALIBRATION} beside the weights; configs/calibrate.json makes it"
    try:
        found = read_json(path)
        fits = found["weights_sha256"] == sha256_of(Path(weights))
        before = found["settings"]
        wrong = sorted(key for key in before | settings if before.get(key) != settings.get(key))
        _require_numbers(found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        return {}, f"{SIZE_CALIBRATION} cannot be used ({type(error).__name__})"
    if not fits:
        return {}, f"{SIZE_CALIBRATION} is of other weights"
    return (found, "") if not wrong else ({}, f"{SIZE_CALIBRATION} is of another {', '.join(wrong)}")


def _require_numbers(found: Mapping[str, Any]) -> None:
    """ValueError, TypeError, KeyError or OverflowError unless coverage and all groups are numbers of an interval."""
    if not _is_size(found["coverage"]) or not 0 < found["coverage"] < 1:
        raise ValueError("coverage")
    for group in found["groups"].values():
        weights = group["weights"]
        if not isinstance(weights, list) or len(weights) != _TERMS or not all(map(_is_size, weights)):
            raise ValueError("weights")
        if not _is_size(group["review_above_percent_lv"]):
            raise ValueError("review_above_percent_lv")


def _is_size(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
