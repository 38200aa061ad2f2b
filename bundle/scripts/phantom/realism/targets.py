"""Statistics of a cohort, and the verdict on each target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...conventions import NotMeasurable, counted
from .subject_measures import Measures

FEWEST_SUBJECTS = 5
GRADES = ("1-25 %", "26-50 %", "51-75 %", "76-100 %")
_GRADE_EDGES = (5.0, 25.5, 50.5, 75.5, 100.1)  # less than 5 % of a segment escapes the eye
MVO_SMALLEST_PERCENT = 0.05


@dataclass(frozen=True)
class Realised:
    """A cohort's value, on how many subjects (or segments), and more about its distribution in words."""

    value: float
    count: int
    detail: str = ""


@dataclass(frozen=True)
class Target:
    """One row: the published value in words, its source key (see target_table), the accepted band and how to measure.

    ``low`` and ``high`` None: reported without a verdict.
    """

    block: str
    quantity: str
    published: str
    source: str
    low: float | None
    high: float | None
    measure: Callable[[Sequence[Measures]], Realised]


@dataclass(frozen=True)
class Row:
    """A target with its outcome; ``verdict`` is pass, FAIL, not measurable or no target."""

    target: Target
    realised: Realised | None
    verdict: str
    reason: str = ""


def judge(target: Target, cohort: Sequence[Measures]) -> Row:
    """The row of one target; a quantity that cannot be measured is said so, with the reason."""
    try:
        found = target.measure(cohort)
    except NotMeasurable as reason:
        return Row(target, None, "not measurable", str(reason))
    if target.low is None or target.high is None:
        return Row(target, found, "no target")
    if target.low <= found.value <= target.high:
        return Row(target, found, "pass")
    side = f"below {target.low:g}" if found.value < target.low else f"above {target.high:g}"
    return Row(target, found, "FAIL", side)


def infarcted(cohort: Sequence[Measures]) -> list[Measures]:
    """Subjects with an infarct in their label."""
    return [one for one in cohort if one.values.get("infarct", 0.0) > 0]


def acute(cohort: Sequence[Measures]) -> list[Measures]:
    """Subjects with an infarct and an area at risk; an old scar has none."""
    return [one for one in infarcted(cohort) if one.values["area_at_risk"] > one.values["infarct"]]


def free_of_infarct(cohort: Sequence[Measures]) -> list[Measures]:
    """Subjects whose label was readable and shows neither infarct nor oedema."""
    return [one for one in cohort if one.values.get("area_at_risk", 1.0) == 0]


def healthy(cohort: Sequence[Measures]) -> list[Measures]:
    """Subjects free of infarct and not recorded as ill in another way: stunning shows nothing in a label."""
    return [one for one in free_of_infarct(cohort) if one.facts.get("condition") in (None, "healthy")]


def column(cohort: Sequence[Measures], name: str) -> np.ndarray:
    """Values of one measure over the subjects that have it.

    Raises:
        NotMeasurable: fewer than five; names the most frequent reason.
    """
    values = [one.values[name] for one in cohort if name in one.values]
    if len(values) < FEWEST_SUBJECTS:
        reasons = Counter(one.reasons[name] for one in cohort if name in one.reasons).most_common(1)
        why = f"; most often: {reasons[0][0]}" if reasons else ""
        raise NotMeasurable(f"{len(values)} of {len(cohort)} subjects, at least {FEWEST_SUBJECTS} are needed{why}")
    return np.asarray(values)


Group = Callable[[Sequence[Measures]], list[Measures]]


def quantile(name: str, q: float, group: Group = list) -> Callable[[Sequence[Measures]], Realised]:
    """The ``q`` quantile, 0..1, of a measure."""
    return lambda cohort: _spread(column(group(cohort), name), lambda values: np.quantile(values, q))


def mean(name: str, group: Group = list) -> Callable[[Sequence[Measures]], Realised]:
    return lambda cohort: _spread(column(group(cohort), name), np.mean)


