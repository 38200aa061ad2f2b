"""Owns the JSON form of a statistic over subjects: value, 95 % interval, number of subjects, or why there is none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..conventions import NotMeasurable
from .bootstrap import bootstrap_interval

DECIMALS = 4


def with_interval(statistic: Callable[..., float], *values: np.ndarray, subjects: np.ndarray | None = None) -> dict:
    """The statistic and its interval; a statistic without interval (too few subjects) says why it has none.

    Args:
        values: (N,) each, drawn together. subjects: (N,), whose value it is; None: one each.
    Returns:
        {"value", "low", "high", "subjects"}, without limits and with "no_interval", or {"not_measurable": reason}.
    """
    if not values[0].size:
        return {"not_measurable": "no subject has this measurement"}
    count = int(values[0].size) if subjects is None else len(np.unique(subjects))
    try:
        found = {"value": round(float(statistic(*values)), DECIMALS), "subjects": count}
    except NotMeasurable as reason:
        return {"not_measurable": str(reason)}
    try:
        low, high = bootstrap_interval(statistic, *values, subjects=subjects)
    except NotMeasurable as reason:
        return found | {"no_interval": str(reason)}
    return found | {"low": round(low, DECIMALS), "high": round(high, DECIMALS)}
