"""Table of the series of a study: what each is, and why it is used or not; no text of the files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .recognition import CINE, LGE, T2_STIR, Group

_LONG_ECHO_MS = 30.0
_LISTED, _SHOWN = 12, 3


def series_row(group: Group, reason: str) -> dict[str, Any]:
    """A row of import.json for a series that is not used."""
    slices = phases = None
    if group.first.orientation is not None and group.first.position_mm is not None:
        slices = len(group.positions)
        phases = round(len(group.frames) / slices)
    return {
        "series_number": group.first.series_number,
        "images": len(group.frames),
        "slices": slices,
        "phases": phases,
        "tried": tried_role(group),
        "reason": reason,
    }


def series_rows(groups: Iterable[tuple[Group, str]]) -> list[dict[str, Any]]:
    """Rows in the order of the series numbers."""
    ordered = sorted(groups, key=lambda one: one[0].first.series_number or 0)
    return [series_row(group, reason) for group, reason in ordered]


def tried_role(group: Group) -> str | None:
    """The role that a series has, or the one that its sequence could have; None for one image per slice of no kind."""
    first = group.first
    if group.role:
        return group.role
    if "SE" in first.scanning or (first.echo_ms or 0.0) >= _LONG_ECHO_MS:
        return T2_STIR
    if "IR" in first.scanning or first.inversion_ms:
        return LGE
    several = first.orientation is not None and first.position_mm is not None
    return CINE if several and len(group.frames) > len(group.positions) else None


def table_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The rows as text, series of one kind and reason in one line."""
    kinds: dict[tuple, list[dict[str, Any]]] = {}
    for row in rows:
        kinds.setdefault((row["tried"], row["slices"], row["phases"], row["reason"]), []).append(row)
    lines = []
    for (tried, slices, phases, reason), same in kinds.items():
        images = sum(row["images"] for row in same)
        size = f"{slices} x {phases}" if slices else "no position"
        each = " each" if len(same) > 1 else ""
        lines.append(
            f"series {_numbers(same)}: {images} images, {size}{each}, {tried or 'no role'}: {' '.join(reason.split())}"
        )
    return lines


def why_absent(role: str, rejected: Sequence[tuple[Group, str]]) -> str:
    """Note on a role without stack: whether there was one, and what spoke against it."""
    found = [(group, reason) for group, reason in rejected if group.role == role]
    near = found or [(group, reason) for group, reason in rejected if tried_role(group) == role]
    if not near:
        return f"{role}: not in this study"
    near = sorted(near, key=lambda one: -len(one[0].frames))
    seen: dict[str, list[dict[str, Any]]] = {}
    for group, reason in near:
        seen.setdefault(reason, []).append(series_row(group, reason))
    listed = "; ".join(f"series {_numbers(rows)}: {reason}" for reason, rows in list(seen.items())[:_SHOWN])
    return f"{role}: " + ("there, but not used" if found else "none is recognised, nearest are") + f": {listed}"


def _numbers(rows: Sequence[dict[str, Any]]) -> str:
    numbers = sorted({row["series_number"] for row in rows if row["series_number"] is not None})
    text = ", ".join(map(str, numbers[:_LISTED])) + (" ..." if len(numbers) > _LISTED else "")
    return text or "without number"
