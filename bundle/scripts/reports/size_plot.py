"""Infarct sizes of many subjects as one small plot inside a page: SVG, no script, readable on a phone."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from ..conventions import counted

_WIDTH, _HEIGHT = 400, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 10, 12, 42
_FOUND, _REFERENCE, _AXIS = "#b5172f", "#1f4e8c", "#57606a"


class Size(NamedTuple):
    """One subject: its infarct and, where there is one, the reference's, %LV; whether a reader has to look."""

    subject: str
    percent_lv: float
    reference_percent_lv: float | None = None
    review: bool = False


def sizes_svg(sizes: Sequence[Size]) -> str:
    """A mark per subject, the smallest infarct first; "" without any.

    Circle: infarct size; triangle: the same where a review is needed; open square: the reference's.
    """
    if not sizes:
        return ""
    ordered = sorted(sizes, key=lambda one: (one.percent_lv, one.subject))
    top = _round_up(max([one.percent_lv for one in sizes] + [one.reference_percent_lv or 0.0 for one in sizes]))
    step = (_WIDTH - _LEFT - _RIGHT) / len(ordered)
    marks = []
    for n, one in enumerate(ordered):
        x, y = _LEFT + (n + 0.5) * step, _height(one.percent_lv, top)
        if one.reference_percent_lv is not None:
            marks.append(_square(x, _height(one.reference_percent_lv, top)))
        told = f"{one.subject}: {one.percent_lv:.1f} %LV" + (", review needed" if one.review else "")
        if one.reference_percent_lv is not None:
            told += f", reference {one.reference_percent_lv:.1f} %LV"
        mark = (_triangle if one.review else _circle)(x, y)
        marks.append(f"<g>{mark}<title>{escape(told)}</title></g>")
    title = f"Infarct size of {counted(len(ordered), 'subject')}, %LV, the smallest first"
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}" font-family="system-ui,sans-serif">'
        f"{_axes(top)}{''.join(marks)}{_legend(sizes)}</svg>"
    )


def _height(percent: float, top: float) -> float:
    return _HEIGHT - _BOTTOM - percent / top * (_HEIGHT - _TOP - _BOTTOM)


def _round_up(largest: float) -> float:
    """The end of the axis, %LV: five steps of a round number."""
    return next((top for top in (5.0, 10.0, 25.0, 50.0) if largest <= top), 100.0)


def _axes(top: float) -> str:
    lines = []
    for tick in (top * n / 5 for n in range(6)):
        y = _height(tick, top)
        shade = _AXIS if not tick else "#d9dee3"
        lines.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="{shade}"/>')
        lines.append(_text(_LEFT - 5, y + 4, f"{tick:g}", "end"))
    turned = f' transform="rotate(-90 10 {_HEIGHT / 2 - 10})"'
    below = _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 24, "subjects, the smallest infarct first", "middle")
    return "".join(lines) + below + _text(10, _HEIGHT / 2 - 10, "infarct, %LV", "middle", turned)


def _legend(sizes: Sequence[Size]) -> str:
    y = _HEIGHT - 6
    drawn = [(_circle, "predicted")]
    if any(one.review for one in sizes):
        drawn.append((_triangle, "predicted, review needed"))
    if any(one.reference_percent_lv is not None for one in sizes):
        drawn.append((_square, "reference"))
    parts, x = [], float(_LEFT)
    for shape, words in drawn:
        parts.append(shape(x, y - 4))
        parts.append(_text(x + 9, y, words, "start"))
        x += 24 + 6.2 * len(words)
    return "".join(parts)


def _text(x: float, y: float, words: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="11" fill="{_AXIS}" text-anchor="{anchor}"{more}>{words}</text>'


def _circle(x: float, y: float) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{_FOUND}"/>'


def _triangle(x: float, y: float) -> str:
    return f'<path d="M{x:.1f} {y - 5:.1f}l5 9h-10z" fill="{_FOUND}"/>'


def _square(x: float, y: float) -> str:
    return f'<rect x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7" fill="none" stroke="{_REFERENCE}"/>'
