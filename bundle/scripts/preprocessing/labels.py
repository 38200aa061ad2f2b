"""Translation between a data set's label values, our codes and the network's classes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .. import conventions
from ..volumes.volume import Volume
from .label_anatomy import implausible
from .phases import read_meta

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
# In a datalist entry or meta.json: that table; in an entry also why dataset.json does not give one.
LABEL_TABLE, LABEL_TABLE_PROBLEM = "label_table", "label_table_problem"
_LISTED = 6
# Values this near to a whole number are that number: interpolated or stored as floats.
_ROUNDING = 1e-3
# What a label map draws where it has no code for a part of the wall.
_PART_OF = {"infarct": "myocardium", "no_reflow": "infarct", "oedema": "myocardium"}
LESIONS = tuple(_PART_OF)
_INFARCTS = frozenset(conventions.STRUCTURES["infarct"])


class LabelError(conventions.DataError):
    """A label file holds a value the chosen table does not know, or shows no heart by that table."""

    stage = "label"


def label_table(table: str | Mapping) -> dict[int, int]:
    """The table named in the config, or the site's own ``{value on disk: our code}`` (JSON keys are strings).

    0 is background where the site's own does not say.
    """
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
        if not isinstance(table, Mapping):
            raise TypeError(f"found {str(table)[:40]}")
        own = {0: 0} | {int(value): int(code) for value, code in table.items()}
    except (TypeError, ValueError) as error:
        raise conventions.ConfigError(
            f"label_table: values and codes must be whole numbers ({error}).\n"
            "Fix: give the name of a table, or a table {value on disk: our code}."
        ) from error
    wrong = sorted(set(own.values()) - set(LABEL_TABLES["ours"]))
    if wrong:
        raise conventions.ConfigError(
            f"label_table: found code {wrong[0]}, expected 0 to {len(conventions.LABEL_NAMES) - 1} "
            f"({', '.join(conventions.LABEL_NAMES)}).\nFix: correct it."
        )
    return own


def table_for(entry: Mapping[str, Any], table: str | Mapping = AUTO) -> str | Mapping:
    """The table of one datalist entry: the one a site names, else the one of its layout, else that of its meta.json.

    Raises:
        LabelError: the site names none, and dataset.json or meta.json does not say what the values mean.
        VolumeError: meta.json cannot be read.
    """
    if table != AUTO:
        return table
    if problem := entry.get(LABEL_TABLE_PROBLEM):
        raise LabelError(problem)
    where = "dataset.json" if LABEL_TABLE in entry else "meta.json"
    found = entry[LABEL_TABLE] if LABEL_TABLE in entry else read_meta(entry.get("meta")).get(LABEL_TABLE, "ours")
    try:
        label_table(found)
    except conventions.ConfigError as error:
        raise LabelError(f"{entry[conventions.SUBJECT]}, {where}: {error}") from error
    return found


def marks_infarct(table: str | Mapping) -> bool:
    """Whether a label map read by this table can show infarct; those of ACDC and M&Ms cannot."""
    return bool(_INFARCTS & set(label_table(table).values()))


def lesions_not_marked(table: str | Mapping) -> tuple[str, ...]:
    """Of infarct, no-reflow and oedema those that a label map read by this table has no code for."""
    known = set(label_table(table).values())
    return tuple(name for name in _PART_OF if conventions.LABEL_NAMES.index(name) not in known)


def translate(array: np.ndarray, table: str | Mapping, name: str = "label") -> np.ndarray:
    """Values on disk -> codes of conventions.LABEL_NAMES.

    Args:
        array: label values as read, any shape, integer or float; values within 0.001 of a whole number are rounded.
        table: name in LABEL_TABLES, or ``{value: code}``.
        name: file named in the error.
    Returns:
        uint8, same shape.
    Raises:
        LabelError: a value is not in the table; every such value is listed with its voxel count.
    """
    known = label_table(table)
    codes, unmatched = _looked_up(array, known)
    if unmatched.any():
        values, counts = np.unique(array[unmatched], return_counts=True)
        unknown = list(zip(values.tolist(), counts.tolist(), strict=True))
        listed = ", ".join(f"{v:g} ({n} voxels)" for v, n in unknown[:_LISTED])
        more = f" and {len(unknown) - _LISTED} more values" if len(unknown) > _LISTED else ""
        raise LabelError(
            f"{name}: found label values not in table {_named(table)}: {listed}{more}.\n"
            f"Expected: {', '.join(str(value) for value in sorted(known))}.\n{_fix(array)}"
        )
    return codes


def coded(volume: Volume, table: str | Mapping, check: bool = True) -> Volume:
    """A label file as read -> its codes, checked: what every reader of label files goes by.

    Args:
        volume: ``array`` (X, Y, S), values on disk. table: as in translate.
        check: whether the codes have to look like a heart.
    Raises:
        LabelError: as translate; or by this table the map is no heart, as where an RV or a cavity would be infarct.
            The message names the tables by which it is one.
    """
    array, name, pixel_mm = volume.array, volume.grid.name, volume.grid.spacing_mm[:2].tolist()
    codes, known = translate(array, table, name), label_table(table)
    if check and (finding := implausible(codes, pixel_mm)):
        values, counts = np.unique(np.rint(array), return_counts=True)
        held = ", ".join(
            f"{v:g} as {conventions.LABEL_NAMES[known[int(v)]]} ({n} voxels)"
            for v, n in list(zip(values.tolist(), counts.tolist(), strict=True))[:_LISTED]
        )
        raise LabelError(
            f"{name}: by label table {_named(table)} this is no heart: {finding}.\nFound: {held}.\n"
            "Expected: the LV blood pool inside the LV wall, the RV beside it, infarct within the wall.\n"
            f"{_fix(array, pixel_mm)}"
        )
    return replace(volume, array=codes)


def fitting_tables(array: np.ndarray, pixel_mm: Sequence[float] = (1.0, 1.0)) -> list[str]:
    """Tables of LABEL_TABLES that know every value of a label map (X, Y, S) and make a heart with LV blood of it."""
    fitting = []
    for name, table in LABEL_TABLES.items():
        codes, unmatched = _looked_up(array, table)
        whole = all(np.isin(codes, conventions.STRUCTURES[one]).any() for one in ("lv_blood_pool", "viable_myocardium"))
        if whole and not unmatched.any() and not implausible(codes, pixel_mm):
            fitting.append(name)
    return fitting


def _looked_up(array: np.ndarray, table: Mapping[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Codes, uint8, and where the value is in no row of the table, bool."""
    whole = np.rint(array)
    codes = np.zeros(array.shape, dtype=np.uint8)
    unmatched = np.ones(array.shape, dtype=bool)
    for value, code in table.items():
        found = whole == value
        codes[found] = code
        unmatched &= ~found
    return codes, unmatched | (np.abs(array - whole) > _ROUNDING)


