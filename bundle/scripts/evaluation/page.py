"""index.html of an evaluation: opens offline, all text escaped, images and files by relative name, no script."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

from ..conventions import SIDE_BY_SIDE
from ..reports.html import NO_VALUE, files, folded, image, key_numbers, page, table
from ..reports.words import in_words
from .calibration import CALIBRATION
from .evaluated import evaluated_html
from .segment_table import BULLSEYE
from .subject_table import SCATTER

_SECTIONS = {
    "segments": "AHA segments",
    "calibration": "Calibration",
    "frechet_distance": "Fréchet distance of the sets of images",
}
_FIGURES = {CALIBRATION: "Reliability of the infarct probability", BULLSEYE: "Infarct per segment"}
# The numbers that come first.
_KEY_NUMBERS = {
    "subjects": "subjects",
    "infarct_size_r": "infarct size, R",
    "infarct_size_bias_percent_lv": "infarct size, bias, %LV",
    "presence_sensitivity": "infarct present, sensitivity",
    "presence_specificity": "infarct present, specificity",
    "mean_dice_infarct": "infarct, Dice",
    "mean_dice_lv_myocardium": "LV wall, Dice",
    "mean_ssim_myocardium": "SSIM in the LV wall",
}
_TABLES = ("evaluation.json", "subjects.csv", "slices.csv", "segments.csv", "methods.md")
# Headings of the ranked panels, the key of their value and how it is shown.
_PANELS = (
    ("Best, median and worst by Dice of the infarct", "score", "Dice {:.2f}"),
    ("Largest infarcts invented in hearts without one", "size_percent_lv", "{:.1f} %LV"),
)
# Groups whose names are words of this bundle; those of others stay as they are.
_NAMED_BY_US = ("condition", "territory", "vendor", "oedema_regime")
# Columns of the tables by group.
_BY_GROUP = {
    "subjects": "subjects",
    "mean_dice_infarct": "Dice infarct",
    "infarct_size_r": "size, R",
    "infarct_size_bias_percent_lv": "size, bias, %LV",
    "presence_sensitivity": "presence, sensitivity",
    "presence_specificity": "presence, specificity",
    "transmurality_r": "transmurality, R",
    "mean_ssim_myocardium": "SSIM, myocardium",
}


def evaluation_html(summary: Mapping, folder: Path) -> str:
    """The page. ``summary``: content of evaluation.json; ``folder``: where the figures lie."""
    everyone = summary.get("all", {})
    body = [
        evaluated_html(summary),
        key_numbers((title, *_value_and_note(everyone[key])) for key, title in _KEY_NUMBERS.items() if key in everyone),
        '<p class="small">Below a number: its 95 % interval by bootstrap over subjects, or why there is none.</p>',
    ]
    if (folder / SCATTER).is_file():
        body += ["<h2>Infarct size</h2>", image(SCATTER, "Infarct size", SIDE_BY_SIDE)]
    body.append(folded("All numbers of all subjects", _numbers(everyone)))
    body += [
        folded(title, _numbers(summary[key]) + _reasons(summary[key]))
        for key, title in _SECTIONS.items()
        if key in summary
    ]
    body.append(files(name for name in _TABLES if (folder / name).is_file()))
    for name, title in _FIGURES.items():
        if (folder / name).is_file():
            body += [f"<h2>{title}</h2>", image(name, title, SIDE_BY_SIDE)]
    body += _by_group(summary) + _panels(summary)
    return page("Virtual LGE: evaluation", "evaluation", body, SIDE_BY_SIDE)


def _by_group(summary: Mapping) -> list[str]:
    """A table for each kind of group."""
    body = []
    for name, groups in summary.get("by", {}).items():
        deep = summary.get("segments", {}).get("by", {}).get(name, {})
        groups = {group: {**deep.get(group, {}), **found} for group, found in groups.items()}
        shown = {in_words(group) if name in _NAMED_BY_US else group: found for group, found in groups.items()}
        body.append(folded(f"By {in_words(name)}", _groups(shown)))
    return body


def _panels(summary: Mapping) -> list[str]:
    """Images of chosen subjects, or why there are none."""
    body: list[str] = []
    panels = summary.get("panels", [])
    if isinstance(panels, Mapping):
        body += ["<h2>Best, median and worst</h2>", _reasons(panels)]
        panels = []
    for heading, key, shown in _PANELS:
        chosen = [panel for panel in panels if key in panel]
        body += [f"<h2>{heading}</h2>"] if chosen else []
        for panel in chosen:
            title = f"{panel['rank']}: {panel['subject']}, {shown.format(panel[key])}"
            body += [f"<h3>{escape(title)}</h3>", image(panel["file"], title, SIDE_BY_SIDE)]
    return body


def number_text(number: Mapping | float) -> str:
    """A number of the summary in words: value and interval, or why there is none."""
    if not isinstance(number, Mapping):
        return str(number)
    if "value" not in number:
        return str(number.get("not_measurable", "not measurable"))
    interval = f" ({number['low']:.3g} to {number['high']:.3g})" if "low" in number else ""
    return f"{number['value']:.3g}{interval}"


def _value_and_note(number: Mapping | float) -> tuple[str, str]:
    """A number as a key number: its value, and its interval or why there is none."""
    if not isinstance(number, Mapping):
        return str(number), ""
    if "value" not in number:
        return "\u2013", number_text(number)
    return f"{number['value']:.3g}", f"{number['low']:.3g} to {number['high']:.3g}" if "low" in number else ""


def _numbers(section: Mapping) -> str:
    """Two columns: each number of a section; parts of parts are left to the JSON."""
    rows = []
    for name, number in section.items():
        whole = not isinstance(number, Mapping) or {"value", "not_measurable"} & set(number)
        if whole and not name.startswith("not_measurable"):
            rows.append((escape(in_words(name)), escape(number_text(number))))
    return table(rows, numbers=[1])


def _reasons(section: Mapping) -> str:
    """Subjects without these numbers, and why."""
    lines = [f"{escape(str(s))}: {escape(str(why))}" for s, why in section.get("not_measurable_subjects", {}).items()]
    if "not_measurable" in section:
        lines.append(escape(str(section["not_measurable"])))
    return f'<p class="small">Not measurable: {"; ".join(lines)}</p>' if lines else ""


def _groups(groups: Mapping[str, Mapping]) -> str:
    """One row per group."""
    rows = (
        [escape(name), *(escape(number_text(group[key])) if key in group else NO_VALUE for key in _BY_GROUP)]
        for name, group in groups.items()
    )
    return table(rows, ["", *map(escape, _BY_GROUP.values())], range(1, len(_BY_GROUP) + 1))