def deviation(name: str, group: Group = list) -> Callable[[Sequence[Measures]], Realised]:
    """The standard deviation of a measure between subjects."""
    return lambda cohort: _spread(column(group(cohort), name), np.std)


def share(name: str, holds: Callable[[float], bool], group: Group = list) -> Callable[[Sequence[Measures]], Realised]:
    """Percent of the subjects with the measure in which it ``holds``."""

    def measure(cohort: Sequence[Measures]) -> Realised:
        values = column(group(cohort), name)
        return Realised(100.0 * float(np.mean([holds(value) for value in values])), values.size)

    return measure


def fact_share(name: str, wanted: object, group: Group) -> Callable[[Sequence[Measures]], Realised]:
    """Percent of a group whose meta.json records ``wanted``."""

    def measure(cohort: Sequence[Measures]) -> Realised:
        facts = [one.facts[name] for one in group(cohort) if one.facts.get(name) is not None]
        if len(facts) < FEWEST_SUBJECTS:
            have = counted(len(facts), "subject")
            raise NotMeasurable(f"meta.json records {name} for {have}, {FEWEST_SUBJECTS} are needed")
        return Realised(100.0 * float(np.mean([fact == wanted for fact in facts])), len(facts))

    return measure


def segment_grade(grade: int, smallest: float = _GRADE_EDGES[0]) -> Callable[[Sequence[Measures]], Realised]:
    """Percent of the LGE-positive segments (``smallest`` percent of the wall or more) that fall in one of GRADES."""

    def measure(cohort: Sequence[Measures]) -> Realised:
        positive = _segments(infarcted(cohort))
        positive = positive[positive >= smallest]
        if not positive.size:
            raise NotMeasurable(f"no segment has {smallest:g} % infarct or more")
        edges = (smallest, *_GRADE_EDGES[1:])
        inside = (positive >= edges[grade]) & (positive < edges[grade + 1])
        return Realised(100.0 * float(inside.mean()), positive.size, "segments")

    return measure


def positive_segments(cohort: Sequence[Measures]) -> Realised:
    """Percent of all segments of infarcted subjects that hold infarct."""
    segments = _segments(infarcted(cohort))
    return Realised(100.0 * float((segments >= _GRADE_EDGES[0]).mean()), segments.size, "segments")


def ef_line(part: str, name: str = "ejection_fraction") -> Callable[[Sequence[Measures]], Realised]:
    """``slope``, ``intercept`` or ``scatter`` (residual SD) of EF (%) against infarct size (%LV), least squares.

    ``name``: ejection_fraction (recorded by the generator where it is) or ejection_fraction_of_stack (measured).
    """

    def measure(cohort: Sequence[Measures]) -> Realised:
        both = [one for one in infarcted(cohort) if name in one.values]
        ef, size = column(both or infarcted(cohort), name), column(both, "infarct")
        slope, intercept = np.polyfit(size, ef, 1)
        scatter = float(np.std(ef - slope * size - intercept))
        value = {"slope": slope, "intercept": intercept, "scatter": scatter}[part]
        return Realised(float(value), ef.size, f"R {np.corrcoef(size, ef)[0, 1]:.2f}")

    return measure


def wall_ratio(cohort: Sequence[Measures]) -> Realised:
    """Apical over basal wall thickness, median."""
    pairs = [one for one in cohort if "wall_apical" in one.values]
    return _spread(column(pairs, "wall_apical") / column(pairs, "wall_basal"), np.median)


def _segments(cohort: list[Measures]) -> np.ndarray:
    found = [one.segments for one in cohort if one.segments.size]
    if len(found) < FEWEST_SUBJECTS:
        raise NotMeasurable(f"segments of {counted(len(found), 'subject')}, at least {FEWEST_SUBJECTS} are needed")
    return np.concatenate(found)


def _spread(values: np.ndarray, statistic: Callable) -> Realised:
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    detail = f"median {middle:.3g}, 5-95 %: {low:.3g} to {high:.3g}"
    return Realised(float(statistic(values)), values.size, detail)
