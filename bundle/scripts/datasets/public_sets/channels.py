"""What dataset.json says of channels and label values, the same for nnU-Net and Decathlon."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...preprocessing.labels import LABEL_TABLE, LABEL_TABLE_PROBLEM
from ..layout import DatalistError
from .names import sequence_named, table_from_names

_KEYS = ("channel_names", "modality")
# Optional in dataset.json: names of ``labels`` that the label maps do not mark, whatever a subject has. nnU-Net wants
# label values without a gap, so that such names cannot be left out.
NOT_MARKED = "structures_not_marked"


def channel_sequences(content: dict, file: Path) -> tuple[dict[int, str], list[str]]:
    """{channel: sequence} from ``channel_names`` (nnU-Net v2) or ``modality`` (v1, Decathlon), and notes.

    Raises:
        DatalistError: neither key is there, none of the names is one of ours, or two channels are the same sequence.
    """
    key = next((key for key in _KEYS if content.get(key)), "")
    fix = f'Fix: write {{"channel_names": {{"0": "cine", "1": "T2-STIR", "2": "LGE"}}}} into {file.name}, in the order '
    fix += "of the channels."
    if not key:
        raise DatalistError(
            f"{file}: found no channel_names and no modality, expected one of them: which channel is which sequence.\n"
            f"{fix}"
        )
    listed = content[key]
    if isinstance(listed, str):
        listed = [listed]
    if isinstance(listed, list):
        listed = dict(enumerate(listed))
    if not isinstance(listed, dict) or not all(str(number).isdecimal() for number in listed):
        raise DatalistError(f"{file}: {key} found {str(content[key])[:80]}, expected names by number.\n{fix}")
    found = {int(number): sequence_named(name) for number, name in listed.items()}
    known = [sequence for sequence in found.values() if sequence]
    names = ", ".join(str(name)[:30] for name in listed.values())
    if not known:
        raise DatalistError(f"{file}: {key} found {names}, expected cine, T2-STIR or LGE among them.\n{fix}")
    if len(set(known)) < len(known):
        raise DatalistError(f"{file}: {key} found {names}, expected each sequence once.\n{fix}")
    notes = [f"channel {n} ({listed_name}): not one of cine, T2-STIR and LGE" for n, listed_name in
             ((int(number), str(name)[:30]) for number, name in listed.items()) if not found[n]]  # fmt: skip
    return {number: sequence for number, sequence in found.items() if sequence}, notes


def label_fields(content: dict, file: Path) -> dict[str, Any]:
    """Fields of an entry with a label: its table, or why there is none."""
    labels = content.get("labels")
    absent = [str(name) for name in content.get(NOT_MARKED) or ()]
    table = table_from_names(labels, absent) if isinstance(labels, dict) else "no key 'labels'"
    if isinstance(table, dict):
        return {LABEL_TABLE: table}
    return {
        LABEL_TABLE_PROBLEM: f"{file.name}: labels found {table}, expected known names of structures, such as "
        '{"background": 0, "LV blood pool": 1, "myocardium": 2, "infarct": 3}.\nFix: correct the names, or say what '
        'the values mean with --label_table "{0: 0, 1: 1, 2: 2, 3: 3}", {value: our code} (docs/DATASETS.md).'
    }


def cine_lacking(sequences: dict[int, str], file: Path) -> dict[str, str]:
    """The message for jobs that need a cine, where no channel is one."""
    if "cine" in sequences.values():
        return {}
    return {
        "cine": f"{file}: found channels {', '.join(sequences.values())}, expected a cine among them.\n"
        "Fix: correct channel_names if one of them is the cine; LGE and label maps alone are measured by "
        "configs/quantify.json."
    }
