"""Agreement of two measurements of the same subjects: R, ICC, Bland-Altman, presence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ...conventions import NotMeasurable, counted

SMALLEST_COHORT = 3  # subjects, below which no agreement is stated


@dataclass(frozen=True)
class BlandAltman:
    """Of found minus reference, in the unit of the measurement: ``bias``, ``sd``, limits of agreement ``bias`` +- 1.96
    ``sd``."""

    bias: float
    sd: float

    @property
    def limits(self) -> tuple[float, float]:
        return self.bias - 1.96 * self.sd, self.bias + 1.96 * self.sd


def bland_altman(found: np.ndarray, reference: np.ndarray) -> BlandAltman:
    """Bias and spread of the differences, (N,) each, one value per subject.

    Raises:
        NotMeasurable: fewer than three subjects.
    Source: Bland and Altman, Lancet 1986;327:307.
    """
    found, reference = _pairs(found, reference)
    difference = found - reference
    return BlandAltman(float(difference.mean()), float(difference.std(ddof=1)))


def mean_difference(found: np.ndarray, reference: np.ndarray) -> float:
    """Bias: mean of found minus reference. Raises NotMeasurable as ``bland_altman``."""
    return bland_altman(found, reference).bias


def lower_limit(found: np.ndarray, reference: np.ndarray) -> float:
    """Lower limit of agreement. Raises NotMeasurable as ``bland_altman``."""
    return bland_altman(found, reference).limits[0]


def upper_limit(found: np.ndarray, reference: np.ndarray) -> float:
    """Upper limit of agreement. Raises NotMeasurable as ``bland_altman``."""
    return bland_altman(found, reference).limits[1]


def pearson_r(found: np.ndarray, reference: np.ndarray) -> float:
    """Correlation, -1..1.

    Raises:
        NotMeasurable: fewer than three subjects, or one of the two does not vary.
    """
    found, reference = _pairs(found, reference)
    if np.ptp(found) == 0 or np.ptp(reference) == 0:
        raise NotMeasurable(f"one of the two measurements is the same in all of {counted(found.size, 'pair')}")
    return float(np.corrcoef(found, reference)[0, 1])


def icc_2_1(found: np.ndarray, reference: np.ndarray) -> float:
    """Intraclass correlation, two-way random effects, absolute agreement, single measurement; <= 1.

    Unlike a correlation it falls with a bias.

    Raises:
        NotMeasurable: as ``pearson_r``.
    Source: Shrout and Fleiss, Psychol Bull 1979;86:420, ICC(2,1).
    """
    table = np.stack(_pairs(found, reference), axis=1)
    subjects, methods = table.shape
    if np.ptp(table) == 0:
        raise NotMeasurable(f"the measurement is the same in all of {counted(subjects, 'pair')}")
    grand = table.mean()
    between = methods * ((table.mean(axis=1) - grand) ** 2).sum() / (subjects - 1)
    raters = subjects * ((table.mean(axis=0) - grand) ** 2).sum() / (methods - 1)
    residual = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0, keepdims=True) + grand
    error = (residual**2).sum() / ((subjects - 1) * (methods - 1))
    return float((between - error) / (between + (methods - 1) * error + methods * (raters - error) / subjects))


def auc(score: np.ndarray, present: np.ndarray) -> float:
    """Area under the ROC curve of ``score`` (N,) for ``present`` (N,), bool; ties count half; 0..1.

    Raises:
        NotMeasurable: all subjects are of one kind.
    Source: Hanley and McNeil, Radiology 1982;143:29 (the Mann-Whitney form).
    """
    score, present = np.asarray(score, dtype=np.float64), np.asarray(present, dtype=bool)
    positive, negative = score[present], score[~present]
    if not positive.size or not negative.size:
        raise NotMeasurable(f"{positive.size} with and {negative.size} without the finding: both kinds are needed")
    ranks = stats.rankdata(np.concatenate([positive, negative]))[: positive.size]
    return float((ranks.sum() - positive.size * (positive.size + 1) / 2) / (positive.size * negative.size))


def sensitivity(found: np.ndarray, present: np.ndarray) -> float:
    """Share of subjects with a finding that were called, 0..1. Raises NotMeasurable when there is none."""
    return _share_called(found, np.asarray(present, dtype=bool), "with")


def specificity(found: np.ndarray, present: np.ndarray) -> float:
    """Share of subjects without a finding that were not called, 0..1. Raises NotMeasurable when there is none."""
    return _share_called(~np.asarray(found, dtype=bool), ~np.asarray(present, dtype=bool), "without")


def _share_called(called: np.ndarray, of: np.ndarray, kind: str) -> float:
    if not of.any():
        raise NotMeasurable(f"no subject {kind} the finding")
    return float(np.asarray(called, dtype=bool)[of].mean())


def _pairs(found: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    found, reference = (np.asarray(one, dtype=np.float64) for one in (found, reference))
    both = np.isfinite(found) & np.isfinite(reference)
    if both.sum() < SMALLEST_COHORT:
        measured = counted(int(both.sum()), "pair")
        raise NotMeasurable(f"{measured} of measurements, at least {SMALLEST_COHORT} are needed")
    return found[both], reference[both]
