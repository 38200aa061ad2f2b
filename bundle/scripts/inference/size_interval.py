"""Puts to a subject how far its infarct size may be off: from its probabilities and the calibration of the weights."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from monai.transforms import Transform
from monai.utils import convert_to_numpy

from ..clinical.size_interval import SizeUncertainty, size_uncertainty, undecided
from ..clinical.volumes import infarct_percent_lv, slices_with
from ..conventions import AVAILABLE, IMAGE, MOTION_CHANNELS, SEQUENCES, NotMeasurable
from ..runtime.size_calibration import SIZE_CALIBRATION, group_name, size_calibration

logger = logging.getLogger(__name__)

# Entries of a subject's item: the uncertainty as JSON, with the hash of the weights it holds for, or why there is none.
SIZE_UNCERTAINTY, NO_SIZE_UNCERTAINTY = "infarct_size_uncertainty", "no_infarct_size_uncertainty"
_T2_STIR = SEQUENCES.index("t2_stir")


class SizeInterval(Transform):
    """Adds ``infarct_size_uncertainty`` to a subject's item, after SplitPrediction, or why there is none.

    Args:
        weights: file that is used; the calibration lies beside it and holds for these weights alone.
        settings: resolved keys of the config, as in evaluation.json; the calibration holds for these alone.
        shown: 1 for each sequence that the network may see, 0 for a hidden one.
    """

    def __init__(self, weights: str | Path, settings: Mapping[str, Any], shown: Sequence[float] = (1.0, 1.0)) -> None:
        self.weights, self.settings = Path(weights), dict(settings)
        self.shown = [float(one) > 0 for one in shown]
        self._read: tuple[dict[str, Any], str] | None = None

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The same dict with one of the two; a failed subject passes unchanged."""
        item = dict(data)
        if "failure" in item:
            return item
        calibration, reason = self._calibration()
        label = np.asarray(convert_to_numpy(item["label_crop"]))[0]
        group = self._group(item, label)
        if not reason and group not in calibration["groups"]:
            reason = f"the interval was not calibrated for {group}"
        if reason:
            return item | {NO_SIZE_UNCERTAINTY: reason}
        left_open = undecided(np.asarray(convert_to_numpy(item["probabilities"])))
        try:
            size = infarct_percent_lv(label)
        except NotMeasurable as missing:
            return item | {NO_SIZE_UNCERTAINTY: str(missing)}
        made = size_uncertainty(calibration["groups"][group], float(calibration["coverage"]), size, left_open)
        made = replace(made, phantoms_only=calibration.get("phantoms_only") is True)
        return item | {SIZE_UNCERTAINTY: json.dumps(asdict(made) | {"weights_sha256": calibration["weights_sha256"]})}

    def _calibration(self) -> tuple[dict[str, Any], str]:
        """Its content and "", or why it cannot be used; read once."""
        if self._read is None:
            self._read = size_calibration(self.weights, self.settings)
            if self._read[1]:
                logger.info("no interval of infarct sizes: %s", self._read[1])
        return self._read

    def _group(self, item: Mapping[str, Any], label: np.ndarray) -> str:
        """What the network was shown, as the calibration calls it; T2-STIR counts where every slice with wall has one.

        Where a part of the slices has one the interval is that of the cine alone, which is the wider one.
        """
        available = np.asarray(convert_to_numpy(item[AVAILABLE])).ravel() > 0
        if "available_slices" in item:
            of_slices = np.asarray(convert_to_numpy(item["available_slices"]))[_T2_STIR] > 0
            wall = slices_with(label, "lv_myocardium")
            available[_T2_STIR] &= bool(of_slices[wall].all() if wall else of_slices.any())
        used = [name for name, there, shown in zip(SEQUENCES, available, self.shown, strict=True) if there and shown]
        return group_name(used, bool(np.asarray(convert_to_numpy(item[IMAGE]))[list(MOTION_CHANNELS)].any()))


def uncertainty_for(found: object, missing: str, weights_sha256: str) -> SizeUncertainty | str | None:
    """What SizeInterval put into an item, for the weights that made the result; None where it was not asked.

    Args:
        found: the parsed entry, or None. missing: why there is none, or "". weights_sha256: of the weights in use.
    """
    if not isinstance(found, Mapping):
        return missing or None
    values = dict(found)
    if values.pop("weights_sha256") != weights_sha256:
        return f"{SIZE_CALIBRATION} is of other weights"
    return SizeUncertainty(**values)
