"""Histograms of the realism check, with the accepted band of each target behind them. No pyplot."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .subject_measures import Measures
from .targets import GRADES, Group, Row, healthy, infarcted

_BAND, _BARS, _VALUE = "#b8e0c2", "#4477aa", "#cc3311"
_COLUMNS = 4
_PATHOLOGY = (
    ("infarct", "infarct size, %LV", "infarct size, median, %LV", infarcted),
    ("area_at_risk", "area at risk, %LV", "area at risk, mean, %LV", infarcted),
    ("salvage", "salvage index", "salvage index, median", infarcted),
    ("no_reflow", "no-reflow, %LV (infarcts)", "no-reflow extent, median, %LV", infarcted),
    ("ejection_fraction", "EF of healthy, %", "EF of healthy subjects, mean, %", healthy),
    ("wall_mid", "mid wall, mm (healthy)", "healthy: mid wall, mid-diastole, median, mm", healthy),
    ("ed_cavity_mid", "mid cavity ED, mm (healthy)", "healthy: mid cavity, ED, median, mm", healthy),
    ("swelling", "infarcted over remote wall", "infarcted over remote wall, median", infarcted),
)
_SIGNAL: tuple[tuple[str, str, str, Group], ...] = (
    ("stir_ratio", "T2-STIR infarct / remote", "infarct over remote, median", infarcted),
    ("stir_excess_sd", "T2-STIR infarct, SD above remote", "", infarcted),
    ("lge_blood_ratio", "LGE blood / remote", "blood over remote, median", list),
    ("lge_cnr", "LGE infarct-to-blood CNR", "infarct-to-blood CNR, mean", infarcted),
    ("snr_cine_blood", "SNR cine blood", "SNR cine, LV blood, median", list),
    ("snr_cine_wall", "SNR cine myocardium", "SNR cine, remote myocardium, median", list),
    ("snr_stir_wall", "SNR T2-STIR myocardium", "SNR T2-STIR, remote myocardium, median", list),
    ("snr_lge_infarct", "SNR LGE infarct", "SNR LGE, infarct, median", list),
)


def pathology_png(cohort: Sequence[Measures], rows: Sequence[Row]) -> bytes:
    """Infarct, area at risk, motion and shape: histograms, grades of transmurality, EF against infarct size."""
    figure, axes = _grid(len(_PATHOLOGY) + 2)
    for axis, (name, text, quantity, group) in zip(axes, _PATHOLOGY, strict=False):
        _histogram(axis, [one.values[name] for one in group(cohort) if name in one.values], text, _row(rows, quantity))
    _grades(axes[-2], rows)
    _ejection(axes[-1], cohort)
    return _png(figure)


def signal_png(cohort: Sequence[Measures], rows: Sequence[Row]) -> bytes:
    """Signal ratios and signal to noise."""
    figure, axes = _grid(len(_SIGNAL))
    for axis, (name, text, quantity, group) in zip(axes, _SIGNAL, strict=True):
        _histogram(axis, [one.values[name] for one in group(cohort) if name in one.values], text, _row(rows, quantity))
    return _png(figure)


def _grid(panels: int) -> tuple[Figure, list[Axes]]:
    rows = -(-panels // _COLUMNS)
    figure = Figure(figsize=(4.0 * _COLUMNS, 3.0 * rows), dpi=90, layout="constrained")
    return figure, [figure.add_subplot(rows, _COLUMNS, k + 1) for k in range(panels)]


def _row(rows: Sequence[Row], quantity: str) -> Row | None:
    return next((row for row in rows if row.target.quantity == quantity), None)


def _histogram(axis: Axes, values: list[float], text: str, row: Row | None) -> None:
    axis.set_title(text, fontsize=10)
    if not values:
        axis.text(0.5, 0.5, "not measurable", ha="center", transform=axis.transAxes)
        return
    if row is not None and row.target.low is not None and row.target.high is not None:
        axis.axvspan(row.target.low, row.target.high, color=_BAND, label=f"accepted ({row.target.source})")
    axis.hist(values, bins=24, color=_BARS)
    if row is not None and row.realised is not None:
        label = "median" if "median" in row.target.quantity else "mean"
        axis.axvline(row.realised.value, color=_VALUE, label=f"{label} {row.realised.value:.3g}: {row.verdict}")
        axis.legend(fontsize=7)


def _grades(axis: Axes, rows: Sequence[Row]) -> None:
    found = [_row(rows, f"LGE-positive segments graded {grade}, %") for grade in GRADES]
    axis.set_title("LGE-positive segments by transmurality, %", fontsize=10)
    for k, row in enumerate(found):
        if row is None or row.realised is None:
            continue
        axis.bar(k, row.realised.value, color=_BARS, width=0.6)
        if row.target.low is not None and row.target.high is not None:
            axis.fill_between([k - 0.4, k + 0.4], row.target.low, row.target.high, color=_BAND, alpha=0.8)
    axis.set_xticks(range(len(GRADES)), GRADES, fontsize=8)


def _ejection(axis: Axes, cohort: Sequence[Measures]) -> None:
    axis.set_title("EF, %, against infarct size, %LV", fontsize=10)
    both = [(one.values["infarct"], one.values["ejection_fraction"]) for one in cohort if _has_both(one)]
    if not both:
        axis.text(0.5, 0.5, "not measurable", ha="center", transform=axis.transAxes)
        return
    size, ef = np.array(both).T
    axis.plot(size, ef, ".", color=_BARS, markersize=4)
    line = np.array([0.0, max(size.max(), 10.0)])
    axis.fill_between(line, 51.5 - 0.37 * line, 66.5 - 0.37 * line, color=_BAND, label="59 - 0.37 IS, +-7.5")
    axis.legend(fontsize=7)


def _has_both(one: Measures) -> bool:
    return "infarct" in one.values and "ejection_fraction" in one.values


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream, metadata={"Software": None})
    return stream.getvalue()
