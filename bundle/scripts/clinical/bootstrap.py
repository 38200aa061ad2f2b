"""Owns intervals by bootstrap over subjects; statistics that are functions of sums are drawn all at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..conventions import NotMeasurable
from .method_comparison import (
    SMALLEST_COHORT,
    icc_2_1,
    lower_limit,
    mean_difference,
    pearson_r,
    sensitivity,
    specificity,
    upper_limit,
)

BOOTSTRAP_SAMPLES = 2000
_SAME = 1e-12  # variance, as a share of that of all values, below which a sample does not vary


def bootstrap_interval(
    statistic: Callable[..., float],
    *values: np.ndarray,
    subjects: np.ndarray | None = None,
    samples: int = BOOTSTRAP_SAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % percentile interval of ``statistic(*values)`` when subjects are drawn again with replacement.

    Args:
        values: (N,) each, drawn together.
        subjects: (N,) name of the subject of each value, for values per slice or segment; None: one value each.
    Raises:
        NotMeasurable: fewer than three subjects, or the statistic has a value in less than half of the samples.
    Source: cluster bootstrap, Field and Welsh, J R Stat Soc B 2007;69:369: slices of one patient are not independent.
    """
    values = tuple(np.asarray(one) for one in values)
    members = None if subjects is None else _members(np.asarray(subjects))
    count = len(values[0]) if members is None else len(members)
    if count < SMALLEST_COHORT:
        raise NotMeasurable(f"{count} subjects, an interval needs {SMALLEST_COHORT}")
    draws = np.random.default_rng(seed).integers(count, size=(samples, count))
    if statistic in _OF_SUMS:
        found = _drawn_sums(_OF_SUMS[statistic], values, members, draws)
    else:
        found = _drawn_values(statistic, values, members, draws)
    if len(found) < samples / 2:
        raise NotMeasurable(f"only {len(found)} of {samples} bootstrap samples have a value")
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def _drawn_values(
    statistic: Callable[..., float],
    values: tuple[np.ndarray, ...],
    members: list[np.ndarray] | None,
    draws: np.ndarray,
) -> list[float]:
    """The statistic of each sample that has one."""
    found = []
    for drawn in draws:
        if members is not None:
            drawn = np.concatenate([members[i] for i in drawn])
        try:
            found.append(statistic(*(one[drawn] for one in values)))
        except NotMeasurable:
            continue
    return found


def _drawn_sums(
    parts: tuple[Callable, Callable],
    values: tuple[np.ndarray, ...],
    members: list[np.ndarray] | None,
    draws: np.ndarray,
) -> np.ndarray:
    """The same numbers from sums: how often each subject was drawn, times what it adds, for all samples together."""
    terms, of_sums = parts
    added = terms(*values)
    if members is not None:
        added = np.stack([added[own].sum(axis=0) for own in members])
    samples, count = draws.shape
    cells = (draws + np.arange(samples)[:, None] * count).ravel()
    times = np.bincount(cells, minlength=samples * count).reshape(samples, count)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = of_sums(times @ added)
    return found[np.isfinite(found)]


def _mean_terms(values: np.ndarray) -> np.ndarray:
    return np.stack([np.ones(len(values)), values], axis=1)


def _share_terms(found: np.ndarray, present: np.ndarray) -> np.ndarray:
    found, present = np.asarray(found, dtype=bool), np.asarray(present, dtype=bool)
    return np.stack([present, present & found], axis=1).astype(np.float64)


def _ratio(sums: np.ndarray) -> np.ndarray:
    return sums[:, 1] / sums[:, 0]


def _pair_terms(found: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Count, both, their squares and their product; pairs with a value that is not finite add nothing.

    Both are shifted and scaled alike first, for the sake of the digits; the last column is the scale.
    """
    table = np.stack([found, reference], axis=1).astype(np.float64)
    whole = np.isfinite(table).all(axis=1)
    centre = table[whole].mean() if whole.any() else 0.0
    x, y = np.where(whole[:, None], table - centre, 0.0).T
    scale = np.full(len(table), max(float((x**2 + y**2).max(initial=0.0)), np.finfo(float).tiny))
    return np.stack([whole.astype(np.float64), x, y, x * x, y * y, x * y, scale], axis=1)


def _moments(sums: np.ndarray) -> tuple[np.ndarray, ...]:
    """n, difference of the means, and sums of squares and products about the means; n is NaN below three pairs."""
    n, x, y, xx, yy, xy, scale = sums.T
    n = np.where(n < SMALLEST_COHORT, np.nan, n)
    smallest = _SAME * scale
    squares = [np.where(one > smallest, one, 0.0) for one in (xx - x * x / n, yy - y * y / n)]
    difference = (x - y) / n
    return n, np.where(difference**2 > smallest, difference, 0.0 * n), *squares, xy - x * y / n


def _mean_difference(sums: np.ndarray) -> np.ndarray:
    return _moments(sums)[1]


def _limit(sign: float) -> Callable[[np.ndarray], np.ndarray]:
    def limit(sums: np.ndarray) -> np.ndarray:
        n, difference, xx, yy, xy = _moments(sums)
        return difference + sign * 1.96 * np.sqrt(np.maximum(xx + yy - 2 * xy, 0.0) / (n - 1))

    return limit


def _pearson_r(sums: np.ndarray) -> np.ndarray:
    n, _, xx, yy, xy = _moments(sums)
    varies = (xx > 0) & (yy > 0) & np.isfinite(n)
    return np.where(varies, np.clip(xy / np.sqrt(xx * yy), -1.0, 1.0), np.nan)


def _icc_2_1(sums: np.ndarray) -> np.ndarray:
    n, difference, xx, yy, xy = _moments(sums)
    between = (xx + yy + 2 * xy) / 2 / (n - 1)
    error = np.maximum(xx + yy - 2 * xy, 0.0) / 2 / (n - 1)
    raters = n * difference**2 / 2
    return (between - error) / (between + error + 2 * (raters - error) / n)


_OF_SUMS: dict[Callable, tuple[Callable, Callable]] = {
    np.mean: (_mean_terms, _ratio),
    sensitivity: (_share_terms, _ratio),
    specificity: (lambda found, present: _share_terms(~np.asarray(found, bool), ~np.asarray(present, bool)), _ratio),
    mean_difference: (_pair_terms, _mean_difference),
    lower_limit: (_pair_terms, _limit(-1.0)),
    upper_limit: (_pair_terms, _limit(1.0)),
    pearson_r: (_pair_terms, _pearson_r),
    icc_2_1: (_pair_terms, _icc_2_1),
}


def _members(subjects: np.ndarray) -> list[np.ndarray]:
    """Positions of the values of each subject."""
    order = np.argsort(subjects, kind="stable")
    _, starts = np.unique(subjects[order], return_index=True)
    return np.split(order, starts[1:])
