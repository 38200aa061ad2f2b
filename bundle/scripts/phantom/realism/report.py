"""Table of the realism check as CSV and Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from .subject import Measures
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
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_HEADER)
    writer.writerows(table_cells(row) for row in rows)
    return stream.getvalue()


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
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["subject", *facts, *names, "not_measurable"])
    for one in cohort:
        values = [f"{one.values[name]:.4g}" if name in one.values else "" for name in names]
        recorded = ["" if one.facts.get(name) is None else one.facts[name] for name in facts]
        reasons = "; ".join(f"{name}: {reason}" for name, reason in sorted(one.reasons.items()))
        writer.writerow([one.subject, *recorded, *values, reasons])
    return stream.getvalue()
