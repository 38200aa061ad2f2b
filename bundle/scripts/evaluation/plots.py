"""Plots of an evaluation: infarct sizes, Bland-Altman, bull's eyes, calibration. No pyplot."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..conventions import LABEL_MAP, SIDE_BY_SIDE, SYNTHETIC, NotMeasurable, counted
from ..reports.bullseye import PERCENT, bullseye_figure
from .statistics.method_comparison import bland_altman, icc_2_1, pearson_r
from .statistics.reliability import CONFIDENCE, COUNT, PRESENT, risk_coverage

_COLOURS = ("#4477aa", "#cc6677", "#228833", "#ccbb44", "#aa3377", "#66ccee", "#777777")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")


def infarct_size_png(rows: Sequence[Mapping], group: str = "condition") -> bytes:
    """Scatter with the line of identity, and differences over the mean with bias and limits of agreement.

    Args:
        rows: of subject_rows.subject_row and reference_row; those without both sizes are counted in the title.
        group: column that gives the colour, where the rows have it.
    Returns:
        A PNG file.
    """
    whole = [row for row in rows if "infarct_percent_lv" in row and "reference_infarct_percent_lv" in row]
    figure = Figure(figsize=(11, 5))
    left, right = figure.subplots(1, 2)
    found, reference = (
        np.array([row[name] for row in whole], dtype=float)
        for name in ("infarct_percent_lv", "reference_infarct_percent_lv")
    )
    names = [str(row.get(group, "subjects")) for row in whole]
    looks = zip(itertools.cycle(_COLOURS), itertools.cycle(_MARKERS), sorted(set(names)), strict=False)
    for colour, marker, name in looks:
        own = np.array([one == name for one in names])
        look: dict[str, Any] = {"marker": marker, "ls": "", "ms": 5, "color": colour}
        left.plot(reference[own], found[own], label=f"{name} ({own.sum()})", **look)
        right.plot(((found + reference) / 2)[own], (found - reference)[own], **look)
    right.axhline(0.0, color="0.6", lw=0.8)
    largest = max([1.0, *found, *reference])
    left.plot([0, largest], [0, largest], color="black", lw=0.8)
    left.set(xlabel="reference infarct size, %LV", ylabel="infarct size in the label map, %LV")
    right.set(xlabel="mean of both, %LV", ylabel="found - reference, %LV")
    if whole:
        left.legend(fontsize=8)
    _agreement(left, right, found, reference)
    missing = len(rows) - len(whole)
    text = counted(len(whole), "subject") + f", {missing} without a size" * (missing > 0)
    figure.suptitle(f"{text}. {SIDE_BY_SIDE.disclaimer}", fontsize=9)
    figure.tight_layout()
    return _png(figure, dpi=110)


def _agreement(left: Axes, right: Axes, found: np.ndarray, reference: np.ndarray) -> None:
    try:
        both = bland_altman(found, reference)
        left.set_title(f"R {pearson_r(found, reference):.3f}, ICC(2,1) {icc_2_1(found, reference):.3f}", fontsize=10)
    except NotMeasurable as reason:
        left.set_title(f"not measurable: {reason}", fontsize=8)
        return
    for level, style in ((both.bias, "-"), *((limit, "--") for limit in both.limits)):
        right.axhline(level, color="black", ls=style, lw=0.8)
    low, high = both.limits
    right.set_title(f"bias {both.bias:+.1f}, limits of agreement {low:.1f} to {high:.1f} %LV", fontsize=10)


def segments_png(rows: Sequence[Mapping]) -> bytes:
    """Two bull's eyes: mean infarcted share of the segments in the found and in the reference label maps.

    Args:
        rows: of segment_agreement.segment_rows, of all subjects.
    Returns:
        A PNG file.
    """
    sides = (("infarct_percent", "predicted", SYNTHETIC), ("reference_infarct_percent", "reference", LABEL_MAP))
    means = [
        np.array([_mean([row[name] for row in rows if row["segment"] == k and name in row]) for k in range(1, 18)])
        for name, _, _ in sides
    ]
    drawn = []
    for mean, (_, title, role) in zip(means, sides, strict=True):
        figure = bullseye_figure(mean, f"{title}: mean infarct", "% of segment", PERCENT, role)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        drawn.append(np.asarray(canvas.buffer_rgba()))
    both = np.concatenate(drawn, axis=1)
    figure = Figure(figsize=(both.shape[1] / 100, both.shape[0] / 100), dpi=100)
    figure.figimage(both)
    return _png(figure, dpi=100)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def calibration_png(counts: np.ndarray, uncertainty: np.ndarray, risk: np.ndarray) -> bytes:
    """Two panels; the second one says so when there were no samples. Arguments as reliability.py's; returns a PNG."""
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
        coverage, mean_risk = risk_coverage(uncertainty, risk)
        right.plot(coverage, mean_risk, color="#cc6677")
        right.axhline(float(np.mean(risk)), color="black", lw=0.8, ls="--")
        right.set(xlabel="share of subjects kept, the surest first", ylabel="mean error of infarct size, %LV")
        right.set_ylim(bottom=0)
    except NotMeasurable as reason:
        right.text(0.5, 0.5, f"not measurable: {reason}", ha="center", va="center", wrap=True, fontsize=9)
        right.set_axis_off()
    figure.suptitle(SIDE_BY_SIDE.disclaimer, fontsize=9)
    figure.tight_layout()
    return _png(figure, dpi=110)


def _png(figure: Figure, dpi: int) -> bytes:
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()
