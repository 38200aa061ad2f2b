"""Tables as CSV files."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import write_bytes

# What a spreadsheet takes a text that begins with it for: a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# A number with its interval or spread, as tables of methods have it: no formula, whatever its sign.
_NUMBER = r"[-+]?\d+(\.\d+)?"
_NUMBER_IN_WORDS = re.compile(rf"{_NUMBER}( \({_NUMBER} to {_NUMBER}\)| ± \d+(\.\d+)?)?")


def csv_text(rows: Sequence[Mapping], columns: Sequence[str] | None = None, line_end: str = "\n") -> str:
    """A head line and one line per row; a cell the row lacks is empty.

    A text that a spreadsheet would run as a formula, such as a subject called =1+1, gets a quote before it.

    Args:
        columns: in order; None: those of all rows, in the order of their first appearance.
    """
    text = io.StringIO()
    names = list(dict.fromkeys(key for row in rows for key in row)) if columns is None else columns
    table = csv.DictWriter(text, names, lineterminator=line_end)
    table.writeheader()
    table.writerows({key: as_text(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def as_text(value: Any) -> Any:
    """The value of a cell; a text that would be a formula with a quote before it. Numbers stay, as text too."""
    if not isinstance(value, str) or not value.startswith(_FORMULA) or len(value) == 1:
        return value
    if _NUMBER_IN_WORDS.fullmatch(value):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def write_table(path: Path, rows: Sequence[Mapping]) -> None:
    """A CSV file with the columns of all rows; lines end as RFC 4180 has them."""
    write_bytes(path, csv_text(rows, line_end="\r\n").encode())
