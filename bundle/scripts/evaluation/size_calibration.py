"""Width of the interval of infarct sizes, from evaluated subjects whose size is known: size_interval.json."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from ..clinical.size_interval import EXPECTED, UNDECIDED, WALL_UNDECIDED, half_widths_percent_lv, terms
from ..conventions import DISCLAIMER, SEQUENCES, ConfigError, DataError, counted
from ..files import json_text, write_text
from ..runtime.provenance import PHANTOMS
from ..runtime.size_calibration import SIZE_CALIBRATION, group_name, shared_settings
from .comparison import read_rows, read_summary
from .evaluated import EVALUATED
from .subject_table import TABLE

logger = logging.getLogger(__name__)

COVERAGE, REPORT = 0.95, "size_interval.md"
_FOUND, _TRUE = "infarct_percent_lv", "reference_infarct_percent_lv"
# Fewer errors do not tell which one is exceeded once in twenty.
_FEWEST = 40
# An error that a reader has to be warned of, and the share of the others that may be looked at for nothing.
_LARGE_PERCENT_LV, _REVIEWED = 10.0, 0.15
_SMALLEST_PERCENT_LV = 0.5  # half width below which an error counts as one of this, when widths are scaled


class SizeCalibration:
    """Fits the interval to evaluations of one network, one group for what it was shown; checks it on others.

    Of every other subject come the weights of the terms (non-negative least squares of the absolute error), of the
    rest the factor that makes the intervals hold (split conformal prediction: Lei et al., J Am Stat Assoc
    2018;113:1094). Half widths above which a review is asked for are those of 15 % of the subjects whose error is at
    most 10 %LV.

    Args:
        evaluations: folders of configs/evaluate.json of subjects that were not trained on.
        check_evaluations: folders of further subjects, on which coverage and width are measured.
        output_dir: gets size_interval.json, which belongs beside the weights, and size_interval.md.
    Raises:
        ConfigError: no evaluation.
    """

    def __init__(self, evaluations: Sequence[str], check_evaluations: Sequence[str], output_dir: str) -> None:
        self.evaluations = _folders(evaluations, "evaluations")
        self.checked = _folders(check_evaluations, "check_evaluations")
        if not self.evaluations:
            raise ConfigError("evaluations: found none. Fix: --evaluations \"['OUT/validation']\"")
        if twice := sorted({str(one) for one in self.checked} & {str(one) for one in self.evaluations}):
            raise ConfigError(f"check_evaluations: found {twice[0]} among evaluations, too. Fix: check on others.")
        self.folder = Path(output_dir)

    def run(self) -> None:
        """Writes the files and logs the table.

        Raises:
            DataError: evaluations of other weights or settings, of an earlier version, or of too few subjects.
        """
        groups: dict[str, list[dict]] = {}
        origin: dict[str, Any] = {}
        for folder in self.evaluations:
            found = _evaluated(folder, "evaluations")
            _require_same(origin, found, folder)
            origin = origin or found
            for name, rows in _rows_by_group(folder, found).items():
                groups.setdefault(name, []).extend(rows)
        fitted = {name: fit(rows) for name, rows in groups.items()}
        lines = [_line("calibrated", name, measured(fitted[name], rows)) for name, rows in groups.items()]
        for folder in self.checked:
            found = _evaluated(folder, "check_evaluations")
            _require_same(origin, found, folder)
            for name, rows in _rows_by_group(folder, found).items():
                if name not in fitted:
                    raise DataError(f"check_evaluations: no evaluation with {name} was calibrated. Fix: add one.")
                lines.append(_line(folder.name, name, measured(fitted[name], rows)))
        record = {
            "disclaimer": DISCLAIMER,
            "weights_sha256": origin["weights"]["sha256"],
            "settings": shared_settings(origin["settings"]),
            "phantoms_only": origin["weights"].get("trained_on") == PHANTOMS,
            "coverage": COVERAGE,
            "groups": fitted,
        }
        write_text(self.folder / SIZE_CALIBRATION, json_text(record))
        text = "\n".join([_TITLE, "|---|---|---|---|---|---|---|---|", *lines])
        write_text(self.folder / REPORT, f"{text}\n\n{DISCLAIMER}\n")
        logger.info("%s\nwritten to %s. %s", text, self.folder, DISCLAIMER)


_TITLE = (
    "| subjects | shown | number | coverage | half width, median, %LV | narrower than 1.96 SD of the error | "
    "reviewed, error above 10 %LV | reviewed, others |"
)


def fit(rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Weights of the terms, subjects, and the half width that asks for a review; DataError for too few subjects."""
    if len(rows) < _FEWEST:
        raise DataError(
            f"evaluations: found {counted(len(rows), 'subject')} with an infarct size and its truth, expected at least "
            f"{_FEWEST}. Fix: evaluate more subjects, such as --section validation of a larger cohort."
        )
    found, left_open, error = _columns(rows)
    shape, scale = slice(0, None, 2), slice(1, None, 2)
    weights, _ = nnls(terms(found, left_open)[shape], error[shape])
    expected = np.maximum(half_widths_percent_lv(weights, found, left_open), _SMALLEST_PERCENT_LV)
    ratios = np.sort((error / expected)[scale])
    rank = min(math.ceil((len(ratios) + 1) * COVERAGE), len(ratios))
    weights = weights * ratios[rank - 1]
    half = half_widths_percent_lv(weights, found, left_open)
    small = half[error <= _LARGE_PERCENT_LV]
    return {
        "weights": [round(float(one), 5) for one in weights],
        "review_above_percent_lv": round(float(np.quantile(small, 1 - _REVIEWED)), 3) if len(small) else 0.0,
        "subjects": len(rows),
    }


