"""Calibration of the infarct probability, and uncertainty against error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..conventions import NotMeasurable
from ..files import write_bytes
from .pairs import SubjectPair, structure

SEGMENTS, BULLSEYE, CALIBRATION = "segments.csv", "bullseye.png", "calibration.png"


class Calibration:
    """Reliability of the infarct probability in the LV wall, uncertainty against error: calibration.png, "calibration".

    The wall is what either map calls wall. Uncertainty is the SD of the infarct size over the samples.

    Args:
        count: probability and presence (N,) to counts. error: counts to a number. area: uncertainty and risk to a
        number. draw: counts, uncertainty, risk to the bytes of a PNG. size: label map (X, Y, S) to %LV, raises
        NotMeasurable.
    """

    needs, section = "mask", "calibration"

    def __init__(self, count: Callable, error: Callable, area: Callable, draw: Callable, size: Callable) -> None:
        self.count, self.error, self.area, self.draw, self.size = count, error, area, draw, size
        self.start()

    def start(self) -> None:
        """Forgets an earlier run."""
        self.counts: list[np.ndarray] = []
        self.doubt: list[float] = []
        self.missing: dict[str, str] = {}
        self.risk: list[float] = []

    def collect(self, pair: SubjectPair) -> None:
        """Adds one subject."""
        if not pair.wall.any():
            self.missing[pair.subject] = "the reference has no LV myocardium"
            return
        wall = (structure(pair.label, "lv_myocardium") | pair.wall)[0]
        present = structure(pair.reference, "infarct")[0]
        self.counts.append(self.count(pair.infarct_probability[wall].numpy(), present[wall].numpy()))
        if pair.sample_labels is None:
            return
        try:
            sizes = [self.size(one.numpy()) for one in pair.sample_labels]
            error = abs(self.size(pair.label[0].numpy()) - self.size(pair.reference[0].numpy()))
        except NotMeasurable as reason:
            self.missing[pair.subject] = str(reason)
            return
        self.doubt.append(float(np.std(sizes, ddof=1)))
        self.risk.append(error)

    def write(self, folder: Path) -> dict[str, Any]:
        """Writes the plot."""
        counts = np.sum(self.counts, axis=0) if self.counts else self.count(np.empty(0), np.empty(0))
        doubt, risk = np.array(self.doubt), np.array(self.risk)
        write_bytes(folder / CALIBRATION, self.draw(counts, doubt, risk))
        found: dict[str, Any] = {
            "expected_calibration_error": _or_reason(self.error, counts),
            "area_under_risk_coverage_percent_lv": _or_reason(self.area, doubt, risk),
        }
        if doubt.size:
            found["mean_sd_of_infarct_size_percent_lv"] = {"value": float(doubt.mean()), "subjects": int(doubt.size)}
            found["mean_error_of_infarct_size_percent_lv"] = {"value": float(risk.mean()), "subjects": int(risk.size)}
        return {"calibration": found | {"not_measurable_subjects": self.missing}}


def _or_reason(measure: Callable[..., float], *values: np.ndarray) -> dict:
    try:
        return {"value": round(float(measure(*values)), 4)}
    except NotMeasurable as reason:
        return {"not_measurable": str(reason)}
