"""The list of subjects of a run, and the split of each."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import conventions
from ..preprocessing.phases import read_meta
from .layout import SECTIONS, DatalistError, Layout, short_list
from .layouts import read_layout

# What a subject has that can be in every section.
_WHOLE = ("cine", conventions.LGE, conventions.LABEL)
_logger = logging.getLogger(__name__)


def find_subjects(
    dataset_dir: str | Path, require: Sequence[str] = conventions.REQUIRED_SEQUENCES, on_problem: str = "raise"
) -> list[dict]:
    """Subjects of a folder in any layout.

    Args:
        dataset_dir: folder of subject folders, or folder with dataset.json.
        require: keys each subject must have.
        on_problem: "raise" stops at subjects that lack a required file; "record" keeps them as
            ``{subject, problem}`` so that a batch run can list them and go on; "skip" leaves them out with a warning.
    Returns:
        [{subject, cine, t2_stir?, lge?, label?, meta?, vendor?, field_strength_t?, usable_slices?, split?}], absolute
        path strings, sorted by subject; never empty. A layout may add cine_frames, channels, label_table, ed_phase,
        es_phase and label_phase (volumes.entry_files, preprocessing.labels, preprocessing.phases).
    Raises:
        DatalistError: path missing, empty folder, layout not recognised or without what is required, or a subject's
            file missing.
    """
    layout = read_layout(dataset_dir)
    for key in require:
        if key in layout.lacks and not any(key in entry for entry in layout.entries):
            raise DatalistError(layout.lacks[key])
    if on_problem == "record":
        for text in layout.skipped:
            _logger.info("skipped %s", text)
    checked = [_printable(entry | _missing(entry, require, layout)) for entry in layout.entries]
    broken = [entry for entry in checked if "problem" in entry]
    usable = [entry for entry in checked if "problem" not in entry]
    if broken and (on_problem == "raise" or not usable):
        raise DatalistError(short_list([entry["problem"] for entry in broken], "subjects cannot be used"))
    if on_problem == "record":
        return checked
    for entry in broken:
        _logger.warning("skipped: %s", entry["problem"].replace("\n", " "))
    return usable


def _printable(entry: dict) -> dict:
    """``entry``; one whose name is no text cannot stand in a table or on a page: it is listed under a readable one."""
    name = str(entry[conventions.SUBJECT])
    readable = name.encode("utf-8", "backslashreplace").decode("utf-8")
    if readable == name:
        return entry
    problem = f"{readable}: the name of the folder is not UTF-8.\nFix: rename the folder."
    return {conventions.SUBJECT: readable, "problem": problem}


def _missing(entry: dict, require: Sequence[str], layout: Layout) -> dict:
    if "problem" in entry:
        return {}
    absent = [key for key in require if key not in entry]
    if not absent:
        return {}
    for key, text in entry.get("reference_problems", {}).items():
        if key in absent:
            return {"problem": text}
    return {
        "problem": f"{entry['subject']}: {', '.join(absent)} missing, expected {', '.join(require)}.\n"
        f"Fix: add {', '.join(layout.file_names.get(key, key) for key in absent)}, or leave the subject out."
    }


def split(
    dataset_dir: str | Path,
    section: str,
    require: Sequence[str] = ("cine", "lge", "label"),
    seed: int = 0,
    validation_share: float = 0.15,
    testing_share: float = 0.15,
    extra_dirs: Sequence[str | Path] = (),
) -> list[dict]:
    """Entries of one section: training, validation or testing.

    With dataset.json its lists decide; a missing validation list is taken from training. Without, each subject falls
    into a section by a hash of its name and ``seed``, so that the split does not depend on order or on other subjects.
    It is that of the subjects with cine, LGE and label, whatever is required: a subject of the others is for training
    where it has no LGE, since nothing can be compared with it.
    Subjects that lack a file of ``require`` are left out with a warning. ``extra_dirs``: further folders whose
    training subjects (all, where they have no lists) are added; for training only, validation and testing stay.

    Raises:
        DatalistError: nothing to find, the section is empty, a subject's name is in two folders, or phantoms of
            different generators are.
    """
    if section not in SECTIONS:
        raise conventions.ConfigError(f"section: found '{section}', expected one of {', '.join(SECTIONS)}.")
    entries = find_subjects(dataset_dir, require, on_problem="skip")
    named = {entry.get("split") for entry in entries} - {None}
    if not named:
        _split_as_whole(entries, seed, validation_share, testing_share)
    elif "validation" not in named and "training" in named:
        _split_as_whole([entry for entry in entries if entry["split"] == "training"], seed, validation_share, 0.0)
    chosen = [entry for entry in entries if entry["split"] == section]
    if not chosen:
        counts = ", ".join(f"{name} {sum(e['split'] == name for e in entries)}" for name in SECTIONS)
        raise DatalistError(
            f"{dataset_dir}: no subject for '{section}' with {', '.join(require)}; found {counts}.\n"
            f"Fix: add a '{section}' list to dataset.json, or give a folder with more subjects."
        )
    folders = [extra_dirs] if isinstance(extra_dirs, (str, Path)) else extra_dirs
    return chosen + [e for folder in folders for e in _extra_subjects(folder, require, entries)]


def _extra_subjects(folder: str | Path, require: Sequence[str], known: list[dict]) -> list[dict]:
    """Training subjects of a further folder; adds them to ``known``, where no name may be twice."""
    found = find_subjects(folder, require, on_problem="skip")
    extra = [entry for entry in found if entry.get("split", "training") == "training"]
    if twice := sorted({entry["subject"] for entry in known} & {entry["subject"] for entry in extra}):
        raise DatalistError(
            f"{folder}: {', '.join(twice[:3])}{' and others' if len(twice) > 3 else ''} also in another folder; a "
            "subject in two splits would be tested on what was learnt.\n"
            "Fix: leave a patient who is in both folders out of one; where they are other patients of the same name, "
            "rename them. Phantoms get other numbers with --first_subject 3001."
        )
    generators = [_phantom_generator(entries) for entries in (known, extra)]
    if None not in generators and generators[0] != generators[1]:
        raise DatalistError(
            f"{folder}: phantoms of generator {generators[1]}, expected generator {generators[0]} as in dataset_dir; "
            "hearts of two generators differ in more than chance, and a mixed cohort cannot be made again.\n"
            "Fix: make both with one version of configs/make_phantom.json, or leave the folder out of "
            "--extra_training_dirs."
        )
    known.extend(extra)
    return extra


def _phantom_generator(entries: Sequence[dict]) -> Any:
    """Version of the generator that made the first phantom of ``entries``; None where there is no phantom."""
    for entry in entries:
        origin = read_meta(entry.get("meta")).get("phantom")
        if isinstance(origin, dict):
            parameters = origin.get("parameters")
            return parameters.get("generator", 1) if isinstance(parameters, dict) else 1
    return None


def _split_as_whole(entries: list[dict], seed: int, validation_share: float, testing_share: float) -> None:
    """Sections by hash among those that have all references; the others do not move them."""
    whole = [entry for entry in entries if all(entry.get(key) for key in _WHOLE)]
    others = [entry for entry in entries if entry not in whole]
    _split_by_hash(whole or others, seed, validation_share, testing_share)
    if not whole:
        return
    for entry in others:
        _split_by_hash([entry], seed, validation_share, testing_share)
        if not entry.get(conventions.LGE):
            entry["split"] = "training"


def _split_by_hash(entries: list[dict], seed: int, validation_share: float, testing_share: float) -> None:
    """Writes ``split`` into each entry; small cohorts get at least one validation, then one testing subject."""
    position = {}
    for entry in entries:
        digest = hashlib.sha256(f"{seed}:{entry['subject']}".encode()).digest()
        position[entry["subject"]] = int.from_bytes(digest[:8], "big") / 2**64
    for entry in entries:
        u = position[entry["subject"]]
        in_testing, in_validation = u < testing_share, u < testing_share + validation_share
        entry["split"] = "testing" if in_testing else "validation" if in_validation else "training"
    wanted = [("validation", validation_share, 2), ("testing", testing_share, 3), ("training", 1.0, 1)]
    for section, share, smallest in wanted:
        sizes = {name: [e for e in entries if e["split"] == name] for name in SECTIONS}
        donor = max(sizes.values(), key=len)
        if share > 0 and len(entries) >= smallest and not sizes[section] and len(donor) > 1:
            min(donor, key=lambda e: position[e["subject"]])["split"] = section


def subjects_to_infer(dataset_dir: str | Path, output_dir: str | Path, overwrite: bool = False) -> list[dict]:
    """All subjects without a finished ``<output_dir>/<subject>/<subject>_result.json``; all when ``overwrite``.

    Subjects without cine stay in the list as ``{subject, problem}``, to be reported as failed. Empty when everything
    is finished.
    """
    entries = find_subjects(dataset_dir, on_problem="record")
    if conventions.flag(overwrite, "overwrite"):
        return entries
    open_entries = [entry for entry in entries if not _finished(Path(output_dir), entry["subject"])]
    if len(open_entries) < len(entries):
        _logger.info(
            "%d of %d subjects are finished in %s and skipped; --overwrite true makes them again.",
            len(entries) - len(open_entries), len(entries), output_dir,
        )  # fmt: skip
    return open_entries


def _finished(output_dir: Path, subject: str) -> bool:
    return (output_dir / subject / f"{subject}_result.json").is_file()
