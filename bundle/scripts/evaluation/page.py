"""index.html of an evaluation: opens offline, all text escaped, images by relative name, no script, no link."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

from .. import conventions
from ..reports.html import STYLE
from .calibration_part import BULLSEYE, CALIBRATION
from .report import number_text
from .subject_table import PICTURE

_PICTURES = {PICTURE: "Infarct size", CALIBRATION: "Calibration", BULLSEYE: "Infarct per segment"}
# Headings of the ranked panels, the key of their value and how it is shown.
_PANELS = (
    ("Best, median and worst by Dice of the infarct", "score", "Dice {:.2f}"),
    ("Largest infarcts invented in hearts without one", "size_percent_lv", "{:.1f} %LV"),
)
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


def evaluation_html(summary: Mapping, folder: Path) -> bytes:
    """The page. ``summary``: content of evaluation.json; ``folder``: where plots and panels lie."""
    body = ["<h1>Virtual LGE: evaluation</h1>", f'<p class="notice">{escape(conventions.DISCLAIMER)}</p>']
    tables = "one row per subject in subjects.csv, one per slice in slices.csv"
    body += [f"<p class='small'>95 % intervals by bootstrap over subjects; {tables}.</p>"]
    body += ["<h2>All subjects</h2>", _numbers(summary.get("all", {}))]
    for key, title in (("segments", "AHA segments"), ("calibration", "Calibration"),
                       ("frechet_distance", "Fréchet distance of the image sets")):  # fmt: skip
        if key in summary:
            body += [f"<h2>{title}</h2>", _numbers(summary[key]), _reasons(summary[key])]
    body += [
        f"<h2>{title}</h2>{_picture(name, title)}" for name, title in _PICTURES.items() if (folder / name).is_file()
    ]
    for name, groups in summary.get("by", {}).items():
        deep = summary.get("segments", {}).get("by", {}).get(name, {})
        groups = {group: {**deep.get(group, {}), **found} for group, found in groups.items()}
        body += [f"<h2>By {escape(name.replace('_', ' '))}</h2>", _groups(groups)]
    panels = summary.get("panels", [])
    if not isinstance(panels, list):
        body += ["<h2>Best, median and worst</h2>", _reasons(panels)]
        panels = []
    for heading, key, shown in _PANELS:
        chosen = [panel for panel in panels if key in panel]
        body += [f"<h2>{heading}</h2>"] if chosen else []
        for panel in chosen:
            title = f"{panel['rank']}: {panel['subject']}, {shown.format(panel[key])}"
            body += [f"<h3>{escape(title)}</h3>", _picture(panel["file"], title)]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    head += f"<title>{escape(conventions.BUNDLE_NAME)}: evaluation</title><style>{STYLE}</style>"
    page = f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(body) + "\n</body></html>\n"
    return page.encode()


def _numbers(section: Mapping) -> str:
    """Two columns: each number of a section; parts of parts are left to the JSON."""
    lines = []
    for name, number in section.items():
        if name.startswith("not_measurable") or (
            isinstance(number, Mapping) and not {"value", "not_measurable"} & set(number)
        ):
            continue
        lines.append(
            f"<tr><td>{escape(name.replace('_', ' '))}</td><td class='number'>{escape(number_text(number))}</td>"
        )
    return f'<div class="scroll"><table><tbody>{"</tr>".join(lines)}</tr></tbody></table></div>'


def _reasons(section: Mapping) -> str:
    """Subjects without these numbers, and why."""
    lines = [f"{escape(str(s))}: {escape(str(why))}" for s, why in section.get("not_measurable_subjects", {}).items()]
    if "not_measurable" in section:
        lines.append(escape(str(section["not_measurable"])))
    return f'<p class="small">Not measurable: {"; ".join(lines)}</p>' if lines else ""


def _groups(groups: Mapping) -> str:
    heads = "".join(f'<th class="number">{escape(title)}</th>' for title in _BY_GROUP.values())
    lines = []
    for name, group in groups.items():
        cells = (escape(number_text(group[key])) if key in group else "&ndash;" for key in _BY_GROUP)
        lines.append(f"<tr><td>{escape(name)}</td>" + "".join(f'<td class="number">{cell}</td>' for cell in cells))
    table = f"<thead><tr><th></th>{heads}</tr></thead><tbody>{'</tr>'.join(lines)}</tr></tbody>"
    return f'<div class="scroll"><table>{table}</table></div>'


def _picture(name: str, title: str) -> str:
    described = escape(f"{title}. {conventions.DISCLAIMER}")
    return f'<img loading="lazy" src="{escape(name)}" alt="{described}">'
