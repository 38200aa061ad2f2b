"""Preview of one subject: acquired beside virtual images, the label overlay, the disclaimer burned in."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from .. import conventions
from ..clinical.short_axis import short_axis_frame
from ..conventions import NotMeasurable
from .words import in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_ROWS = 5
ROLE = conventions.SIDE_BY_SIDE
TILE_INCHES = 1.5
DPI = 100
_COMPRESSION = 3  # of the PNG: a third of the time of the usual 6, and files that are no larger
_REMOTE = conventions.LABEL_NAMES.index("myocardium")
_LGE_WHITE = 99.0  # percentile of heart and blood
GAP = 0.04  # between tiles, in tile widths
# Paul Tol's bright scheme: told apart with any colour vision. RGBA over the cine.
LABEL_COLOURS = {
    "lv_blood_pool": (0.27, 0.47, 0.67, 0.25),
    "myocardium": (0.80, 0.73, 0.27, 0.40),
    "infarct": (0.93, 0.25, 0.35, 0.75),
    "no_reflow": (0.67, 0.20, 0.47, 0.80),
    "oedema": (0.40, 0.80, 0.93, 0.40),
    "rv_blood_pool": (0.73, 0.73, 0.73, 0.25),
}


@dataclass(frozen=True)
class Panels:
    """What is drawn: arrays (X, Y, S) on the cine grid; None leaves a column out (T2-STIR: drawn as missing).

    At least one of ``label`` and ``reference_label`` is there.
    """

    cine: np.ndarray
    t2_stir: np.ndarray | None
    virtual_lge: np.ndarray | None
    label: np.ndarray | None
    real_lge: np.ndarray | None = None
    reference_label: np.ndarray | None = None
    uncertainty: np.ndarray | None = None


@dataclass(frozen=True)
class _Column:
    """A title and what is drawn below it: grey in 0..1, codes over it, outlines of the LV wall and of the infarct."""

    title: str
    grey: np.ndarray | None = None
    codes: np.ndarray | None = None
    outlined: np.ndarray | None = None


def chosen_slices(label: np.ndarray, rows: int = MAX_ROWS) -> list[int]:
    """At most ``rows`` slices, evenly spread over those with a label (over all when there is none)."""
    candidates = np.flatnonzero((label > 0).any(axis=(0, 1)))
    if candidates.size == 0:
        candidates = np.arange(label.shape[-1])
    picked = np.unique(np.linspace(0, candidates.size - 1, min(rows, candidates.size)).round().astype(int))
    return [int(s) for s in candidates[picked]]


def heart_window(label: np.ndarray, virtual_lge: np.ndarray | None) -> tuple[slice, slice]:
    """In-plane window: the label's bounding box with half its size around it; without a label, what the network saw,
    or all where it gave no image."""
    seen, margin = label > 0, 0.5
    if virtual_lge is not None and not seen.any():
        seen, margin = virtual_lge > 0, 0.0
    flat = seen.any(axis=2)
    if not flat.any():
        return slice(0, flat.shape[0]), slice(0, flat.shape[1])
    x, y = np.nonzero(flat)
    half = (0.5 + margin) * max(np.ptp(x) + 1, np.ptp(y) + 1)
    centres = ((x.min() + x.max()) / 2, (y.min() + y.max()) / 2)
    bounds = [(max(0, int(c - half)), min(n, int(c + half) + 1)) for c, n in zip(centres, flat.shape, strict=True)]
    return slice(*bounds[0]), slice(*bounds[1])


def screen_signs(affine: np.ndarray) -> tuple[int, int]:
    """Direction of voxel axes x and y on the screen (+1 right, up) so that patient left is right and anterior is up.

    The affine maps to RAS mm. Only drawing depends on this; no array is flipped.
    """
    right = -1 if affine[0, 0] > 0 else 1
    up = 1 if affine[1, 1] + affine[2, 1] >= 0 else -1
    return right, up


def preview_png(panels: Panels, affine: np.ndarray, subject: str) -> bytes:
    """PNG of up to MAX_ROWS slices; the same input gives the same bytes."""
    # Matplotlib takes most of a second to import; runs without previews do not pay for it.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heart = np.maximum.reduce([one for one in (panels.label, panels.reference_label) if one is not None])
    best = heart if panels.reference_label is None else panels.reference_label
    slices, ends = from_base(chosen_slices(heart), best, affine)
    window = heart_window(heart, panels.virtual_lge)
    columns = _columns(panels, (*window, slices))
    spacing = np.linalg.norm(affine[:3, :2], axis=0)
    size_mm = [(w.stop - w.start) * s for w, s in zip(window, spacing, strict=True)]
    height = min(3.0, max(1 / 3.0, size_mm[1] / size_mm[0])) if min(size_mm) > 0 else 1.0
    width_tiles, height_tiles = len(columns) * (1 + GAP) + 0.25, len(slices) * (height + GAP) + 0.85
    figure = Figure(figsize=(width_tiles * TILE_INCHES, height_tiles * TILE_INCHES), dpi=DPI, facecolor="black")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    top = len(slices) * (height + GAP)
    for row, s in enumerate(slices):
        bottom = top - (row + 1) * (height + GAP)
        axes.text(
            -0.12,
            bottom + height / 2,
            f"slice {s + 1}{ends.get(s, '')}",
            rotation=90,
            color="white",
            fontsize=8,
            ha="center",
            va="center",
        )
        for number, column in enumerate(columns):
            place = (number * (1 + GAP), bottom, 1.0, height)
            _draw_tile(axes, column, row, place, screen_signs(affine))
    shown = [name for code, name in enumerate(conventions.ALL_CLASSES) if code and _has_colour(panels, code)]
    _draw_texts(axes, [column.title for column in columns], top, subject, shown)
    axes.set_xlim(-0.25, width_tiles - 0.25)
    axes.set_ylim(-0.45, height_tiles - 0.45)
    stream = io.BytesIO()
    about = {"Software": None, "Description": ROLE.disclaimer}
    FigureCanvasAgg(figure).print_png(stream, metadata=about, pil_kwargs={"compress_level": _COMPRESSION})
    return stream.getvalue()


def from_base(slices: list[int], label: np.ndarray, affine: np.ndarray) -> tuple[list[int], dict[int, str]]:
    """The slices from base to apex, and what is said of the first and the last; as they are stored where it is unknown.

    Args:
        slices: indices, rising. label: (X, Y, S), disk codes. affine: (4, 4), voxel to RAS mm.
    """
    try:
        step = short_axis_frame(label, affine).towards_apex
    except NotMeasurable:
        return slices, {}
    ordered = slices[::step]
    return ordered, {ordered[0]: "\nbase", ordered[-1]: "\napex"} if len(ordered) > 1 else {}


def _columns(panels: Panels, part: tuple) -> list[_Column]:
    """The columns, cut to ``part``: x and y window, slices."""
    cine = _scaled(panels.cine[part])
    t2_stir = None if panels.t2_stir is None else _scaled(panels.t2_stir[part])
    label, reference = (None if one is None else one[part] for one in (panels.label, panels.reference_label))
    columns = [_Column("cine", cine), _Column("T2-STIR\n(missing)" if t2_stir is None else "T2-STIR", t2_stir)]
    if panels.virtual_lge is not None:
        virtual = as_lge_is_read(panels.virtual_lge, panels.label)[part]
        columns.append(_Column("virtual LGE\nSYNTHETIC", virtual))
        if label is not None:
            columns.append(_Column("virtual LGE\nwall, infarct", virtual, outlined=label))
    if panels.real_lge is not None:
        columns.append(_Column("LGE\n(reference)", as_lge_is_read(panels.real_lge, panels.reference_label)[part]))
    if label is not None:
        columns.append(_Column("label\n(predicted)", cine, label))
    if reference is not None:
        columns.append(_Column("label\n(reference)", cine, reference))
    if panels.uncertainty is not None:
        columns.append(_Column("uncertainty\n(relative)", _scaled(panels.uncertainty[part])))
    return columns


def as_lge_is_read(lge: np.ndarray, label: np.ndarray | None) -> np.ndarray:
    """An LGE windowed as readers set it, 0..1: remote muscle black, the brightest of heart and blood white.

    Args:
        lge: (X, Y, S), any linear scale. label: its label map; without remote muscle in it, or without contrast, the
            window is that of the other images.
    """
    if label is None or not (remote := label == _REMOTE).any():
        return _scaled(lge)
    low, high = float(np.median(lge[remote])), float(np.percentile(lge[label > 0], _LGE_WHITE))
    return np.clip((lge.astype(np.float32) - low) / (high - low), 0, 1) if high > low else _scaled(lge)


def _scaled(volume: np.ndarray) -> np.ndarray:
    """0..1 between the 1st and 99.5th percentile, for display only."""
    low, high = np.percentile(volume, [1.0, 99.5]) if volume.size else (0.0, 0.0)
    return (
        np.clip((volume.astype(np.float32) - low) / (high - low), 0, 1)
        if high > low
        else np.zeros_like(volume, np.float32)
    )


def _has_colour(panels: Panels, code: int) -> bool:
    """Whether the legend explains a class: always one of the paper's four, another one where a label map shows it."""
    maps = [one for one in (panels.label, panels.reference_label) if one is not None]
    return code < len(conventions.NETWORK_CLASSES) or any((one == code).any() for one in maps)


