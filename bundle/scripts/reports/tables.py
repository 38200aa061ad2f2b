"""Tables as CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..files import write_bytes


def write_table(path: Path, rows: Sequence[Mapping]) -> None:
    """A CSV file with the columns of all rows, in the order of their first appearance."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)))
    table.writeheader()
    table.writerows(rows)
    write_bytes(path, text.getvalue().encode())
