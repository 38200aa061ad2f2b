"""Calibration of the infarct probability, and uncertainty against error: a part of the evaluation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..clinical.volumes import infarct_percent_lv
from ..conventions import MASK, NotMeasurable
from ..files import write_bytes
from .pairs import SubjectPair, structure
from .plots import calibration_png
from .statistics.reliability import area_under_risk_coverage, expected_calibration_error, reliability_counts

CALIBRATION = "calibration.png"


class Calibration:
    """Infarct probability against truth in the LV wall, and uncertainty against error: calibration.png, "calibration".

    The wall is what either map calls wall. The uncertainty is the SD of the infarct size over the samples, %LV.
    """

    needs, section = MASK, "calibration"

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Forgets an earlier run."""
        self.counts: list[np.ndarray] = []
        self.uncertainty: list[float] = []
        self.missing: dict[str, str] = {}
        self.risk: list[float] = []

    def collect(self, pair: SubjectPair) -> None:
        """Adds one subject."""
        if pair.not_compared or not pair.wall.any():
            self.missing[pair.subject] = pair.not_compared or "the reference has no LV myocardium"
            return
        wall = (structure(pair.label, "lv_myocardium") | pair.wall)[0]
        present = structure(pair.reference, "infarct")[0]
        self.counts.append(reliability_counts(pair.infarct_probability[wall].numpy(), present[wall].numpy()))
        if pair.sample_labels is None:
            return
        try:
            sizes = [infarct_percent_lv(one.numpy()) for one in pair.sample_labels]
            error = abs(infarct_percent_lv(pair.label[0].numpy()) - infarct_percent_lv(pair.reference[0].numpy()))
        except NotMeasurable as reason:
            self.missing[pair.subject] = str(reason)
            return
        self.uncertainty.append(float(np.std(sizes, ddof=1)))
        self.risk.append(error)

    def write(self, folder: Path) -> dict[str, Any]:
        """Writes the figure."""
        counts = np.sum(self.counts, axis=0) if self.counts else reliability_counts(np.empty(0), np.empty(0))
        uncertainty, risk = np.array(self.uncertainty), np.array(self.risk)
        write_bytes(folder / CALIBRATION, calibration_png(counts, uncertainty, risk))
        found: dict[str, Any] = {
            "expected_calibration_error": _or_reason(expected_calibration_error, counts),
            "area_under_risk_coverage_percent_lv": _or_reason(area_under_risk_coverage, uncertainty, risk),
        }
        if risk.size:
            found["mean_sd_of_infarct_size_percent_lv"] = {"value": float(uncertainty.mean()), "subjects": risk.size}
            found["mean_error_of_infarct_size_percent_lv"] = {"value": float(risk.mean()), "subjects": risk.size}
        return {self.section: found | {"not_measurable_subjects": self.missing}}


def _or_reason(measure: Callable[..., float], *values: np.ndarray) -> dict[str, float | str]:
    try:
        return {"value": round(float(measure(*values)), 4)}
    except NotMeasurable as reason:
        return {"not_measurable": str(reason)}
