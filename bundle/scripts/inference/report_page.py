"""index.html of a run: opens offline, all text escaped, images and files by relative name, no script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from html import escape
from statistics import median
from urllib.parse import quote

from .. import conventions
from ..conventions import SIDE_BY_SIDE, counted
from ..reports.html import NO_VALUE, files, folded, image, key_numbers, link, page, table
from ..reports.size_plot import Size, sizes_svg
from ..reports.words import in_words
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

_SEQUENCES = {"t2_stir": "T2-STIR"}
_FEW = 20  # subjects whose table is open
_LEGEND = (
    '<p class="small">Slices from base to apex where these can be told. LGE is windowed as readers set it, remote '
    "muscle black; yellow: border of the LV wall, red: infarct. An image opens in full size.</p>"
)


def page_html(
    run: dict,
    rows: list[dict],
    results: list[dict],
    failures: list[Failure],
    beside: Mapping[str, Mapping[str, str]] | None = None,
) -> str:
    """The whole page.

    Args:
        rows: as summary.summary_rows gives them. results: the content of each result.json.
        beside: subject to what else belongs to it: what it is called, and its path from the page.
    """
    more = beside or {}
    places = {str(result[conventions.SUBJECT]): f"#subject-{n}" for n, result in enumerate(results, start=1)}
    body = [
        f'<p>{escape(_what(run, results))} <span class="small">{escape(_run_line(run))}</span></p>',
        key_numbers((what, value, "") for what, value in _key_numbers(run, results)),
        *_sizes(results),
        folded("All numbers", _table(rows, places), len(rows) <= _FEW),
        files([name for name in run["outputs"] if "/" not in name and name != "index.html"]),
    ]
    if failures:
        body += ["<h2>Failed subjects</h2>", _failures(failures)]
    body += [
        "<h2>Subjects</h2>",
        _LEGEND,
        *(_subject(result, places, more.get(str(result[conventions.SUBJECT]), {})) for result in results),
    ]
    return page("Virtual LGE: results", "results", body, SIDE_BY_SIDE)


def _what(run: dict, results: list[dict]) -> str:
    """What was synthesised, from what, and what the weights learnt from."""
    used = Counter(tuple(result.get("sequences", {}).get("used", [])) for result in results)
    groups = (
        f"{' and '.join(_SEQUENCES.get(one, one) for one in names) or 'images not recorded'} ({count})"
        for names, count in sorted(used.items(), key=lambda one: -one[1])
    )
    text = f"Virtual LGE and label map of {counted(len(results), 'subject')}, synthesised from {', '.join(groups)}."
    learnt = (
        " Weights trained on digital phantoms only: no patient was learnt from."
        if results and all("trained_on" in result.get("weights", {}) for result in results)
        else ""
    )
    return (text if results else "No virtual LGE was made.") + learnt


def _key_numbers(run: dict, results: list[dict]) -> list[tuple[str, str]]:
    """The eight numbers of a run."""
    sizes = [one["value"] for one in (result["infarct_percent_lv"] for result in results) if "value" in one]
    infarcts = [size for size in sizes if size > 0]
    masses = [
        one["value"] for one in (result["structures"].get("infarct", {}).get("mass", {}) for result in results)
        if one.get("value", 0) > 0
    ]  # fmt: skip
    return [
        ("subjects with a result", str(len(results))),
        ("to be reviewed", str(sum(bool(result.get("review_needed")) for result in results))),
        ("failed", str(run["subjects"]["failed"])),
        ("infarct size not measurable", str(len(results) - len(sizes))),
        ("infarct called", f"{len(infarcts)} of {len(sizes)}"),
        ("infarct size, median of these", f"{median(infarcts):.1f} %LV" if infarcts else "none"),
        ("largest infarct", f"{max(infarcts):.1f} %LV" if infarcts else "none"),
        ("infarct mass, median of these", f"{median(masses):.1f} g" if masses else "none"),
    ]


def _sizes(results: list[dict]) -> list[str]:
    """The plot of infarct sizes, where there are any."""
    sizes = [
        Size(
            str(result[conventions.SUBJECT]),
            float(result["infarct_percent_lv"]["value"]),
            result.get("reference_infarct_percent_lv", {}).get("value"),
            bool(result.get("review_needed")),
        )
        for result in results
        if "value" in result["infarct_percent_lv"]
    ]
    return ["<h2>Infarct size</h2>", sizes_svg(sizes)] if sizes else []


def _run_line(run: dict) -> str:
    software = run["software"]
    named = ", ".join(
        f"{name} {software[name]}" for name in (conventions.BUNDLE_NAME, "monai", "torch") if name in software
    )
    return f"{named}; weights {run['weights']['sha256'][:12]}; seed {run['seed']}; {run['seconds_total']:.1f} s in all"


def _table(rows: list[dict], places: Mapping[str, str]) -> str:
    shown = {c: t for c, t in TABLE.items() if c not in NOT_SHOWN_WHEN_EMPTY or any(row[c] != "" for row in rows)}
    heads = (escape(title) for title, _ in shown.values())
    lines = ([_cell(row[c], decimals, places.get(str(row[c])) if c == conventions.SUBJECT else None)
              for c, (_, decimals) in shown.items()] for row in rows)  # fmt: skip
    return table(lines, heads, [n for n, (_, decimals) in enumerate(shown.values()) if decimals is not None])


def _cell(value: str | float, decimals: int | None, place: str | None = None) -> str:
    if value == "":
        return NO_VALUE
    if place:
        return link(place, str(value))
    return escape(str(value) if decimals is None else f"{float(value):.{decimals}f}")


def _failures(failures: list[Failure]) -> str:
    lines = ([escape(text) for text in (f.subject, f.stage, f.reason, f.next_step)] for f in failures)
    return table(lines, ("subject", "stage", "reason", "next step"))


def _subject(result: dict, places: Mapping[str, str], beside: Mapping[str, str]) -> str:
    """Numbers or their reasons, findings, files and the preview of one subject."""
    name = str(result[conventions.SUBJECT])
    texts = [f"infarct {_measurement(result['infarct_percent_lv'], ' of LV')}{_interval(result)}"]
    for structure, numbers in result["structures"].items():
        values = ", ".join(_measurement(measurement) for measurement in numbers.values())
        texts.append(f"{in_words(structure)}: {values}")
    parts = [f'<h3 id="{places[name][1:]}">{escape(name)}</h3>', f"<p>{escape('; '.join(texts))}</p>"]
    for flag in result.get("qc", []):
        style = "review" if flag.get("review") else "small"
        kind = "Review" if flag.get("review") else "Note"
        parts.append(
            f'<p class="{style}">{kind}: {escape(str(flag["message"]))} ({escape(str(flag.get("flag", "")))})</p>'
        )
    said = " ".join(str(flag["message"]) for flag in result.get("qc", []))
    others = [str(warning) for warning in result.get("warnings", []) if str(warning) not in said]
    parts += [f'<p class="small">Note: {escape(warning)}</p>' for warning in others]
    preview = f"{name}_{outputs.PREVIEW}"
    if preview in result.get("files", []):
        used = ", ".join(_SEQUENCES.get(one, one) for one in result.get("sequences", {}).get("used", []))
        title = f"{name}: {used}, synthetic virtual LGE and label"
        parts.append(image(f"{quote(name)}/{quote(preview)}", title, SIDE_BY_SIDE))
    others = [str(file) for file in result.get("files", []) if file != preview]
    links = [link(f"{quote(name)}/{quote(file)}", file.removeprefix(f"{name}_")) for file in others]
    listed = ", ".join([*links, *(link(quote(path), what) for what, path in beside.items())])
    parts.append(f'<p class="small">Files: {listed}</p>')
    return "\n".join(parts)


def _interval(result: dict) -> str:
    """The interval of the infarct size, in brackets; "" where there is none."""
    found = result.get("infarct_percent_lv_interval", {})
    if not {"low", "high", "coverage"} <= set(found):
        return ""
    share = f"{100 * found['coverage']:.0f} % interval, {found.get('caveat', '')}".rstrip(", ")
    return f" ({found['low']:.1f} to {found['high']:.1f}; {share})"


def _measurement(measurement: dict, of: str = "") -> str:
    if "value" not in measurement:
        return f"not measurable ({measurement.get('not_measurable', 'no reason given')})"
    return f"{measurement['value']:.1f} {measurement['unit']}{of}"
