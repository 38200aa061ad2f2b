"""index.html of a run: opens offline, all text escaped, images by relative name, no script, no link."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from .. import conventions
from ..reports.html import NO_VALUE, image, page, table
from . import outputs
from .ledger import Failure

# Column of the summary -> heading, decimals (None: text).
TABLE = {
    conventions.SUBJECT: ("subject", None),
    "status": ("status", None),
    "slices": ("slices", 0),
    "infarct_percent_lv": ("infarct, % of LV", 1),
    "reference_infarct_percent_lv": ("reference infarct, % of LV", 1),
    "dice_infarct": ("Dice infarct", 2),
    "dice_lv_myocardium": ("Dice LV wall", 2),
    "dice_lv_blood_pool": ("Dice blood", 2),
    "infarct_mass_g": ("infarct, g", 1),
    "lv_myocardium_mass_g": ("LV myocardium, g", 1),
    "lv_blood_pool_volume_ml": ("LV blood pool, ml", 1),
    "sequences_missing": ("missing", None),
    "review_needed": ("review", None),
    "seconds": ("seconds", 1),
}
NOT_SHOWN_WHEN_EMPTY = (
    "reference_infarct_percent_lv",
    "dice_infarct",
    "dice_lv_myocardium",
    "dice_lv_blood_pool",
    "sequences_missing",
)


def page_html(run: dict, rows: list[dict], results: list[dict], failures: list[Failure]) -> str:
    """The whole page. ``rows`` as summary.summary_rows gives them, ``results`` the content of each result.json."""
    subjects = run["subjects"]
    counts = (
        f"{subjects['written']} written, {subjects['written_earlier']} written earlier, {subjects['failed']} failed"
    )
    body = [
        f'<p>{escape(counts)}. <span class="small">{escape(_run_line(run))}</span></p>',
        "<h2>Numbers</h2>",
        _table(rows),
    ]
    if failures:
        body += ["<h2>Failed subjects</h2>", _failures(failures)]
    body += ["<h2>Subjects</h2>", *(_subject(result) for result in results)]
    return page("Virtual LGE: results", "results", body)


def _run_line(run: dict) -> str:
    software = run["software"]
    named = ", ".join(
        f"{name} {software[name]}" for name in (conventions.BUNDLE_NAME, "monai", "torch") if name in software
    )
    return f"{named}; weights {run['weights']['sha256'][:12]}; seed {run['seed']}; {run['seconds_total']:.1f} s in all"


def _table(rows: list[dict]) -> str:
    shown = {c: t for c, t in TABLE.items() if c not in NOT_SHOWN_WHEN_EMPTY or any(row[c] != "" for row in rows)}
    heads = (escape(title) for title, _ in shown.values())
    lines = ([_cell(row[c], decimals) for c, (_, decimals) in shown.items()] for row in rows)
    return table(lines, heads, [n for n, (_, decimals) in enumerate(shown.values()) if decimals is not None])


def _cell(value: str | float, decimals: int | None) -> str:
    if value == "":
        return NO_VALUE
    return escape(str(value) if decimals is None else f"{float(value):.{decimals}f}")


def _failures(failures: list[Failure]) -> str:
    lines = ([escape(text) for text in (f.subject, f.stage, f.reason, f.next_step)] for f in failures)
    return table(lines, ("subject", "stage", "reason", "next step"))


def _subject(result: dict) -> str:
    """Numbers or their reasons, findings and the preview of one subject."""
    name = str(result[conventions.SUBJECT])
    texts = [f"infarct {_measurement(result['infarct_percent_lv'], ' of LV')}"]
    for structure, numbers in result["structures"].items():
        values = ", ".join(_measurement(measurement) for measurement in numbers.values())
        texts.append(f"{structure.replace('_', ' ')}: {values}")
    parts = [f"<h3>{escape(name)}</h3>", f"<p>{escape('; '.join(texts))}</p>"]
    for flag in result.get("qc", []):
        style = "review" if flag.get("review") else "small"
        parts.append(
            f'<p class="{style}">{"Review: " if flag.get("review") else "Note: "}{escape(str(flag["message"]))}</p>'
        )
    parts += [f'<p class="small">Note: {escape(str(warning))}</p>' for warning in result.get("warnings", [])]
    preview = f"{name}_{outputs.PREVIEW}"
    if preview in result.get("files", []):
        title = f"{name}: cine, T2-STIR, synthetic virtual LGE and label"
        parts.append(image(f"{quote(name)}/{quote(preview)}", title))
    return "\n".join(parts)


def _measurement(measurement: dict, of: str = "") -> str:
    if "value" not in measurement:
        return f"not measurable ({measurement.get('not_measurable', 'no reason given')})"
    return f"{measurement['value']:.1f} {measurement['unit']}{of}"
