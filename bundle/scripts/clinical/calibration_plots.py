"""Owns the picture of calibration: reliability of the infarct probability, and the risk-coverage curve. No pyplot."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..conventions import DISCLAIMER, NotMeasurable
from .calibration import CONFIDENCE, COUNT, PRESENT, risk_coverage


def calibration_png(counts: np.ndarray, doubt: np.ndarray, risk: np.ndarray) -> bytes:
    """Two panels; the second one says so when there were no samples. Arguments as calibration.py's; returns a PNG."""
    figure = Figure(figsize=(11, 5))
    left, right = figure.subplots(1, 2)
    shown = counts[:, COUNT] > 0
    pixels = counts[shown, COUNT]
    left.plot([0, 1], [0, 1], color="black", lw=0.8)
    left.plot(counts[shown, CONFIDENCE] / pixels, counts[shown, PRESENT] / pixels, "o-", color="#4477aa")
    for x, y, n in zip(counts[shown, CONFIDENCE] / pixels, counts[shown, PRESENT] / pixels, pixels, strict=True):
        left.annotate(f"{int(n)}", (x, y), textcoords="offset points", xytext=(5, -9), fontsize=7)
    left.set(xlabel="predicted probability of infarct", ylabel="share that is infarct (number: pixels)",
             xlim=(0, 1), ylim=(0, 1))  # fmt: skip
    try:
        coverage, mean_risk = risk_coverage(doubt, risk)
        right.plot(coverage, mean_risk, color="#cc6677")
        right.axhline(float(np.mean(risk)), color="black", lw=0.8, ls="--")
        right.set(xlabel="share of subjects kept, the surest first", ylabel="mean error of infarct size, %LV")
        right.set_ylim(bottom=0)
    except NotMeasurable as reason:
        right.text(0.5, 0.5, f"not measurable: {reason}", ha="center", va="center", wrap=True, fontsize=9)
        right.set_axis_off()
    figure.suptitle(DISCLAIMER, fontsize=9)
    figure.tight_layout()
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
