"""Owns intervals by bootstrap over subjects; those of sums and pairs are drawn all at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from ..conventions import NotMeasurable
from .method_comparison import (
    SMALLEST_COHORT,
    auc,
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
    # whose each value is: the position of its subject
    owner = np.arange(len(values[0])) if subjects is None else np.unique(subjects, return_inverse=True)[1]
    count = int(owner.max(initial=-1)) + 1
    if count < SMALLEST_COHORT:
        raise NotMeasurable(f"{count} subjects, an interval needs {SMALLEST_COHORT}")
    draws = np.random.default_rng(seed).integers(count, size=(samples, count))
    found = (_all_at_once if statistic in _OF_TIMES else _one_by_one)(statistic, values, owner, draws)
    if len(found) < samples / 2:
        raise NotMeasurable(f"only {len(found)} of {samples} bootstrap samples have a value")
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def _one_by_one(
    statistic: Callable[..., float], values: tuple[np.ndarray, ...], owner: np.ndarray, draws: np.ndarray
) -> list[float]:
    """The statistic of each sample that has one."""
    order = np.argsort(owner, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(owner[order])) + 1)
    found = []
    for drawn in draws:
        places = np.concatenate([members[i] for i in drawn])
        try:
            found.append(statistic(*(one[places] for one in values)))
        except NotMeasurable:
            continue
    return found


def _all_at_once(
    statistic: Callable[..., float], values: tuple[np.ndarray, ...], owner: np.ndarray, draws: np.ndarray
) -> np.ndarray:
    """The same numbers from how often each value is in a sample."""
    samples, count = draws.shape
    cells = (draws + np.arange(samples)[:, None] * count).ravel()
    times = np.bincount(cells, minlength=samples * count).reshape(samples, count)[:, owner].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = _OF_TIMES[statistic](times, *values)
    return found[np.isfinite(found)]


def _mean(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    return times @ values / times.sum(axis=1)


def _sensitivity(times: np.ndarray, found: np.ndarray, present: np.ndarray) -> np.ndarray:
    found, present = np.asarray(found, dtype=bool), np.asarray(present, dtype=bool)
    return times @ (present & found) / (times @ present)


def _specificity(times: np.ndarray, found: np.ndarray, present: np.ndarray) -> np.ndarray:
    return _sensitivity(times, ~np.asarray(found, dtype=bool), ~np.asarray(present, dtype=bool))


def _auc(times: np.ndarray, score: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Pairs of one with and one without in the right order, ties count half, of all such pairs."""
    score, present = np.asarray(score, dtype=np.float64), np.asarray(present, dtype=bool)
    with_it, without = times[:, present], times[:, ~present]
    gap = score[present][:, None] - score[~present][None]
    right = ((with_it @ (np.sign(gap) / 2 + 0.5)) * without).sum(axis=1)
    return right / (with_it.sum(axis=1) * without.sum(axis=1))


def _moments(times: np.ndarray, found: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, ...]:
    """Per sample n, difference of the means, and sums of squares and products about the means.

    Pairs with a value that is not finite are left out; n is NaN below three pairs. Both are shifted alike first, for
    the sake of the digits; what is 0 but for rounding is 0.
    """
    table = np.stack([found, reference], axis=1).astype(np.float64)
    whole = np.isfinite(table).all(axis=1)
    x, y = (table[whole] - table[whole].mean()).T
    times = times[:, whole]
    n = times.sum(axis=1)
    n = np.where(n < SMALLEST_COHORT, np.nan, n)
    sum_x, sum_y, xx, yy, xy = (times @ np.stack([x, y, x * x, y * y, x * y], axis=1)).T
    smallest = _SAME * n * max((x**2).max(initial=0.0), (y**2).max(initial=0.0))
    squares = [np.where(one > smallest, one, 0.0) for one in (xx - sum_x**2 / n, yy - sum_y**2 / n)]
    difference = (sum_x - sum_y) / n
    difference = np.where(n * difference**2 > smallest, difference, 0.0 * n)
    return n, difference, *squares, xy - sum_x * sum_y / n


def _mean_difference(*arguments: np.ndarray) -> np.ndarray:
    return _moments(*arguments)[1]


def _limit(sign: float, *arguments: np.ndarray) -> np.ndarray:
    n, difference, xx, yy, xy = _moments(*arguments)
    return difference + sign * 1.96 * np.sqrt(np.maximum(xx + yy - 2 * xy, 0.0) / (n - 1))


def _pearson_r(*arguments: np.ndarray) -> np.ndarray:
    n, _, xx, yy, xy = _moments(*arguments)
    varies = (xx > 0) & (yy > 0) & np.isfinite(n)
    return np.where(varies, np.clip(xy / np.sqrt(xx * yy), -1.0, 1.0), np.nan)


def _icc_2_1(*arguments: np.ndarray) -> np.ndarray:
    n, difference, xx, yy, xy = _moments(*arguments)
    between = (xx + yy + 2 * xy) / 2 / (n - 1)
    error = np.maximum(xx + yy - 2 * xy, 0.0) / 2 / (n - 1)
    raters = n * difference**2 / 2
    return (between - error) / (between + error + 2 * (raters - error) / n)


# What a statistic is in every sample, from how often each value is in it (samples, N): NaN where it has none.
_OF_TIMES: dict[Callable, Callable[..., np.ndarray]] = {
    np.mean: _mean,
    sensitivity: _sensitivity,
    specificity: _specificity,
    auc: _auc,
    mean_difference: _mean_difference,
    lower_limit: partial(_limit, -1.0),
    upper_limit: partial(_limit, 1.0),
    pearson_r: _pearson_r,
    icc_2_1: _icc_2_1,
}