def _draw_tile(
    axes: Axes, column: _Column, row: int, place: tuple[float, float, float, float], signs: tuple[int, int]
) -> None:
    x, y, width, height = place
    left, right = (x, x + width) if signs[0] > 0 else (x + width, x)
    bottom, top = (y, y + height) if signs[1] > 0 else (y + height, y)
    show = partial(axes.imshow, origin="lower", extent=(left, right, bottom, top), aspect="auto")
    if column.grey is None:
        axes.text(x + width / 2, y + height / 2, "missing", color="0.6", fontsize=9, ha="center", va="center")
        return
    show(column.grey[..., row].T, cmap="gray", vmin=0, vmax=1, interpolation="bilinear")
    if column.codes is not None:
        show(_colours(column.codes[..., row].T), interpolation="nearest")
    if column.outlined is not None:
        _outline(axes, column.outlined[..., row], (left, right, bottom, top))


def _outline(axes: Axes, codes: np.ndarray, extent: tuple[float, float, float, float]) -> None:
    """Borders of the LV wall and of the infarct in it, thin lines."""
    left, right, bottom, top = extent
    across, up = codes.shape
    centres = [begin + (np.arange(n) + 0.5) / n * (end - begin) for begin, end, n in
               ((left, right, across), (bottom, top, up))]  # fmt: skip
    for names, colour in ((conventions.STRUCTURES["lv_myocardium"], "myocardium"),
                          (conventions.STRUCTURES["infarct"], "infarct")):  # fmt: skip
        inside = np.isin(codes, list(names))
        if inside.any() and min(codes.shape) > 1:
            axes.contour(
                *centres, inside.T.astype(float), levels=[0.5], colors=[LABEL_COLOURS[colour][:3]], linewidths=0.8
            )


