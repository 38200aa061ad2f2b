"""Fills the tables of the results pages from the stored CSVs, so that no figure in a table is typed.

A table is filled where a comment and an empty line stand above it:
``<!-- cells: internal/overview.csv -->``: a row is named by a word in backticks, a column by its title; a row whose
name says external is taken from that cohort.
``<!-- cells: comparison.csv of ours -->``: a row is a column of the CSV, a column is a cohort; those of the shipped
weights are ``shipped/comparison.csv``.
Other columns are left as they are, and so is the first one, which names the row.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

from make_bundle import ROOT, PackingError

DOCS = ROOT / "bundle/docs"
MARK = re.compile(r"<!-- cells: (\S+)(?: of (\S+))? -->")
OTHER_COHORTS = {"external": "external"}
# How a page calls a measure of paired.csv.
PAIRED = {"dice_infarct": "Dice infarct", "dice_lv_myocardium": "Dice wall", "ssim_myocardium": "SSIM wall"}
Table = dict[str, dict[str, str]]
Fill = Callable[[list[str], list[str]], list[str]]  # titles and cells of a row to its cells


def stored_table(path: Path) -> Table:
    """Rows of a stored CSV by the text in their first column; of paired.csv one row per method.

    Raises:
        PackingError: there is no such file.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError as error:
        raise PackingError(
            f"{path}: not found.\nFix: restore it from the repository, or make it with tools/result_tables.py."
        ) from error
    if path.name != "paired.csv":
        return {next(iter(row.values())): row for row in rows}
    found: Table = {}
    for row in rows:
        value, low, high = (f"{float(row[key]) + 0.0:.3f}" if row[key] else "" for key in ("value", "low", "high"))
        text = f"{value} ({low} to {high})" if value else "-"
        found.setdefault(row["method"], {})[PAIRED[row["measure"]]] = text
    return found


def filled(text: str, results: Path) -> str:
    """A page's text with the cells of its marked tables as the stored tables have them.

    Raises:
        PackingError: a mark names no stored table, or a row of its table names none of its methods.
    """
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if not (mark := MARK.fullmatch(line)):
            continue
        name, method = mark.groups()
        fill = _of_cohorts(results, name, method) if method else _of_methods(results, name)
        title, _, *rows = takewhile(lambda row: lines[row].startswith("|"), range(number + 2, len(lines)))
        for row in rows:
            lines[row] = "| " + " | ".join(fill(_cells(lines[title]), _cells(lines[row]))) + " |"
    return "\n".join(lines) + "\n"


def fill_pages(docs: Path) -> list[str]:
    """Fills RESULTS.md and results/*.md under ``docs``; returns the names of those that changed."""
    changed = []
    for page in (docs / "RESULTS.md", *sorted((docs / "results").glob("*.md"))):
        before = page.read_text(encoding="utf-8")
        after = filled(before, docs / "results")
        if after != before:
            page.write_text(after, encoding="utf-8")
            changed.append(page.name)
    return changed


def _of_methods(results: Path, name: str) -> Fill:
    """Fills a row that is a method's."""

    def fill(title: list[str], cells: list[str]) -> list[str]:
        cohort = next((folder for word, folder in OTHER_COHORTS.items() if word in cells[0]), None)
        path = results / name if cohort is None else results / cohort / Path(name).name
        row = _row(stored_table(path), cells[0], path)
        numbers = zip(title[1:], cells[1:], strict=True)
        return [cells[0], *(_wide(row, column, old) for column, old in numbers)]

    return fill


def _of_cohorts(results: Path, name: str, method: str) -> Fill:
    """Fills a row that is a measure's; a cohort without it has a dash."""

    def fill(title: list[str], cells: list[str]) -> list[str]:
        filled = list(cells)
        for place, cohort in enumerate(title):
            path = results / Path(name).parent / cohort / Path(name).name
            if path.is_file() and cohort:
                filled[place] = stored_table(path)[method].get(cells[0], "-")
        if all(cell == "-" for cell in filled[1:]):
            raise PackingError(f"{name}: found no column '{cells[0]}'.\nFix: name one of the file's columns.")
        return filled

    return fill


def _row(table: Table, label: str, path: Path) -> dict[str, str]:
    """The stored row that a label names in backticks."""
    named = re.search(r"`([^`]+)`", label)
    if not named or named[1] not in table:
        raise PackingError(f"{path}: found no row for '{label}'.\nFix: name one of {', '.join(table)} in backticks.")
    return table[named[1]]


def _wide(row: dict[str, str], column: str, old: str) -> str:
    """A stored cell, with its interval where the file keeps the ends apart."""
    if column not in row:
        return old
    ends = f" ({row['low']} to {row['high']})" if column.startswith("bias") and row.get("low") else ""
    return (row[column] or "-") + ends


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def main() -> int:
    """Command line: fills the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=Path, default=DOCS)
    given = parser.parse_args()
    try:
        changed = fill_pages(given.docs)
    except PackingError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return 1
    sys.stdout.write(f"pages changed: {', '.join(changed) or 'none'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
