"""Reliability of a probability, and risk against coverage: does the uncertainty point at the errors?"""

from __future__ import annotations

import numpy as np

from ...conventions import NotMeasurable, counted

BINS = 10
COUNT, CONFIDENCE, PRESENT = range(3)  # columns of the counts


def reliability_counts(probability: np.ndarray, present: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Pixels, sum of their probability and number with the finding, per bin of probability, (bins, 3).

    Args:
        probability: (N,), 0..1. present: (N,), bool.
    """
    probability = np.asarray(probability, dtype=np.float64)
    index = np.clip((probability * bins).astype(int), 0, bins - 1)
    columns = (None, probability, np.asarray(present, dtype=np.float64))
    return np.stack([np.bincount(index, one, minlength=bins) for one in columns], axis=1).astype(np.float64)


def expected_calibration_error(counts: np.ndarray) -> float:
    """Mean distance of probability and share with the finding over the bins, weighted by pixels, 0..1.

    Args:
        counts: of reliability_counts, or the sum over subjects.
    Raises:
        NotMeasurable: no pixel was counted.
    Source: Guo et al., ICML 2017, equation 3.
    """
    total = counts[:, COUNT].sum()
    if total <= 0:
        raise NotMeasurable("no pixel of the LV wall was counted")
    return float(np.abs(counts[:, CONFIDENCE] - counts[:, PRESENT]).sum() / total)


def risk_coverage(uncertainty: np.ndarray, risk: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of subjects kept, from 1/N to 1, and the mean risk of those kept, the least uncertain first, (N,) each.

    Args:
        uncertainty: (N,), larger is less sure, such as the SD of the infarct size over samples. risk: (N,), such as the
            absolute error of the infarct size.
    Raises:
        NotMeasurable: fewer than three subjects.
    Source: El-Yaniv and Wiener, JMLR 2010;11:1605.
    """
    uncertainty, risk = np.asarray(uncertainty, dtype=np.float64), np.asarray(risk, dtype=np.float64)
    if uncertainty.size < 3:
        raise NotMeasurable(
            f"{counted(uncertainty.size, 'subject')} with several samples and a reference, at least 3 are needed"
        )
    order = np.argsort(uncertainty, kind="stable")
    kept = np.arange(1, uncertainty.size + 1)
    return kept / uncertainty.size, np.cumsum(risk[order]) / kept


def area_under_risk_coverage(uncertainty: np.ndarray, risk: np.ndarray) -> float:
    """Mean of the risk-coverage curve, in the unit of ``risk``: lower is better, the mean risk is that of no order."""
    return float(risk_coverage(uncertainty, risk)[1].mean())
