"""index.html of a transfer evaluation: LV blood and wall by phase and group, and every subject, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from ..conventions import SIDE_BY_SIDE
from ..reports.html import NO_VALUE, files, image, page, table
from ..reports.words import in_words
from .evaluated import EVALUATED, evaluated_html
from .page import number_text
from .subject_rows import Row

# Rows of the tables of numbers, and what they are called.
MEASURES = {
    "mean_dice_lv_blood_pool": "LV blood, Dice",
    "mean_dice_lv_myocardium": "LV wall, Dice",
    "mean_volume_difference_lv_blood_pool_ml": "LV blood, found - true, ml",
    "mean_volume_difference_lv_myocardium_ml": "LV wall, found - true, ml",
    "mean_lv_slices": "slices with LV",
    "mean_slices_missed": "of these, slices missed",
    "mean_slices_invented": "slices invented",
    "mean_centre_distance_mm": "distance of the centre, mm",
    "without_missed_slice": "no slice missed",
    "without_invented_slice": "no slice invented",
    "centre_within_10_mm": "centre within 10 mm",
}
_INTRO = (
    "Label maps of the network against the reference, on the grid of the cine; means with 95 % intervals by "
    "bootstrap over subjects. One row per label map in label_maps.csv, one per slice in slices.csv. What the "
    "numbers mean: docs/TRANSFER.md of the repository."
)
_SILENT = {
    "infarct": "infarct",
    "segments": "AHA segments",
    "calibration": "calibration",
    "virtual_lge": "virtual LGE",
    "frechet_distance": "Fréchet distance",
}
_TABLES = ("evaluation.json", "label_maps.csv", "slices.csv", "methods.md")
_COLUMNS = ("subject", "label map", "Dice blood", "Dice wall", "slices missed", "invented", "centre, mm")


def transfer_html(summary: Mapping, rows: Sequence[Row]) -> str:
    """The page. ``summary``: content of evaluation.json; ``rows``: those of label_maps.csv."""
    body = [evaluated_html(summary), f'<p class="small">{escape(_INTRO)}</p>', "<h2>By phase of the label map</h2>"]
    by = dict(summary["by"])
    body.append(_numbers(by.pop("label_drawn_on")))
    for name, groups in by.items():
        body += [f"<h2>By {escape(in_words(name))}</h2>", _numbers(groups)]
    body += ["<h2>Not measurable in this run</h2>", _silent(summary)]
    body.append(files(name for name in _TABLES if name != "methods.md" or EVALUATED in summary))
    if summary["failed"]:
        failed = [(escape(name), escape(why)) for name, why in summary["failed"].items()]
        body += ["<h2>Subjects that failed</h2>", table(failed, ("subject", "reason"))]
    body += ["<h2>Every label map, the worst first</h2>", _subjects(rows)]
    panels = summary.get("panels", [])
    body += ["<h2>Best, median and worst by Dice of the LV wall</h2>"] if panels else []
    for panel in panels:
        title = f"{panel['rank']}: {panel['subject']}, Dice {panel['score']:.2f}"
        body += [f"<h3>{escape(title)}</h3>", image(panel["file"], title, SIDE_BY_SIDE)]
    return page("Transfer to patients' cine", "transfer", body, SIDE_BY_SIDE)


def _numbers(groups: Mapping[str, Mapping]) -> str:
    """One column per group, one row per measure."""
    rows = [["subjects", *(str(group["subjects"]) for group in groups.values())]]
    for key, title in MEASURES.items():
        cells = (escape(measure_text(group[key])) if key in group else NO_VALUE for group in groups.values())
        rows.append([escape(title), *cells])
    return table(rows, ["", *map(escape, groups)], range(1, len(groups) + 1))


def measure_text(number: Mapping) -> str:
    """A mean and its interval, or a count, of how many, and the interval of the share."""
    if "count" not in number:
        return number_text(number)
    interval = f" ({100 * number['low']:.0f} to {100 * number['high']:.0f} %)" if "low" in number else ""
    return f"{number['count']} of {number['of']}{interval}"


def _silent(summary: Mapping) -> str:
    """What is not measurable, one line per reason."""
    reasons: dict[str, list[str]] = {}
    for key, title in _SILENT.items():
        reasons.setdefault(summary[key]["not_measurable"], []).append(title)
    return "".join(f"<p>{escape(', '.join(names))}: {escape(why)}.</p>" for why, names in reasons.items())


def _subjects(rows: Sequence[Row]) -> str:
    """One row per label map, by the Dice of the wall; those without one first."""
    cells = []
    for row in sorted(rows, key=lambda row: float(row.get("dice_lv_myocardium", -1.0))):
        missed = f"{row['slices_missed']:.0f} of {row['lv_slices']:.0f}"
        numbers = [_number(row, "dice_lv_blood_pool", 3), _number(row, "dice_lv_myocardium", 3), missed]
        numbers += [_number(row, "slices_invented", 0), _number(row, "centre_distance_mm", 1)]
        cells.append([escape(str(row["subject"])), escape(str(row["label_drawn_on"])), *numbers])
    return table(cells, _COLUMNS, range(2, len(_COLUMNS)))


def _number(row: Row, key: str, decimals: int) -> str:
    return f"{float(row[key]):.{decimals}f}" if key in row else NO_VALUE