def _colours(codes: np.ndarray) -> np.ndarray:
    table = np.zeros((len(conventions.LABEL_NAMES), 4), dtype=np.float32)
    for name, colour in LABEL_COLOURS.items():
        table[conventions.LABEL_NAMES.index(name)] = colour
    return table[codes.astype(np.int64)]


def _draw_texts(axes: Axes, titles: list[str], top: float, subject: str, names: Sequence[str]) -> None:
    for column, title in enumerate(titles):
        axes.text(column * (1 + GAP) + 0.5, top + 0.04, title, color="white", fontsize=8, ha="center", va="bottom")
    for column, name in enumerate(names):
        colour = LABEL_COLOURS[name][:3]
        axes.text(column * 0.95, -0.1, f"\u25a0 {in_words(name)}", color=colour, fontsize=8, ha="left", va="center")
    # parse_math off: a name with dollar signs is text, not a formula.
    axes.text(0, -0.25, subject, color="white", fontsize=8, ha="left", va="center", parse_math=False)
    axes.text(0, -0.38, ROLE.disclaimer, color="#ffcc00", fontsize=8, ha="left", va="center", weight="bold")


# Crops lie in display directions: first axis right, second axis down (preprocessing.cropping).
CROP_AFFINE = np.diag([-1.0, -1.0, 1.0, 1.0])
