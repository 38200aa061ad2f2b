"""Bull's eye plot of 17 segment values."""

from __future__ import annotations

import io

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from ..clinical.aha17 import SEGMENTS
from ..conventions import SYNTHETIC, DataError, ImageRole

# Segments of a ring counter-clockwise, inner and outer radius, where the first begins in degrees (0 = right, 90 = top).
_RINGS = (
    ((1, 2, 3, 4, 5, 6), 3.0, 4.0, 60.0),
    ((7, 8, 9, 10, 11, 12), 2.0, 3.0, 60.0),
    ((13, 14, 15, 16), 1.0, 2.0, 45.0),
    ((17,), 0.0, 1.0, 0.0),
)
# Colour bar of every share of a segment, so that two plots can be compared.
PERCENT = (0.0, 100.0)
_INCHES, _DPI = (5.2, 5.0), 120
_WHITE = (1.0, 1.0, 1.0, 1.0)


def bullseye_png(
    percent: np.ndarray,
    title: str,
    unit: str = "%",
    limits: tuple[float, float] = PERCENT,
    role: ImageRole = SYNTHETIC,
) -> bytes:
    """The bull's eye as a PNG file: base outside, apex inside, anterior wall on top, septum on the left.

    Args:
        percent: (17,), segments 1-17; NaN is drawn hatched, as not measurable.
        title: on top; ``unit`` beside the colour bar of ``limits``. role: whose note is burned in below the image.
    Raises:
        DataError: there are not 17 values.
    Source: Cerqueira et al., Circulation 2002;105:539.
    """
    found = np.asarray(percent, dtype=np.float64)
    if found.shape != (SEGMENTS,):
        raise DataError(f"percent: found shape {found.shape}, expected ({SEGMENTS},), one value per AHA segment")
    figure = bullseye_figure(found, title, unit, limits, role)
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream)
    return stream.getvalue()


def bullseye_figure(percent: np.ndarray, title: str, unit: str, limits: tuple[float, float], role: ImageRole) -> Figure:
    """The figure of bullseye_png, for those who draw on."""
    figure = Figure(figsize=_INCHES, dpi=_DPI)
    axes = figure.add_axes((0.06, 0.12, 0.72, 0.76), projection="polar")
    scale, colours = Normalize(*limits), colormaps["viridis"]
    for numbers, inner, outer, start in _RINGS:
        width = 360.0 / len(numbers)
        for k, number in enumerate(numbers):
            begin = start + k * width
            _draw_segment(axes, (begin, width, inner, outer), number, percent[number - 1], (scale, colours))
    axes.set_ylim(0.0, 4.0)
    axes.set_axis_off()
    bar = figure.add_axes((0.84, 0.2, 0.03, 0.6))
    figure.colorbar(ScalarMappable(scale, colours), cax=bar).set_label(unit)
    figure.text(0.42, 0.95, title, ha="center", fontsize=12)
    for x, y, angle, wall in ((0.42, 0.905, 0, "anterior"), (0.42, 0.095, 0, "inferior"), (0.035, 0.5, 90, "septal"),
                              (0.805, 0.5, 90, "lateral")):  # fmt: skip
        figure.text(x, y, wall, rotation=angle, ha="center", va="center", fontsize=9, color="0.25")
    if np.isnan(percent).any():
        figure.text(0.42, 0.065, "hatched: not measurable", ha="center", fontsize=8, color="0.3")
    figure.text(0.5, 0.03, role.note, ha="center", fontsize=9, color="firebrick")
    return figure


def _draw_segment(
    axes: Axes,
    place: tuple[float, float, float, float],
    number: int,
    value: float,
    colouring: tuple[Normalize, Colormap],
) -> None:
    begin, width, inner, outer = place
    scale, colours = colouring
    measurable = np.isfinite(value)
    colour = colours(scale(value)) if measurable else _WHITE
    axes.bar(
        np.radians(begin + width / 2), outer - inner, width=np.radians(width), bottom=inner, color=colour,
        edgecolor="0.35" if not measurable else "white", linewidth=1.0, hatch=None if measurable else "////",
    )  # fmt: skip
    dark = measurable and sum(colour[:3]) < 1.5
    middle = 0.0 if width == 360.0 else (inner + outer) / 2
    text = f"{value:.0f}" if measurable else ""
    axes.text(
        np.radians(begin + width / 2), middle, text, ha="center", va="center", fontsize=8,
        color="white" if dark else "black", bbox=None if measurable else {"color": "white", "pad": 1.5},
    )  # fmt: skip