def _named(table: str | Mapping) -> str:
    return f"'{table}'" if isinstance(table, str) else "of the config"


def _fix(array: np.ndarray, pixel_mm: Sequence[float] = (1.0, 1.0)) -> str:
    """The tables that make a heart of the map; none is named that was not tried on it."""
    if (np.abs(array - np.rint(array)) > _ROUNDING).any():
        return "Fix: make the label map again without interpolation (nearest neighbour), which alone keeps its values."
    fitting = fitting_tables(array, pixel_mm) if array.ndim == 3 else []
    if len(fitting) > 1:
        return f"Fix: set label_table to the data set's own; these make a heart of the map: {', '.join(fitting)}."
    if fitting:
        return (
            f"Fix: set label_table to {fitting[0]}, the only table that makes a heart of the map, or correct the file."
        )
    return (
        f"Fix: none of the tables {', '.join(sorted(LABEL_TABLES))} makes a heart of it; set label_table to your own, "
        "{value on disk: our code}, or correct the file."
    )


def to_network_classes(codes: np.ndarray, num_classes: int = len(conventions.NETWORK_CLASSES)) -> np.ndarray:
    """Codes of conventions.LABEL_NAMES -> the classes of a network of ``num_classes``, uint8, same shape.

    What it does not tell apart is merged as by conventions.TO_NETWORK_CLASS.
    """
    own = len(conventions.network_classes(num_classes))
    merged = (
        code if code < own else conventions.TO_NETWORK_CLASS[code] for code in range(len(conventions.LABEL_NAMES))
    )
    return np.fromiter(merged, np.uint8)[codes]


def class_groups(table: str | Mapping, num_classes: int) -> tuple[int, ...]:
    """For each class of a network the class that a label map of ``table`` shows it as; itself where the map knows it.

    A map without a code for oedema shows it as myocardium, one without no-reflow as infarct, one without infarct as
    myocardium: such a map does not say which of them is there, and teaches their sum alone. Where oedema has a code and
    infarct has none, an area at risk is drawn, which holds the infarct: all of the wall is one then.
    """
    codes = np.array(sorted(set(label_table(table).values())))
    known = {conventions.LABEL_NAMES[code] for code in to_network_classes(codes, num_classes)}
    if "infarct" not in known:
        known -= {"oedema", "no_reflow"}
    return tuple(shown_as(name, known) for name in conventions.network_classes(num_classes))


def shown_as(name: str, known: Collection[str]) -> int:
    """Code by which a structure is shown where only the ``known`` ones have a code."""
    while name not in known and name in _PART_OF:
        name = _PART_OF[name]
    return conventions.LABEL_NAMES.index(name)


def marks_lv(table: str | Mapping) -> bool:
    """Whether a label map read by this table shows LV blood pool and LV wall."""
    return {conventions.LABEL_NAMES.index(name) for name in ("lv_blood_pool", "myocardium")} <= set(
        label_table(table).values()
    )
