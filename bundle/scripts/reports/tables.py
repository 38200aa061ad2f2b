"""Tables as CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..files import write_bytes


def csv_text(rows: Sequence[Mapping], columns: Sequence[str] | None = None, line_end: str = "\n") -> str:
    """A head line and one line per row; a cell the row lacks is empty.

    Args:
        columns: in order; None: those of all rows, in the order of their first appearance.
    """
    text = io.StringIO()
    names = list(dict.fromkeys(key for row in rows for key in row)) if columns is None else columns
    table = csv.DictWriter(text, names, lineterminator=line_end)
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def write_table(path: Path, rows: Sequence[Mapping]) -> None:
    """A CSV file with the columns of all rows; lines end as RFC 4180 has them."""
    write_bytes(path, csv_text(rows, line_end="\r\n").encode())
