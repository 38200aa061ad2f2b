"""Translation between a data set's label values, our codes and the network's classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import conventions

# Value on disk -> code of conventions.LABEL_NAMES. Sources: MyoPS 2020 (value 1220 oedema, 2221
# scar), EMIDEC (MICCAI 2020), ACDC (MICCAI 2017), M&Ms (MICCAI 2020) data descriptions; MS-CMRSeg (STACOM 2019) has the
# values of MyoPS without oedema and scar.
LABEL_TABLES: dict[str, dict[int, int]] = {
    "ours": {code: code for code in range(len(conventions.LABEL_NAMES))},
    "myops": {0: 0, 500: 1, 200: 2, 2221: 3, 1220: 5, 600: 6},
    "emidec": {0: 0, 1: 1, 2: 2, 3: 3, 4: 4},
    "acdc": {0: 0, 1: 6, 2: 2, 3: 1},
    "mnms": {0: 0, 1: 1, 2: 2, 3: 6},
    "mscmrseg": {0: 0, 500: 1, 200: 2, 600: 6},
}
# The table that the folder's layout brings along: that of its data set, "ours" for layouts 1 and 2.
AUTO = "auto"
# In a datalist entry: that table, or why dataset.json does not give one.
LABEL_TABLE, LABEL_TABLE_PROBLEM = "label_table", "label_table_problem"
_LISTED = 6


class LabelError(conventions.DataError):
    """A label file holds a value the chosen table does not know."""

    stage = "label"


def label_table(table: str | Mapping) -> dict[int, int]:
    """The table named in the config, or the site's own ``{value on disk: our code}`` (JSON keys are strings)."""
    if isinstance(table, str):
        if table == AUTO:
            return LABEL_TABLES["ours"]
        if table not in LABEL_TABLES:
            raise conventions.ConfigError(
                f"label_table: found '{table}', expected {AUTO} or one of {', '.join(sorted(LABEL_TABLES))}.\n"
                "Fix: name one of them, or give a table {value on disk: our code}."
            )
        return LABEL_TABLES[table]
    try:
        own = {int(value): int(code) for value, code in table.items()}
    except (TypeError, ValueError) as error:
        raise conventions.ConfigError(f"label_table: values and codes must be whole numbers ({error}).") from error
    wrong = sorted(set(own.values()) - set(LABEL_TABLES["ours"]))
    if wrong:
        raise conventions.ConfigError(
            f"label_table: found code {wrong[0]}, expected 0 to {len(conventions.LABEL_NAMES) - 1} "
            f"({', '.join(conventions.LABEL_NAMES)})."
        )
    return own


def table_for(entry: Mapping[str, Any], table: str | Mapping = AUTO) -> str | Mapping:
    """The table of one datalist entry: the one a site names, else the one of its layout.

    Raises:
        LabelError: the site names none, and its dataset.json does not say what the values mean.
    """
    if table != AUTO:
        return table
    if problem := entry.get(LABEL_TABLE_PROBLEM):
        raise LabelError(problem)
    return entry.get(LABEL_TABLE, "ours")


def translate(array: np.ndarray, table: str | Mapping, name: str = "label") -> np.ndarray:
    """Values on disk -> codes of conventions.LABEL_NAMES.

    Args:
        array: label values as read, any shape, integer or float holding integers.
        table: name in LABEL_TABLES, or ``{value: code}``.
        name: file named in the error.
    Returns:
        uint8, same shape.
    Raises:
        LabelError: a value is not in the table; every such value is listed with its voxel count.
    """
    known = label_table(table)
    codes = np.zeros(array.shape, dtype=np.uint8)
    unmatched = np.ones(array.shape, dtype=bool)
    for value, code in known.items():
        found = array == value
        codes[found] = code
        unmatched &= ~found
    if unmatched.any():
        values, counts = np.unique(array[unmatched], return_counts=True)
        unknown = list(zip(values.tolist(), counts.tolist(), strict=True))
        listed = ", ".join(f"{v:g} ({n} voxels)" for v, n in unknown[:_LISTED])
        more = f" and {len(unknown) - _LISTED} more values" if len(unknown) > _LISTED else ""
        which = f"'{table}'" if isinstance(table, str) else "of the config"
        raise LabelError(
            f"{name}: found label values not in table {which}: {listed}{more}.\n"
            f"Expected: {', '.join(str(value) for value in sorted(known))}.\n"
            f"Fix: set label_table to the data set's own ({', '.join(sorted(LABEL_TABLES))}) or correct the file."
        )
    return codes


def to_network_classes(codes: np.ndarray) -> np.ndarray:
    """Codes of conventions.LABEL_NAMES -> the network's classes, as conventions.TO_NETWORK_CLASS merges them."""
    lookup = np.array([conventions.TO_NETWORK_CLASS[code] for code in range(len(conventions.LABEL_NAMES))], np.uint8)
    return lookup[codes]
