"""Rows of summary.csv and index.html: one per subject, of this run and of earlier ones in the same folder."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path

from ..conventions import SUBJECT, DataError
from ..reports.tables import csv_text
from . import outputs
from .ledger import Failure

WRITTEN, EARLIER, FAILED = "written", "written earlier", "failed"
# Column of summary.csv -> where the measurement lies in result.json.
MEASUREMENTS = {
    "infarct_percent_lv": ("infarct_percent_lv",),
    "infarct_volume_ml": ("structures", "infarct", "volume"),
    "infarct_mass_g": ("structures", "infarct", "mass"),
    "lv_myocardium_volume_ml": ("structures", "lv_myocardium", "volume"),
    "lv_myocardium_mass_g": ("structures", "lv_myocardium", "mass"),
    "lv_blood_pool_volume_ml": ("structures", "lv_blood_pool", "volume"),
    "reference_infarct_percent_lv": ("reference_infarct_percent_lv",),
    "dice_lv_blood_pool": ("reference_dice", "lv_blood_pool"),
    "dice_lv_myocardium": ("reference_dice", "lv_myocardium"),
    "dice_infarct": ("reference_dice", "infarct"),
}
COLUMNS = (
    SUBJECT,
    "status",
    "slices",
    *MEASUREMENTS,
    "infarct_percent_lv_low",
    "infarct_percent_lv_high",
    "not_measurable",
    "sequences_used",
    "sequences_missing",
    "review_needed",
    "qc_flags",
    "seconds",
    "seconds_network",
    "weights_sha256",
)


def read_earlier(output_dir: Path, done: set[str]) -> tuple[list[dict], list[Failure]]:
    """Results of earlier runs in the folder, but for the subjects in ``done``; unreadable ones as failures."""
    results, unreadable = [], []
    for folder in sorted(path for path in output_dir.iterdir() if path.is_dir() and not path.name.startswith(".")):
        path = outputs.subject_file(output_dir, folder.name, outputs.RESULT)
        if folder.name in done or not path.is_file():
            continue
        try:
            results.append(outputs.read_result(path, ("infarct_percent_lv",)))
        except DataError as error:
            unreadable.append(Failure(folder.name, "earlier result", str(error), f"delete {path.name} and run again"))
    return results, unreadable


def summary_rows(written: list[dict], earlier: list[dict], failures: list[Failure]) -> list[dict]:
    """One row per subject, sorted by name; a number that was not measured stays empty, with its reason in the row."""
    rows = [result_row(result, WRITTEN) for result in written] + [result_row(result, EARLIER) for result in earlier]
    rows += [
        dict.fromkeys(COLUMNS, "") | {SUBJECT: failure.subject, "status": FAILED}
        for failure in failures
        if not failure.has_result
    ]
    return sorted(rows, key=lambda row: row[SUBJECT])


def result_row(result: dict, status: str) -> dict:
    """One row of COLUMNS from the content of a result.json."""
    row = dict.fromkeys(COLUMNS, "") | {SUBJECT: result[SUBJECT], "status": status}
    reasons = []
    for column, place in MEASUREMENTS.items():
        measurement: dict = result
        for key in place:
            measurement = measurement.get(key, {})
        row[column] = measurement.get("value", "")
        if "not_measurable" in measurement:
            reasons.append(f"{column}: {measurement['not_measurable']}")
    interval = result.get("infarct_percent_lv_interval", {})
    row["infarct_percent_lv_low"], row["infarct_percent_lv_high"] = (interval.get(end, "") for end in ("low", "high"))
    seconds, sequences = result.get("seconds", {}), result.get("sequences", {})
    row["slices"] = result.get("slices", {}).get("total", "")
    row["not_measurable"] = "; ".join(reasons)
    row["sequences_used"] = " ".join(sequences.get("used", []))
    row["sequences_missing"] = " ".join(sequences.get("missing", []))
    row["review_needed"] = "yes" if result.get("review_needed") else "no"
    row["qc_flags"] = " ".join(flag["flag"] for flag in result.get("qc", []))
    row["seconds"] = seconds.get("total", "")
    row["seconds_network"] = "" if seconds.get("network") is None else seconds["network"]
    row["weights_sha256"] = result.get("weights", {}).get("sha256", "")
    return row


def failed_cases_text(failures: list[Failure]) -> str:
    """failed_cases.csv: the fields of Failure; the header alone when nothing failed."""
    return csv_text([asdict(failure) for failure in failures], tuple(field.name for field in fields(Failure)))