def measured(calibrated: Mapping[str, Any], rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Coverage, widths and reviews of intervals on subjects whose size is known."""
    found, left_open, error = _columns(rows)
    half = half_widths_percent_lv(calibrated["weights"], found, left_open)
    review, large = half > calibrated["review_above_percent_lv"], error > _LARGE_PERCENT_LV
    constant = 1.96 * float(np.std([row[_FOUND] - row[_TRUE] for row in rows], ddof=1)) if len(rows) > 1 else math.nan
    return {
        "subjects": len(rows),
        "coverage": float((error <= half).mean()),
        "median_half_width": float(np.median(half)),
        "narrower": float((half < constant).mean()),
        "large": int(large.sum()),
        "reviewed_large": float(review[large].mean()) if large.any() else math.nan,
        "reviewed_others": float(review[~large].mean()) if (~large).any() else math.nan,
    }


def _line(name: str, group: str, found: Mapping[str, float]) -> str:
    shares = [f"{found[key]:.3f}" for key in ("coverage", "narrower")]
    caught = "-" if math.isnan(found["reviewed_large"]) else f"{found['reviewed_large']:.2f} of {found['large']:.0f}"
    others = "-" if math.isnan(found["reviewed_others"]) else f"{found['reviewed_others']:.2f}"
    cells = [name, group, f"{found['subjects']:.0f}", shares[0], f"{found['median_half_width']:.1f}", shares[1], caught]
    return f"| {' | '.join([*cells, others])} |"


def _columns(rows: Sequence[Mapping[str, float]]) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    found, true = (np.array([row[key] for row in rows], dtype=np.float64) for key in (_FOUND, _TRUE))
    left_open = {name: np.array([row[name] for row in rows]) for name in (EXPECTED, UNDECIDED, WALL_UNDECIDED)}
    return found, left_open, np.abs(found - true)


def _folders(given: Sequence[str], key: str) -> list[Path]:
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ConfigError(f"{key}: found {str(given)[:80]!r}, expected a list. Fix: --{key} \"['OUT/validation']\"")
    return [Path(str(folder)) for folder in dict.fromkeys(given)]


def _rows_by_group(folder: Path, found: Mapping[str, Any]) -> dict[str, list[dict]]:
    """Subjects of an evaluation that have a size, a true one and what is left open, by what the network was shown.

    Raises:
        DataError: there is none.
    """
    wanted = (_FOUND, _TRUE, EXPECTED, UNDECIDED, WALL_UNDECIDED)
    rows = [row for row in read_rows(folder / TABLE) if all(isinstance(row.get(key), float) for key in wanted)]
    if not rows:
        raise DataError(
            f"evaluations: {folder.name} has no subject with {', '.join(wanted)}. "
            "Fix: evaluate again with this version, on subjects with label maps."
        )
    settings = found["settings"]
    groups: dict[str, list[dict]] = {}
    motion = bool(settings["preprocessing"].get("motion", True))
    for row in sorted(rows, key=lambda row: str(row["subject"])):
        acquired = str(row.get("sequences", "")).split()
        used = [name for name in SEQUENCES if name in acquired and name not in settings.get("hidden", ())]
        groups.setdefault(group_name(used, motion), []).append(row)
    return groups


def _evaluated(folder: Path, key: str) -> dict[str, Any]:
    """What an evaluation says of itself.

    Raises:
        DataError: nothing, or that it is none to calibrate on.
    """
    summary: Any = read_summary(folder)
    found: Any = summary.get(EVALUATED) if isinstance(summary, dict) else None
    try:
        whole = isinstance(found["weights"]["sha256"], str) and isinstance(found["settings"]["preprocessing"], dict)
    except (TypeError, KeyError):
        whole = False
    if not whole:
        raise DataError(f"{key}: {folder.name} does not say what was evaluated. Fix: evaluate again.")
    if exchanged := found["settings"].get("exchange"):
        raise DataError(
            f"{key}: {folder.name} has the {exchanged} of other subjects. Fix: evaluate without --exchange."
        )
    if found.get("section") == "training":
        raise DataError(f"{key}: {folder.name} is of the subjects trained on. Fix: --section validation or testing.")
    return dict(found)


def _require_same(first: Mapping[str, Any], found: Mapping[str, Any], folder: Path) -> None:
    if not first:
        return
    if found["weights"]["sha256"] != first["weights"]["sha256"]:
        raise DataError(f"evaluations: {folder.name} is of other weights. Fix: one network at a time.")
    before, now = (shared_settings(one["settings"]) for one in (first, found))
    if differing := sorted(key for key in before | now if before.get(key) != now.get(key)):
        raise DataError(
            f"evaluations: {folder.name} was made with another {', '.join(differing)}. Fix: evaluate alike."
        )
