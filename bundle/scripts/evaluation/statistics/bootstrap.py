"""Bootstrap intervals over subjects; those of sums and pairs are drawn all at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from ...conventions import NotMeasurable, counted
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


def bootstrap_interval(
    statistic: Callable[..., float],
    *values: np.ndarray,
    subjects: np.ndarray | None = None,
    samples: int = BOOTSTRAP_SAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % percentile interval of ``statistic(*values)`` when subjects are drawn again with replacement.

    Args:
        statistic: takes as many arrays as there are ``values``; raises NotMeasurable for a sample that has none.
        values: (N,) each, drawn together; pairs with a value that is not finite are the statistic's to leave out.
        subjects: (N,) name of the subject of each value, for values per slice or segment; None: one value each.
        samples: drawn; seed: of the draws, the same ones for every statistic of as many subjects.
    Returns:
        Lower and upper limit, in the statistic's units; samples without a finite value are left out.
    Raises:
        NotMeasurable: fewer than three subjects, or the statistic has a value in less than half of the samples.
        ValueError: arrays of different length.
    Source: cluster bootstrap, Field and Welsh, J R Stat Soc B 2007;69:369: slices of one patient are not independent.
    """
    values = tuple(np.asarray(one) for one in values)
    lengths = {len(one) for one in values} | ({len(subjects)} if subjects is not None else set())
    if len(lengths) != 1:
        raise ValueError(f"values and subjects of one length are needed, got {sorted(lengths)}")
    # whose each value is: the position of its subject
    owner = np.arange(len(values[0])) if subjects is None else np.unique(subjects, return_inverse=True)[1]
    count = int(owner.max(initial=-1)) + 1
    if count < SMALLEST_COHORT:
        raise NotMeasurable(f"{counted(count, 'subject')}, an interval needs {SMALLEST_COHORT}")
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
            found.append(float(statistic(*(one[places] for one in values))))
        except NotMeasurable:
            continue
    return [one for one in found if np.isfinite(one)]


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


class _Pairs:
    """Found and reference of every sample: pairs with a value that is not finite are left out; NaN below three."""

    def __init__(self, times: np.ndarray, found: np.ndarray, reference: np.ndarray) -> None:
        table = np.stack([found, reference]).astype(np.float64)
        whole = np.isfinite(table).all(axis=0)
        self.times, (self.found, self.reference) = times[:, whole], table[:, whole]
        n = self.times.sum(axis=1)
        self.n = np.where(n < SMALLEST_COHORT, np.nan, n)
        self.difference = self.mean(self.found - self.reference)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """(samples,)."""
        return self.times @ values / self.n

    def products(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """(samples,) sums of products of the deviations from the sample's own means, with all their digits."""
        return (self.times * self._deviations(first) * self._deviations(second)).sum(axis=1)

    def varies(self, *columns: np.ndarray) -> np.ndarray:
        """(samples,) whether the drawn values of these columns, taken together, are not all the same: exactly."""
        drawn = self.times > 0
        high = np.max([np.where(drawn, one, -np.inf).max(axis=1, initial=-np.inf) for one in columns], axis=0)
        low = np.min([np.where(drawn, one, np.inf).min(axis=1, initial=np.inf) for one in columns], axis=0)
        return high > low

    def _deviations(self, values: np.ndarray) -> np.ndarray:
        return values - self.mean(values)[:, None]


def _mean_difference(*arguments: np.ndarray) -> np.ndarray:
    return _Pairs(*arguments).difference


def _limit(sign: float, *arguments: np.ndarray) -> np.ndarray:
    pairs = _Pairs(*arguments)
    gap = pairs.found - pairs.reference
    return pairs.difference + sign * 1.96 * np.sqrt(pairs.products(gap, gap) / (pairs.n - 1))


def _pearson_r(*arguments: np.ndarray) -> np.ndarray:
    pairs = _Pairs(*arguments)
    x, y = pairs.found, pairs.reference
    r = pairs.products(x, y) / np.sqrt(pairs.products(x, x) * pairs.products(y, y))
    return np.where(pairs.varies(x) & pairs.varies(y), np.clip(r, -1.0, 1.0), np.nan)


def _icc_2_1(*arguments: np.ndarray) -> np.ndarray:
    """Sums of squares of two methods, from the pairs' sums and differences."""
    pairs = _Pairs(*arguments)
    total, gap = pairs.found + pairs.reference, pairs.found - pairs.reference
    between, error = (pairs.products(one, one) / 2 / (pairs.n - 1) for one in (total, gap))
    raters = pairs.n * pairs.difference**2 / 2
    icc = (between - error) / (between + error + 2 * (raters - error) / pairs.n)
    return np.where(pairs.varies(pairs.found, pairs.reference), icc, np.nan)


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
