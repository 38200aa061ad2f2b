"""Several methods on the same subjects: one table, and paired differences to one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .statistics.bootstrap import with_interval

# Column of the table -> where the number lies in evaluation.json, and its decimals.
COLUMNS = {
    "Dice infarct": (("all", "mean_dice_infarct"), 3),
    "Dice infarct where there is one": (("all", "mean_dice_infarct_where_there_is_one"), 3),
    "Dice wall": (("all", "mean_dice_lv_myocardium"), 3),
    "Dice blood": (("all", "mean_dice_lv_blood_pool"), 3),
    "HD95 infarct, mm": (("all", "mean_hd95_infarct_mm"), 1),
    "size R": (("all", "infarct_size_r"), 3),
    "size ICC": (("all", "infarct_size_icc_2_1"), 3),
    "size bias, %LV": (("all", "infarct_size_bias_percent_lv"), 1),
    "lower limit, %LV": (("all", "infarct_size_lower_limit_percent_lv"), 1),
    "upper limit, %LV": (("all", "infarct_size_upper_limit_percent_lv"), 1),
    "presence AUC": (("all", "presence_auc"), 3),
    "false positives in oedema": (("all", "false_positives_in_oedema_without_infarct"), 2),
    "transmurality R": (("segments", "transmurality_r"), 3),
    "ECE": (("calibration", "expected_calibration_error"), 3),
    "PSNR wall, dB": (("all", "mean_psnr_myocardium_db"), 1),
    "SSIM wall": (("all", "mean_ssim_myocardium"), 3),
    "SSIM crop": (("all", "mean_ssim_crop"), 3),
    "Fréchet": (("frechet_distance",), 3),
    "segmenter on virtual LGE, Dice infarct": (("all", "mean_segmenter_virtual_dice_infarct"), 3),
    "segmenter on virtual LGE, Dice infarct where there is one": (
        ("all", "mean_segmenter_virtual_dice_infarct_where_there_is_one"),
        3,
    ),
    "segmenter on virtual LGE, size R": (("all", "segmenter_virtual_infarct_size_r"), 3),
    "segmenter on true LGE (ceiling), Dice infarct": (("all", "mean_segmenter_acquired_dice_infarct"), 3),
    "segmenter on true LGE (ceiling), Dice infarct where there is one": (
        ("all", "mean_segmenter_acquired_dice_infarct_where_there_is_one"),
        3,
    ),
    "segmenter on true LGE (ceiling), size R": (("all", "segmenter_acquired_infarct_size_r"), 3),
    "consistency, Dice infarct": (("all", "mean_consistency_dice_infarct"), 3),
    "reader on virtual LGE, Dice infarct": (("all", "mean_reader_virtual_dice_infarct"), 3),
    "reader on true LGE, Dice infarct": (("all", "mean_reader_acquired_dice_infarct"), 3),
    "reader on virtual LGE, Dice infarct where there is one": (
        ("all", "mean_reader_virtual_dice_infarct_where_there_is_one"),
        3,
    ),
    "reader on true LGE, Dice infarct where there is one": (
        ("all", "mean_reader_acquired_dice_infarct_where_there_is_one"),
        3,
    ),
    "reader on virtual LGE, size R": (("all", "reader_virtual_infarct_size_r"), 3),
    "reader on true LGE, size R": (("all", "reader_acquired_infarct_size_r"), 3),
    "reader on virtual LGE, size bias, %LV": (("all", "reader_virtual_infarct_size_bias_percent_lv"), 1),
    "reader on true LGE, size bias, %LV": (("all", "reader_acquired_infarct_size_bias_percent_lv"), 1),
}
# Columns of the overview, in which a method of several training seeds is one row.
OVERVIEW = (
    "Dice infarct", "Dice infarct where there is one", "Dice wall", "Dice blood", "HD95 infarct, mm", "size R",
    "size bias, %LV", "lower limit, %LV", "upper limit, %LV", "presence AUC", "transmurality R", "ECE",
    "PSNR wall, dB", "SSIM wall", "Fréchet", "segmenter on virtual LGE, Dice infarct where there is one",
    "segmenter on virtual LGE, size R", "consistency, Dice infarct", "reader on virtual LGE, Dice infarct",
    "reader on virtual LGE, Dice infarct where there is one", "reader on virtual LGE, size R",
    "reader on virtual LGE, size bias, %LV",
)  # fmt: skip
SEED_MARK = "_seed_"
MISSING = "-"
PAIRED = ("dice_infarct", "dice_lv_myocardium", "ssim_myocardium")


def method_rows(summaries: Mapping[str, Mapping]) -> list[dict[str, str]]:
    """One row per method with every column that at least one method has; a number it lacks is MISSING.

    Args:
        summaries: name of the method to the content of its evaluation.json.
    """
    rows = [{"method": name} | {c: _text(summary, c) for c in COLUMNS} for name, summary in summaries.items()]
    kept = [c for c in COLUMNS if any(row[c] != MISSING for row in rows)]
    return [{"method": row["method"]} | {c: row[c] for c in kept} for row in rows]


def overview(summaries: Mapping[str, Mapping]) -> str:
    """A Markdown table, one row per method: its number, or mean ± standard deviation over its training seeds.

    Args:
        summaries: name to the content of evaluation.json; ``<method>_seed_<n>`` is a further seed of ``<method>``.
    """
    methods: dict[str, list[Mapping]] = {}
    for name, summary in summaries.items():
        methods.setdefault(name.partition(SEED_MARK)[0], []).append(summary)
    lines = [f"| | seeds | {' | '.join(OVERVIEW)} |", "|---" * (len(OVERVIEW) + 2) + "|"]
    for method, of_seeds in methods.items():
        cells = [_spread([_value(summary, column) for summary in of_seeds], COLUMNS[column][1]) for column in OVERVIEW]
        lines.append(f"| {method} | {len(of_seeds)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def paired_differences(rows: Mapping[str, Sequence[Mapping]], reference: str) -> list[dict]:
    """``reference`` minus every other method, mean over the subjects both have, with a 95 % interval by subject.

    Args:
        rows: name of the method to its rows of subjects.csv, values as text. reference: one of the names.
    """
    found = []
    for name in rows:
        if name == reference:
            continue
        for measure in PAIRED:
            ours, theirs = (_by_subject(rows[one], measure) for one in (reference, name))
            both = sorted(set(ours) & set(theirs))
            difference = np.array([ours[s] - theirs[s] for s in both])
            found.append({"method": name, "measure": measure, **with_interval(np.mean, difference)})
    return found


def markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """A Markdown table, one column per method."""
    if not rows:
        return ""
    names = [str(row["method"]) for row in rows]
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for column in list(rows[0])[1:]:
        lines.append(f"| {column} | " + " | ".join(row[column] for row in rows) + " |")
    return "\n".join(lines) + "\n"


def _number(summary: Mapping, column: str) -> Mapping:
    """{"value", "low"?, "high"?} of a column; empty where the method lacks it."""
    number = summary
    for key in COLUMNS[column][0]:
        number = number.get(key, {}) if isinstance(number, Mapping) else {}
    return number if isinstance(number, Mapping) and "value" in number else {}


def _value(summary: Mapping, column: str) -> float | None:
    return _number(summary, column).get("value")


def _spread(values: Sequence[float | None], decimals: int) -> str:
    """Mean ± standard deviation (n - 1) over the seeds that have the number."""
    found = np.array([value for value in values if value is not None])
    if not len(found):
        return MISSING
    return _fixed(found.mean(), decimals) + (f" ± {_fixed(found.std(ddof=1), decimals)}" if len(found) > 1 else "")


def _text(summary: Mapping, column: str) -> str:
    number, decimals = _number(summary, column), COLUMNS[column][1]
    if not number:
        return MISSING
    text = _fixed(number["value"], decimals)
    low_to_high = [_fixed(number[end], decimals) for end in ("low", "high") if end in number]
    if low_to_high:
        return f"{text} ({' to '.join(low_to_high)})"
    return text + (f" (n = {number['subjects']})" if "subjects" in number else "")


def _fixed(value: float, decimals: int) -> str:
    """The number with so many decimals; what rounds to zero has no sign."""
    return f"{round(float(value), decimals) + 0.0:.{decimals}f}"


def _by_subject(rows: Sequence[Mapping], measure: str) -> dict[str, float]:
    return {str(row["subject"]): float(row[measure]) for row in rows if row.get(measure) not in (None, "")}
