"""Contact sheet of a cohort: one row of images per example subject. No pyplot."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .label_measures import BLOOD, INFARCT_CODES, NO_REFLOW, WALL_CODES
from .subject_measures import Measures, SubjectOnDisk
from .targets import healthy, infarcted

_SMALL_PERCENT, _LARGE_PERCENT, _TYPICAL_PERCENT = 5.0, 35.0, 18.0
_HALF_WINDOW_MM = 62.0
_TILE_INCHES = 2.2
# Blood, myocardium, infarct, no-reflow, oedema, RV blood; Paul Tol's bright scheme.
_COLOURS = np.array(
    [(0, 0, 0, 0), (0.27, 0.47, 0.67, 0.35), (0.80, 0.73, 0.27, 0.35), (0.93, 0.25, 0.35, 0.7)]
    + [(0.67, 0.20, 0.47, 0.9), (0.40, 0.80, 0.93, 0.45), (0.73, 0.73, 0.73, 0.3)]
)
_COLUMNS = ("cine ED", "cine ES", "T2-STIR", "LGE", "label on LGE", "cine, whole field")


def chosen_examples(cohort: Sequence[Measures]) -> dict[str, str]:
    """Caption to subject: healthy, small, large, with most no-reflow, then one middle-sized infarct per vendor.

    What a cohort does not hold is left out.
    """
    ill = infarcted(cohort)
    with_core = [one for one in ill if one.values["no_reflow"] > 0]
    well = healthy(cohort)
    found = {"healthy": well[0].subject} if well else {}
    if ill:
        found["small"] = _nearest(ill, _SMALL_PERCENT)
        found["large"] = _nearest(ill, _LARGE_PERCENT)
    if with_core:
        found["MVO"] = max(with_core, key=lambda one: one.values["no_reflow"]).subject
    for vendor in sorted({str(one.facts["vendor"]) for one in ill if one.facts.get("vendor")}):
        rest = [one for one in ill if one.facts.get("vendor") == vendor and one.subject not in found.values()]
        if rest:
            found[vendor] = _nearest(rest, _TYPICAL_PERCENT)
    return found


def contact_sheet_png(
    examples: dict[str, str], load: Callable[[str], SubjectOnDisk], cohort: Sequence[Measures]
) -> bytes:
    """One row per example: cine ED and ES, T2-STIR, LGE, label on LGE, all around the heart; cine, whole field.

    The slice with most infarct, or the middle one. Array axis x runs to the right, y downwards, as the phantom stores
    them. Window per image: 1st to 99.5th percentile around the heart. A missing sequence leaves its tile dark.
    """
    by_name = {one.subject: one for one in cohort}
    size = (len(_COLUMNS) * _TILE_INCHES, max(1, len(examples)) * _TILE_INCHES)
    figure = Figure(figsize=size, dpi=110, facecolor="black")
    for row, (caption, name) in enumerate(examples.items()):
        tiles = _tiles(load(name), by_name[name])
        for k, (title, tile) in enumerate(zip(_COLUMNS, tiles, strict=True)):
            n = len(examples)
            axis = figure.add_axes((k / len(_COLUMNS), 1 - (row + 1) / n, 1 / len(_COLUMNS), 1 / n))
            axis.set_axis_off()
            _draw(axis, tile)
            text = _caption(caption, by_name[name]) if k == 0 else title if row == 0 else ""
            axis.text(0.02, 0.98, text, color="yellow", fontsize=7, va="top", transform=axis.transAxes)
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream, metadata={"Software": None})
    return stream.getvalue()


def _nearest(group: Sequence[Measures], percent: float) -> str:
    return min(group, key=lambda one: abs(one.values["infarct"] - percent)).subject


def _caption(caption: str, one: Measures) -> str:
    vendor, field = one.facts.get("vendor"), one.facts.get("field_strength_t")
    return f"{caption}: {one.subject}\n{vendor} {field} T\ninfarct {one.values['infarct']:.0f} %LV\ncine ED"


def _tiles(subject: SubjectOnDisk, measures: Measures) -> list[tuple[np.ndarray, np.ndarray | None] | None]:
    """Grey image 0..1 and codes or None, per column."""
    s = _slice_to_show(subject.label)
    pixel_mm = float(np.linalg.norm(subject.affine[:3, 0]))
    heart = np.argwhere((subject.label[..., s] == BLOOD) | np.isin(subject.label[..., s], WALL_CODES))
    middle = heart.mean(axis=0) if len(heart) else np.array(subject.label.shape[:2]) / 2
    half = _HALF_WINDOW_MM / pixel_mm
    low = np.maximum(middle - half, 0).astype(int)
    box = (slice(low[0], int(middle[0] + half)), slice(low[1], int(middle[1] + half)))
    cine, stir, lge = (subject.images.get(key) for key in ("cine", "t2_stir", "lge"))
    ed, es = (int(measures.values.get(f"{moment}_phase", 0)) for moment in ("ed", "es"))
    codes = subject.label[..., s][box]
    scaled = [None if image is None else (_scaled(image[:, :, s][box]), None) for image in (stir, lge)]
    return [
        None if cine is None else (_scaled(cine[:, :, s, ed][box]), None),
        None if cine is None else (_scaled(cine[:, :, s, es][box]), None),
        *scaled,
        None if lge is None else (_scaled(lge[:, :, s][box]), codes),
        None if cine is None else (_scaled(cine[:, :, s, ed]), None),
    ]


def _slice_to_show(label: np.ndarray) -> int:
    no_reflow = (label == NO_REFLOW).sum(axis=(0, 1))
    infarct = np.isin(label, INFARCT_CODES).sum(axis=(0, 1))
    shown = no_reflow if no_reflow.any() else infarct
    if not shown.any():
        return label.shape[2] // 2
    # Of the slices with much of it the one nearest to the middle: at the ends one structure runs into the next.
    good = np.flatnonzero(shown >= 0.7 * shown.max())
    return int(good[np.abs(good - label.shape[2] / 2).argmin()])


def _scaled(image: np.ndarray) -> np.ndarray:
    low, high = np.percentile(image, [1.0, 99.5])
    return np.clip((image - low) / max(high - low, 1e-6), 0.0, 1.0)


def _draw(axis: Axes, tile: tuple[np.ndarray, np.ndarray | None] | None) -> None:
    if tile is None:
        return
    axis.imshow(tile[0].T, cmap="gray", vmin=0, vmax=1, interpolation="bilinear")
    if tile[1] is not None:
        axis.imshow(_COLOURS[tile[1]].transpose(1, 0, 2), interpolation="nearest")
