"""Tables of the realism check as CSV and Markdown: verdict per target, measures per subject."""

from __future__ import annotations

from collections.abc import Sequence

from ...reports.tables import csv_text
from .subject_measures import Measures
from .targets import Row

_HEADER = ("block", "quantity", "target", "source", "accepted", "realised", "n", "distribution", "verdict", "reason")


def table_cells(row: Row) -> list[str]:
    """One row as text, in the order of the columns; what was not measured is empty, never 0."""
    target, found = row.target, row.realised
    accepted = "" if target.low is None else f"{target.low:g} to {target.high:g}"
    measured = ("", "", "") if found is None else (f"{found.value:.3g}", str(found.count), found.detail)
    wanted = [target.block, target.quantity, target.published, target.source, accepted]
    return [*wanted, *measured, row.verdict, row.reason]


def table_csv(rows: Sequence[Row]) -> str:
    """The table, one line per target."""
    return csv_text([dict(zip(_HEADER, table_cells(row), strict=True)) for row in rows], _HEADER)


def table_markdown(rows: Sequence[Row], title: str, notes: Sequence[str]) -> str:
    """The table for docs/PHANTOM.md, with the count of verdicts and ``notes`` above it."""
    verdicts = [row.verdict for row in rows]
    counts = ", ".join(f"{verdict}: {verdicts.count(verdict)}" for verdict in dict.fromkeys(verdicts))
    lines = [f"# {title}", "", *(f"- {note}" for note in (*notes, f"rows: {len(rows)}; {counts}")), ""]
    lines += ["| " + " | ".join(_HEADER) + " |", "|" + "---|" * len(_HEADER)]
    for row in rows:
        cells = [cell.replace("|", "/") for cell in table_cells(row)]
        lines.append("| " + " | ".join(f"**{cell}**" if cell == "FAIL" else cell for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def subjects_csv(cohort: Sequence[Measures]) -> str:
    """Every measure of every subject; an empty cell was not measurable, the reasons stand in the last column."""
    names = sorted({name for one in cohort for name in one.values})
    facts = sorted({name for one in cohort for name in one.facts})
    rows = []
    for one in cohort:
        recorded = {name: one.facts[name] for name in facts if one.facts.get(name) is not None}
        values = {name: f"{value:.4g}" for name, value in one.values.items()}
        reasons = "; ".join(f"{name}: {reason}" for name, reason in sorted(one.reasons.items()))
        rows.append({"subject": one.subject} | recorded | values | {"not_measurable": reasons})
    return csv_text(rows, ["subject", *facts, *names, "not_measurable"])
